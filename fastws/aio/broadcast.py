"""One message to many connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Optional, Union

from ..broadcasting import Failures, prepare
from ..frames import CloseCode, Role, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer

    from ..prepared import PreparedMessage
    from .connection import Connection

__all__ = ["broadcast", "fan_out"]


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
    failures = Failures(raise_exceptions)
    fan_out(connections, [prepare(message, text)], failures, limit, slow)
    failures.raise_together()


def fan_out(
    connections: Iterable[Connection],
    messages: Sequence[PreparedMessage],
    failures: Failures,
    limit: int,
    slow: Literal["skip", "close"],
) -> int:
    """Send messages, at least one, to each connection, in one write where that can be.

    Otherwise as ``broadcast``. Return how many messages were not sent, of all connections together.
    """
    count = len(messages)
    frames = [message.frame(Role.SERVER, None) for message in messages]
    data = frames[0] if count == 1 else b"".join(frames)
    size = max([message.size for message in messages])
    missed = 0
    for connection in connections:
        if connection._send_prepared(data, size, count):
            continue
        protocol = connection.protocol
        if protocol.state is not State.OPEN:
            missed += count
            continue
        if connection._write_paused and connection._backlog() > limit:
            missed += count
            if slow == "skip":
                connection.skipped_messages += count
            else:
                connection._start_closing(CloseCode.TRY_AGAIN_LATER, "too slow")
            continue
        try:
            if connection._fragments_done is not None:
                raise RuntimeError("a fragmented message is being sent")
            for message in messages:
                protocol.send_message(message)
            connection._flush()
            connection._sent += count
        except Exception as error:
            missed += count
            failures.add(error, connection.logger)
    return missed
