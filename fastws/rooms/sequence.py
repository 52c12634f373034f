"""The messages of one room in the order of their ids: which ones must wait, and for what."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Optional

from .engine import order

if TYPE_CHECKING:
    from .engine import Incoming

__all__ = ["Sequence"]

# So much may wait for a message that is missing. It is in history as well.
_MOST_HELD = 10_000
_MOST_HELD_BYTES = 16 * 1024 * 1024

_NONE = "0-0"


class Sequence:
    """Take messages as they come; return those that can be delivered now, in order.

    A broker may pass on two messages of the same moment the wrong way round, as NATS does, and what
    it was passing on when it died is in its history only. So each message says which was before it.
    Nothing is delivered before ``resume`` has told where to begin.
    """

    def __init__(self) -> None:
        self.last: Optional[str] = None  # the id of the last message delivered, or "0-0"
        self._last = order(_NONE)
        self._until = order(_NONE)  # the broker has messages up to this id
        self._held: list[Incoming] = []  # by id; something before the first of them is missing
        self._held_bytes = 0

    @property
    def missing(self) -> bool:
        """Whether there are messages that have not come, or not yet."""
        return self.last is not None and (bool(self._held) or self._until > self._last)

    def take(self, incoming: Incoming) -> list[Incoming]:
        """Take a message that came as it was published."""
        if self.last is not None and order(_id(incoming)) <= self._last:
            return []  # it came out of history before
        if self.last is not None and not self._held and self._follows(incoming):
            self._pass(incoming)
            return [incoming]
        insort(self._held, incoming, key=_order)
        self._held_bytes += len(incoming.data)
        if len(self._held) > _MOST_HELD or self._held_bytes > _MOST_HELD_BYTES:
            self._until = max(self._until, _order(self._held[-1]))
            self._let_go(len(self._held))
        return self._ready()

    def take_kept(self, messages: list[Incoming]) -> list[Incoming]:
        """Take what history has after ``last``, or the first part of it."""
        newer = []
        for incoming in messages:
            if _order(incoming) > self._last:
                self._pass(incoming)
                newer.append(incoming)
        return newer + self._ready()

    def resume(self, before: str, after: str) -> list[Incoming]:
        """Begin, or go on, with the last ids there were before and after we subscribed."""
        if self.last is None:
            self.last, self._last = before, order(before)
        else:
            self._until = max(self._until, order(after))
        return self._ready()

    def skip(self) -> list[Incoming]:
        """Go on without what is missing: it is not in history either."""
        self._until = self._last
        if not self._held:
            return []
        first = self._held[0]
        self._pass(first)
        return [first, *self._ready()]

    def _follows(self, incoming: Incoming) -> bool:
        """Whether nothing is missing between the last message and this one."""
        before = incoming.before
        return not before or before == self.last or order(before) <= self._last

    def _pass(self, incoming: Incoming) -> None:
        self.last = _id(incoming)
        self._last = order(self.last)

    def _ready(self) -> list[Incoming]:
        """Take what nothing is missing before from those that are held."""
        if self.last is None:
            return []
        done, ready = 0, []
        for incoming in self._held:
            if _order(incoming) > self._last:
                if not self._follows(incoming):
                    break
                self._pass(incoming)
                ready.append(incoming)
            done += 1
        self._let_go(done)
        return ready

    def _let_go(self, count: int) -> None:
        """Hold the first messages no longer."""
        self._held_bytes -= sum(len(incoming.data) for incoming in self._held[:count])
        del self._held[:count]


def _id(incoming: Incoming) -> str:
    assert incoming.id is not None
    return incoming.id


def _order(incoming: Incoming) -> tuple[int, int]:
    return order(_id(incoming))
