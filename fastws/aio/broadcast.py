"""One message to many connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Optional, Union

from ..broadcasting import Failures, prepare
from ..frames import CloseCode, Role, State

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
    limit: int = 1024 * 1024,
    slow: Literal["skip", "close"] = "close",
) -> None:
    """Send a message to many connections without waiting for any of them.

    It is framed, and compressed, once. Connections that are not open are left out. One that has
    more than ``limit`` bytes waiting to be written is too slow: with ``slow="close"`` it is closed
    with 1013 (try again later), with ``"skip"`` it does not get this message, and its
    ``skipped_messages`` counts that. With ``raise_exceptions``, failures are raised at the end, as
    an ``ExceptionGroup`` (the first one on Python 3.10); else they are logged.
    """
    if slow not in ("skip", "close"):
        raise ValueError(f"slow must be 'skip' or 'close', not {slow!r}")
    prepared = prepare(message, text)
    failures = Failures(raise_exceptions)
    frame = prepared.frame(Role.SERVER, None)
    size = prepared.size
    for connection in connections:
        if connection._send_prepared(frame, size):
            continue
        protocol = connection.protocol
        if protocol.state is not State.OPEN:
            continue
        if connection._write_paused and connection._backlog() > limit:
            if slow == "skip":
                connection.skipped_messages += 1
            else:
                connection._start_closing(CloseCode.TRY_AGAIN_LATER, "too slow")
            continue
        try:
            if connection._fragments_done is not None:
                raise RuntimeError("a fragmented message is being sent")
            protocol.send_message(prepared)
            connection._flush()
        except Exception as error:
            failures.add(error, connection.logger)
    failures.raise_together()
