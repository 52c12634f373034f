"""All of a loop's server connections in one epoll, or kqueue.

They are registered in it, and it alone in the event loop, so a turn of the loop serves every
connection that is ready.
"""

from __future__ import annotations

import select
import time
import weakref
from typing import TYPE_CHECKING, ClassVar

from .hot import READABLE, Readiness

if TYPE_CHECKING:
    import asyncio

    from .sockets import Watched

__all__ = ["Poller", "can_own_sockets"]

# How often a turn looks for more connections that are ready.
_ROUNDS_PER_TURN = 4

# After so long the rest of the event loop gets a turn, and who was not served comes first next.
_SECONDS_PER_TURN = 0.01

# The clock is looked at after one that had much to read, and now and then without.
_SERVED_PER_LOOK = 32


def can_own_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this loop tells when a descriptor is ready, and the system has epoll or so."""
    return not hasattr(loop, "_proactor") and (
        hasattr(select, "epoll") or hasattr(select, "kqueue")
    )


class Poller:
    """The one object that a loop's server connections are registered in."""

    # Connections keep their poller, and so does the loop: a closed loop can go.
    _pollers: ClassVar[
        weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ReferenceType[Poller]]
    ] = weakref.WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._readiness = Readiness()
        self._watched: dict[int, Watched] = {}
        self._unserved = 0  # so many at the end of the last batch
        self._until = 0.0  # when this turn has to end; 0 before anyone looked at the clock
        loop.add_reader(self._readiness.fileno(), self._serve_ready)

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Poller:
        """Return the loop's poller; it goes when its last file descriptor does."""
        reference = cls._pollers.get(loop)
        poller = None if reference is None else reference()
        if poller is None:
            poller = Poller(loop)
            cls._pollers[loop] = weakref.ref(poller)
        return poller

    def register(self, fd: int, watched: Watched) -> None:
        """Have ``watched.on_ready`` called when there is something to read."""
        self._watched[fd] = watched
        self._readiness.register(fd, READABLE)

    def modify(self, fd: int, events: int) -> None:
        self._readiness.modify(fd, events)

    def unregister(self, fd: int) -> None:
        del self._watched[fd]
        self._readiness.unregister(fd)
        if not self._watched:
            self._pollers.pop(self._loop, None)
            if not self._loop.is_closed():
                self._loop.remove_reader(self._readiness.fileno())
            self._readiness.close()

    def _serve_ready(self) -> None:
        readiness = self._readiness
        self._until = 0.0
        # What became of those since then, they find out themselves.
        if self._unserved and not self._serve(readiness.count() - self._unserved):
            return
        for _ in range(_ROUNDS_PER_TURN):
            # While some were served others became ready, most likely: asking costs less than a turn
            # of the loop. What else the loop has to do waits for a few rounds at most.
            if not self._watched or readiness.poll() == 0 or not self._serve(0):
                return

    def _serve(self, first: int) -> bool:
        """Serve a batch from its ``first`` on; return whether there is time for more."""
        readiness = self._readiness
        count = readiness.count()
        for i in range(first, count):
            # One that is ready may have closed another that was.
            watched = self._watched.get(readiness.fd(i))
            if watched is None:
                continue
            much = watched.on_ready(readiness.events(i))
            if (much or i % _SERVED_PER_LOOK == _SERVED_PER_LOOK - 1) and self._is_late():
                self._unserved = count - i - 1
                return False
        self._unserved = 0
        return True

    def _is_late(self) -> bool:
        now = time.monotonic()
        if not self._until:
            self._until = now + _SECONDS_PER_TURN
        return now >= self._until
