"""One room in one process: who receives, and what they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from ..frames import State
from .delivery import GATHER_BYTES
from .engine import order
from .receivers import Callback
from .sequence import Sequence

if TYPE_CHECKING:
    from ..aio import Connection
    from ..prepared import PreparedMessage
    from .delivery import Delivery

    Receiver = Union[Connection, Callback]

__all__ = ["Held", "Room"]


class Held:
    """What comes for a receiver that is still being told what it missed."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.messages: list[tuple[Optional[str], PreparedMessage]] = []
        self.bytes = 0
        self.too_slow = False
        self.seen: Optional[tuple[int, int]] = None  # told of all up to this id; nothing is held


class Room:
    """The receivers of this process in a room; messages are gathered until ``flush``."""

    def __init__(self, name: str, token: str, delivery: Delivery) -> None:
        self.name = name
        self.token = token
        self.members: dict[Receiver, Optional[str]] = {}  # who each is, if that was said
        self.sequence = Sequence()
        self._delivery = delivery
        self._connections: dict[Connection, None] = {}
        self._callbacks: dict[Callback, None] = {}
        self._holding: list[Held] = []
        self._waiting: list[PreparedMessage] = []
        self._waiting_bytes = 0

    def who(self, limit: int) -> tuple[int, list[str]]:
        """Return how many are in the room, here, and the ids of some of them."""
        there = [receiver for receiver in self.members if _is_there(receiver)]
        return len(there), [self._id(receiver) for receiver in there[:limit]]

    def _id(self, receiver: Receiver) -> str:
        return self.members[receiver] or str(receiver.id)

    def enter(self, receiver: Receiver) -> None:
        """Give a receiver what is delivered from now on."""
        self.flush()
        if isinstance(receiver, Callback):
            self._callbacks[receiver] = None
        else:
            self._connections[receiver] = None

    def leave(self, receiver: Receiver) -> None:
        """Give it nothing more."""
        self.flush()
        self.members.pop(receiver, None)
        if isinstance(receiver, Callback):
            self._callbacks.pop(receiver, None)
        else:
            self._connections.pop(receiver, None)
        self._holding = [held for held in self._holding if held.receiver is not receiver]

    def hold(self, receiver: Receiver) -> Held:
        """Keep what is delivered from now on until ``release``."""
        held = Held(receiver)
        self._holding.append(held)
        return held

    def release(self, held: Held, last: Optional[str]) -> None:
        """Give a receiver what was held for it and is newer than ``last``; then as ``enter``.

        If it knows of messages that have not come to this room yet, it enters after those.
        """
        if held not in self._holding:
            return  # it left meanwhile
        if held.too_slow:
            self._holding.remove(held)
            self._delivery.close(held.receiver)
            return
        seen = (0, 0) if last is None else order(last)
        newer = []
        for id, message in held.messages:
            if id is None or order(id) > seen:
                newer.append(message)
                seen = seen if id is None else order(id)
        if newer:
            self._delivery.write_one(held.receiver, newer)
        if seen > order(self.sequence.last or "0-0"):
            held.seen, held.messages = seen, []
        else:
            self._holding.remove(held)
            self.enter(held.receiver)

    def deliver(self, message: PreparedMessage, id: Optional[str] = None) -> None:
        """Give a message to all receivers, soon."""
        size = len(message.payload)
        for held in self._holding[:]:
            if held.seen is None:
                self._hold_back(held, id, message, size)
            elif id is None:
                self._delivery.write_one(held.receiver, [message])
            elif order(id) > held.seen:
                self._holding.remove(held)
                self.enter(held.receiver)
        if not self._connections and not self._callbacks:
            return
        self._waiting.append(message)
        self._waiting_bytes += size
        if self._waiting_bytes > GATHER_BYTES:
            self.flush()
        elif len(self._waiting) == 1:
            self._delivery.add(self)

    def _hold_back(
        self, held: Held, id: Optional[str], message: PreparedMessage, size: int
    ) -> None:
        if held.bytes + size > self._delivery.limit:
            self._delivery.missed += 1
            if self._delivery.slow == "close":
                held.too_slow = True
            return
        held.messages.append((id, message))
        held.bytes += size

    def flush(self) -> None:
        """Write what was gathered."""
        if self._waiting:
            messages, self._waiting = self._waiting, []
            self._waiting_bytes = 0
            self._delivery.write(self._connections, self._callbacks, messages)


def _is_there(receiver: Receiver) -> bool:
    if isinstance(receiver, Callback):
        return not receiver.ended
    return receiver.state is State.OPEN
