"""All of a loop's server connections in one epoll, or kqueue.

They are registered in it, and it alone in the event loop, so a turn of the loop serves every
connection that is ready.
"""

from __future__ import annotations

import select
import weakref
from typing import TYPE_CHECKING, ClassVar

from .hot import READABLE, Readiness

if TYPE_CHECKING:
    import asyncio

    from .sockets import Watched

__all__ = ["Poller", "can_own_sockets"]

# How often a turn looks for more connections that are ready.
_ROUNDS_PER_TURN = 4


def can_own_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this loop tells when a descriptor is ready, and the system has epoll or so."""
    return not hasattr(loop, "_proactor") and (
        hasattr(select, "epoll") or hasattr(select, "kqueue")
    )


class Poller:
    """The one object that a loop's server connections are registered in."""

    _pollers: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Poller]] = (
        weakref.WeakKeyDictionary()
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._readiness = Readiness()
        self._watched: dict[int, Watched] = {}
        loop.add_reader(self._readiness.fileno(), self._serve_ready)

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Poller:
        """Return the loop's poller; it goes when its last file descriptor does."""
        poller = cls._pollers.get(loop)
        if poller is None:
            poller = cls._pollers[loop] = Poller(loop)
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
            del self._pollers[self._loop]
            if not self._loop.is_closed():
                self._loop.remove_reader(self._readiness.fileno())
            self._readiness.close()

    def _serve_ready(self) -> None:
        readiness = self._readiness
        for _ in range(_ROUNDS_PER_TURN):
            count = readiness.poll()
            for i in range(count):
                # One that is ready may have closed another that was.
                watched = self._watched.get(readiness.fd(i))
                if watched is not None:
                    watched.on_ready(readiness.events(i))
            # While some were served others became ready, most likely: asking costs less than a turn
            # of the loop. What else the loop has to do waits for a few rounds at most.
            if count == 0 or not self._watched:
                return
