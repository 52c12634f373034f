"""How a message tells its receiver the id to come back with."""

from __future__ import annotations

from typing import Union

__all__ = ["id_first"]


def id_first(message_id: str, room: str, message: Union[str, bytes]) -> Union[str, bytes]:
    """Return the message after a first line with its id, for ``Hub(stamp=id_first)``."""
    if isinstance(message, str):
        return f"{message_id}\n{message}"
    return message_id.encode() + b"\n" + message
