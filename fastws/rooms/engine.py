"""What a broker must be able to do: the interface of every engine."""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Optional, Union

__all__ = ["Engine", "History", "Incoming", "LastIds", "Outgoing", "Receive", "Replay", "order"]


@dataclass(frozen=True)
class History:
    """How much is kept of each room: so many messages, so many seconds, or what is less."""

    messages: int
    seconds: Optional[float]


class Outgoing:
    """A message on its way to the broker; ``number`` counts those of this process."""

    __slots__ = ("again", "data", "keep", "number", "room")

    def __init__(self, room: str, data: bytes, number: int, keep: bool) -> None:
        self.room = room
        self.data = data
        self.number = number
        self.keep = keep  # in history
        self.again = False  # sent before, and nobody knows whether it arrived


class Incoming:
    """A message from the broker. ``id`` is None unless it is kept; ``before`` is the one before it.

    Ids are two numbers with a hyphen between them, which grow from message to message of a room.
    ``before`` is "" for the first message of a room, and None where it is not known. Those with ids
    may come in any order: ``Sequence`` sees to it.
    """

    __slots__ = ("before", "data", "id", "room")

    def __init__(
        self, room: str, data: bytes, id: Optional[str] = None, before: Optional[str] = None
    ) -> None:
        self.room = room
        self.data = data
        self.id = id
        self.before = before


@dataclass
class Replay:
    """Messages after an id, in order; ``complete``: none between that id and these was lost.

    ``more``: there are others, after the last one of these.
    """

    messages: list[Incoming]
    complete: bool
    more: bool = False


Receive = Callable[[Incoming], None]
LastIds = dict[str, tuple[str, str]]


def order(message_id: str) -> tuple[int, int]:
    """Return what ids are compared by; ValueError if it is none."""
    first, hyphen, second = message_id.partition("-")
    if not (hyphen and first.isdecimal() and second.isdecimal() and len(message_id) <= 64):
        raise ValueError(f"{message_id!r} is not the id of a message: it looks like '1700-3'")
    return int(first), int(second)


class Engine(abc.ABC):
    """One connection to a broker. It never connects again by itself: ``Link`` sees to that.

    Rooms are named by tokens: letters, digits, and ``_ - % !``. Whatever fails raises; after that
    only ``close`` is called, and then ``connect`` again.
    """

    shared = True  # there may be other processes at the broker
    max_size: Optional[int] = None  # bytes that the broker takes in one message, once connected

    @abc.abstractmethod
    async def connect(self, receive: Receive, lost: Callable[[Exception], None]) -> None:
        """Connect; call ``receive`` for each message from then on, ``lost`` when it breaks."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Let go of the connection, whatever state it is in; never raise."""

    @abc.abstractmethod
    async def publish(self, batch: Sequence[Outgoing]) -> list[Union[str, Exception, None]]:
        """Send messages in order; return for each its id, None without one, or why it was refused.

        One that is ``again`` must not be kept twice. Return when the broker has them all.
        """

    @abc.abstractmethod
    async def subscribe(self, rooms: Collection[str]) -> LastIds:
        """Begin to receive what is published in these; return when that is so.

        With history, return the last id of each room ("0-0" for none) before and after that.
        """

    @abc.abstractmethod
    async def unsubscribe(self, rooms: Collection[str]) -> None:
        """Receive no more of these rooms."""

    @abc.abstractmethod
    async def replay(self, room: str, after: Optional[str], limit: int) -> Replay:
        """Return the first ``limit`` messages kept after an id, or the last ones if it is None."""

    @abc.abstractmethod
    async def check(self) -> None:
        """Return when the broker has answered."""
