"""One message to many blocking connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from ..broadcasting import Failures, prepare
from ..frames import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

    from ..prepared import PreparedMessage
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
    prepared = prepare(message, text)
    failures = Failures(raise_exceptions)
    for connection in connections:
        if connection.state is not State.OPEN:
            continue
        try:
            connection.send(prepared)
        except Exception as error:
            failures.add(error, connection.logger)
    failures.raise_together()
