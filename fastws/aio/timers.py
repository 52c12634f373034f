"""The deadlines of an event loop's connections, behind one timer of the loop."""

from __future__ import annotations

import weakref
from heapq import heappop, heappush
from math import ceil, frexp, ldexp
from typing import TYPE_CHECKING, ClassVar, Optional

if TYPE_CHECKING:
    import asyncio
    from typing import Protocol

    class Timed(Protocol):
        """Something with a deadline."""

        def _on_timer(self) -> None: ...


__all__ = ["Timers"]

# Deadlines of about the same time are served together: this many steps for each doubling of the
# delay, so that nothing is later than a 512th of what it waited for.
_STEPS_EXPONENT = 10

# Served in one turn of the loop; the rest waits for those who have something to read or write.
_SERVED_PER_TURN = 256


class Timers:
    """Call ``_on_timer`` of whoever has a deadline, a little later than that and never before.

    A handle of the loop for each connection would take more memory than all else a timer needs,
    and stay there for the whole of its delay when it is cancelled.
    """

    # Whoever has a deadline keeps its timers, and so does the loop: a closed loop can go.
    _all: ClassVar[
        weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ReferenceType[Timers]]
    ] = weakref.WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._batches: dict[float, list[Timed]] = {}
        self._times: list[float] = []  # a heap of the keys
        self._waiting = 0
        self._handle: Optional[asyncio.TimerHandle] = None

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Timers:
        """Return the timers of a loop."""
        reference = cls._all.get(loop)
        timers = None if reference is None else reference()
        if timers is None:
            timers = Timers(loop)
            cls._all[loop] = weakref.ref(timers)
        return timers

    def add(self, timed: Timed, deadline: float, now: float) -> list[Timed]:
        """Have ``timed._on_timer`` called once, at its deadline; return what ``remove`` needs."""
        delay = deadline - now
        if delay > 0:
            step = ldexp(1.0, frexp(delay)[1] - _STEPS_EXPONENT)
            deadline = ceil(deadline / step) * step
        batch = self._batches.get(deadline)
        if batch is None:
            batch = self._batches[deadline] = []
            heappush(self._times, deadline)
            if self._times[0] == deadline:
                self._set_handle()
        batch.append(timed)
        self._waiting += 1
        return batch

    def remove(self, timed: Timed, batch: list[Timed]) -> None:
        """Forget a deadline that ``add`` returned this for, before it came."""
        batch.remove(timed)
        self._waiting -= 1
        if not self._waiting:
            self._batches.clear()
            self._times.clear()
            self._set_handle()

    def _set_handle(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._times:
            self._handle = self._loop.call_at(self._times[0], self._serve)

    def _serve(self) -> None:
        """Call all whose time has come."""
        self._handle = None
        now = self._loop.time()
        served = 0
        try:
            while self._times and self._times[0] <= now and served < _SERVED_PER_TURN:
                batch = self._batches[self._times[0]]
                if batch:
                    timed = batch.pop()
                    self._waiting -= 1
                    served += 1
                    timed._on_timer()
                else:
                    del self._batches[heappop(self._times)]
        finally:
            if self._handle is None:
                self._set_handle()
