"""What rooms deliver in one turn of the event loop, written to each receiver at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Union

from ..aio.broadcast import fan_out
from ..broadcasting import Failures
from ..frames import CloseCode, Opcode
from .receivers import Callback

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..aio import Connection
    from ..prepared import PreparedMessage
    from .room import Room

__all__ = ["Delivery", "Slow"]

Slow = Literal["skip", "close"]

# A room does not gather more than so many bytes before it writes them.
GATHER_BYTES = 64 * 1024


class Delivery:
    """The rooms that have something to write, and how much was written.

    Most of what a message to many costs is a system call for each receiver: messages that come in
    the same turn of the loop, or within ``gather_seconds``, share it.
    """

    def __init__(self, limit: int, slow: Slow, gather_seconds: float) -> None:
        self.limit = limit
        self.slow: Slow = slow
        self.delivered = 0  # messages, times the receivers they were written to
        self.delivered_bytes = 0
        self.missed = 0  # of these, not written: the receiver was too slow, or gone
        self._gather_seconds = gather_seconds
        self._rooms: list[Room] = []
        self._loop = asyncio.get_running_loop()
        self._due = False
        self._failures = Failures(raise_exceptions=False)

    def add(self, room: Room) -> None:
        """Have ``room.flush`` called soon."""
        self._rooms.append(room)
        if self._due:
            return
        self._due = True
        if self._gather_seconds:
            self._loop.call_later(self._gather_seconds, self.flush)
        else:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write all that waits."""
        self._due = False
        rooms, self._rooms = self._rooms, []
        for room in rooms:
            room.flush()

    def write(
        self,
        connections: Collection[Connection],
        callbacks: Collection[Callback],
        messages: list[PreparedMessage],
    ) -> None:
        """Write messages to each receiver, in order; wait for none of them."""
        missed = 0
        if connections:
            missed = fan_out(connections, messages, self._failures, self.limit, self.slow)
        if callbacks:
            # One may call us back.
            plain_messages = [plain(message) for message in messages]
            for callback in list(callbacks):
                missed += callback.put(plain_messages, self.limit, self.slow)
        receivers = len(connections) + len(callbacks)
        self.missed += missed
        self.delivered += receivers * len(messages) - missed
        if receivers:
            self.delivered_bytes += receivers * sum(len(m.payload) for m in messages)

    def write_one(
        self, receiver: Union[Connection, Callback], messages: list[PreparedMessage]
    ) -> None:
        """As ``write``, to one receiver."""
        if isinstance(receiver, Callback):
            self.write((), (receiver,), messages)
        else:
            self.write((receiver,), (), messages)

    def close(self, receiver: Union[Connection, Callback]) -> None:
        """Close the connection of a receiver that is too slow."""
        if isinstance(receiver, Callback):
            receiver.give_up()
        else:
            receiver._start_closing(CloseCode.TRY_AGAIN_LATER, "too slow")


def plain(message: PreparedMessage) -> Union[str, bytes]:
    """Return a message as it was before it was prepared."""
    return message.payload.decode() if message.opcode is Opcode.TEXT else message.payload
