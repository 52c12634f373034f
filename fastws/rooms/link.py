"""The life of a process's connection to its broker: lost, found again, and told what is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any, Optional

from .errors import BrokerUnavailable
from .outbox import Outbox
from .tasks import end, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .engine import Engine, LastIds, Outgoing, Receive

__all__ = ["Link", "delays"]

CONNECT_SECONDS = 5.0
# A broker that hangs is found out by then: so long between two questions, and for an answer.
CHECK_SECONDS = 3.0
ANSWER_SECONDS = 5.0
# While the broker is away, what waits for it is looked through this often.
EXPIRE_SECONDS = 0.1

_FIRST_DELAY = 0.1
_MAX_DELAY = 10.0
# A connection that lasted so long is no reason to wait longer for the next one.
_STEADY_SECONDS = 5.0
_BATCH_ROOMS = 1000


def delays() -> Iterator[float]:
    """Seconds to wait before each attempt: twice as long each time, less a part at random."""
    longest = _FIRST_DELAY
    while True:
        yield random.uniform(longest / 2, longest)
        longest = min(longest * 2, _MAX_DELAY)


class Link:
    """Keep an engine connected, subscribed to what is wanted, and supplied with messages.

    ``resumed(last_ids)`` is called with what ``Engine.subscribe`` returned; ``changed(healthy,
    reason)`` when the broker comes and goes.
    """

    def __init__(
        self,
        engine: Engine,
        outbox: Outbox,
        *,
        receive: Receive,
        resumed: Callable[[LastIds], None],
        changed: Callable[[bool, str], None],
        backoff: Callable[[], Iterator[float]] = delays,
    ) -> None:
        self.engine = engine
        self.outbox = outbox
        self.healthy = False
        self.reason = "not connected yet"
        self.connects = 0
        self._receive = receive
        self._resumed = resumed
        self._changed = changed
        self._backoff = backoff
        self._wanted: set[str] = set()
        self._subscribed: set[str] = set()
        self._left: set[str] = set()  # not to be subscribed to any more
        self._unsure: set[str] = set()  # rooms that are perhaps not as wanted
        self._stir = asyncio.Event()
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._tried = asyncio.Event()
        self._task: Optional[asyncio.Task[None]] = None
        self._lost: Optional[asyncio.Future[Exception]] = None
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Begin; return after the first attempt to connect, whatever came of it."""
        self._task = self._loop.create_task(self._run())
        await self._tried.wait()

    async def close(self) -> None:
        """Send what waits, if the broker takes it, and disconnect."""
        if self._task is None:
            return
        deadline = self._loop.time() + ANSWER_SECONDS
        while self.healthy and len(self.outbox) and self._loop.time() < deadline:
            await asyncio.sleep(0.005)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        self.reason = "the hub was closed"
        self.outbox.clear(self.reason)

    def send(
        self, outgoing: Outgoing, wait: float, acknowledge: bool
    ) -> Optional[asyncio.Future[Optional[str]]]:
        """Have a message sent, as ``Outbox.put``.

        Raises BrokerUnavailable if the broker is away and ``wait`` is 0, or after ``close``.
        """
        if not self.healthy and (wait <= 0 or self._task is None):
            self.outbox.refused += 1
            raise BrokerUnavailable(f"not sent to other processes: {self.reason}")
        return self.outbox.put(outgoing, wait, acknowledge)

    def want(self, room: str) -> None:
        """Subscribe to a room, now and whenever the broker was away."""
        self._wanted.add(room)
        self._look_at(room)

    def leave(self, room: str) -> None:
        """Undo ``want``."""
        self._wanted.discard(room)
        if room in self._subscribed:
            # Whoever wants it again begins anew, even if that is before we unsubscribed.
            self._subscribed.discard(room)
            self._left.add(room)
        self._look_at(room)

    def _look_at(self, room: str) -> None:
        self._unsure.add(room)
        self._stir.set()

    async def subscribed(self, room: str) -> bool:
        """Wait until messages of a wanted room arrive; False if the broker is away."""
        if self.healthy and room not in self._subscribed:
            waiter = self._loop.create_future()
            waiters = self._waiters.setdefault(room, [])
            waiters.append(waiter)
            try:
                await waiter
            finally:
                waiters.remove(waiter)
                if not waiters:
                    self._waiters.pop(room, None)
        return room in self._subscribed

    def _wake(self, room: str) -> None:
        for waiter in self._waiters.get(room, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def _run(self) -> None:
        pauses = self._backoff()
        since = self._loop.time()
        expiring = self._loop.create_task(self._expire())
        try:
            while True:
                try:
                    await self._connect()
                    since = self._loop.time()
                    await self._serve()
                except Exception as error:
                    await self._end(_reason(error))
                self._tried.set()
                if self._loop.time() - since > _STEADY_SECONDS:
                    pauses = self._backoff()
                await asyncio.sleep(next(pauses))
        finally:
            expiring.cancel()
            self.healthy = False
            await self.engine.close()

    async def _connect(self) -> None:
        self._lost = self._loop.create_future()
        await within(CONNECT_SECONDS, self.engine.connect(self._receive, self._break))
        self._subscribed.clear()
        self._left.clear()
        self._unsure = set(self._wanted)
        await self._subscribe()
        self.connects += 1
        self.healthy, self.reason = True, ""
        self._tried.set()
        self._changed(True, "")

    def _break(self, error: Exception) -> None:
        """The engine lost its connection."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(error)

    async def _end(self, reason: str) -> None:
        was_healthy = self.healthy
        self.healthy, self.reason = False, reason
        self._subscribed.clear()
        for room in list(self._waiters):
            self._wake(room)
        self.outbox.broken(reason)
        if was_healthy or not self._tried.is_set():
            self._changed(False, reason)
        await self.engine.close()

    async def _serve(self) -> None:
        """Do all that there is to do with a connection, until it breaks."""
        assert self._lost is not None
        tasks = [self._loop.create_task(work()) for work in (self._send, self._keep, self._check)]
        try:
            waited_for: list[asyncio.Future[Any]] = [*tasks, self._lost]
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(tasks)
        if self._lost.done():
            raise self._lost.result()
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _send(self) -> None:
        while True:
            batch = await self.outbox.next_batch()
            self.outbox.sent(await within(ANSWER_SECONDS, self.engine.publish(batch)))

    async def _keep(self) -> None:
        while True:
            self._stir.clear()
            await self._subscribe()
            await self._stir.wait()

    async def _subscribe(self) -> None:
        """Subscribe to what is wanted and is not subscribed to, and the other way round."""
        while self._unsure:
            some = [self._unsure.pop() for _ in range(min(len(self._unsure), _BATCH_ROOMS))]
            wanted, subscribed = self._wanted, self._subscribed
            new = [room for room in some if room in wanted and room not in subscribed]
            old = [room for room in some if room in self._left and room not in wanted]
            self._left.difference_update(some)
            if new:
                last = await within(ANSWER_SECONDS, self.engine.subscribe(new))
                for room in new:
                    # One that nobody wants any more is unsure again.
                    (self._subscribed if room in self._wanted else self._left).add(room)
                self._resumed(last)
                for room in new:
                    self._wake(room)
            if old:
                await within(ANSWER_SECONDS, self.engine.unsubscribe(old))

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await within(ANSWER_SECONDS, self.engine.check())

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_SECONDS)
            if not self.healthy:
                self.outbox.expire(self.reason)


def _reason(error: Exception) -> str:
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):  # two until Python 3.11
        return "the broker does not answer"
    text = str(error) or type(error).__name__
    return f"no connection to the broker: {text}"
