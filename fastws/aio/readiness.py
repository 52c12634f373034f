"""Which descriptors are ready, by way of `select`; `_readiness.pyx` is the twin."""

from __future__ import annotations

import select
from typing import Any

__all__ = ["READABLE", "WRITABLE", "Readiness"]

READABLE = 1
WRITABLE = 4


class _Kqueue:
    """What we use of ``select.epoll``, with kqueue."""

    def __init__(self) -> None:
        self._queue = select.kqueue()  # type: ignore[attr-defined]
        self._events: dict[int, int] = {}

    def fileno(self) -> int:
        return int(self._queue.fileno())

    def close(self) -> None:
        self._queue.close()

    def register(self, fd: int, events: int) -> None:
        self._events[fd] = 0
        self.modify(fd, events)

    def modify(self, fd: int, events: int) -> None:
        changed = self._events[fd] ^ events
        self._events[fd] = events
        kq: Any = select
        for bit, kind in ((READABLE, kq.KQ_FILTER_READ), (WRITABLE, kq.KQ_FILTER_WRITE)):
            if changed & bit:
                flag = kq.KQ_EV_ADD if events & bit else kq.KQ_EV_DELETE
                self._queue.control([kq.kevent(fd, kind, flag)], 0)

    def unregister(self, fd: int) -> None:
        self.modify(fd, 0)
        del self._events[fd]

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        kq: Any = select
        return [
            (event.ident, READABLE if event.filter == kq.KQ_FILTER_READ else WRITABLE)
            for event in self._queue.control(None, 256, timeout)
        ]


class Readiness:
    """Which of many descriptors are ready: one epoll, or kqueue, that has a descriptor itself.

    ``poll`` returns how many are, without waiting; ``fd(i)`` and ``events(i)`` tell of each.
    """

    def __init__(self) -> None:
        self._queue: Any = select.epoll() if hasattr(select, "epoll") else _Kqueue()
        self._batch: list[tuple[int, int]] = []
        self.fileno = self._queue.fileno
        self.close = self._queue.close
        self.register = self._queue.register
        self.modify = self._queue.modify
        self.unregister = self._queue.unregister

    def poll(self) -> int:
        self._batch = self._queue.poll(0)
        return len(self._batch)

    def count(self) -> int:
        """Return how many ``poll`` found."""
        return len(self._batch)

    def fd(self, index: int) -> int:
        return self._batch[index][0]

    def events(self, index: int) -> int:
        return self._batch[index][1]
