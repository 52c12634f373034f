"""One message to many blocking connections."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Optional, Union

from ..frames import State
from ..prepared import PreparedMessage, is_fragments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

    from .connection import Connection

__all__ = ["broadcast"]


def broadcast(
    connections: Iterable[Connection],
    message: Union[str, Buffer, PreparedMessage],
    raise_exceptions: bool = False,
    *,
    text: Optional[bool] = None,
) -> None:
    """Send a message to many connections, one after the other.

    It is framed, and compressed, once. Connections that are not open are left out. A slow one
    delays those after it by ``write_timeout`` at most. With ``raise_exceptions``, failures are
    raised at the end, as an ``ExceptionGroup`` (the first one on Python 3.10); else logged.
    """
    if not isinstance(message, PreparedMessage):
        if is_fragments(message):
            raise TypeError("a broadcast cannot be fragmented: give one str or bytes-like object")
        message = PreparedMessage(message, text=text)
    errors: list[Exception] = []
    for connection in connections:
        if connection.state is not State.OPEN:
            continue
        try:
            connection.send(message)
        except Exception as error:
            if raise_exceptions:
                errors.append(error)
            else:
                connection.logger.warning("skipped broadcast: failed to write message: %s", error)
    if errors:
        if sys.version_info >= (3, 11):
            raise ExceptionGroup("skipped broadcast", errors)
        raise errors[0]
