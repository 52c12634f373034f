"""What waits to be sent to the broker: bounded, in order, and not for ever."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Optional, Union

from .errors import BrokerUnavailable, QueueFull

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .engine import Outgoing

__all__ = ["Outbox"]

BATCH_MESSAGES = 512
BATCH_BYTES = 1024 * 1024


class _Waiting:
    __slots__ = ("deadline", "future", "outgoing")

    def __init__(
        self, outgoing: Outgoing, future: Optional[asyncio.Future[Optional[str]]], deadline: float
    ) -> None:
        self.outgoing = outgoing
        self.future = future
        self.deadline = deadline


class Outbox:
    """A queue of messages with deadlines, of which the first ones may be under way.

    Deadlines count while the broker is away only: ``expire`` is called then.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._batch: list[_Waiting] = []
        self._changed = asyncio.Event()
        self.refused = 0  # messages that did not get to the broker

    def __len__(self) -> int:
        return len(self._queue) + len(self._batch)

    def put(
        self, outgoing: Outgoing, seconds: float, acknowledge: bool
    ) -> Optional[asyncio.Future[Optional[str]]]:
        """Add a message; return where its id will be, or why it was not sent; or None.

        Raises QueueFull.
        """
        size = len(outgoing.data)
        if len(self._queue) >= self._max_messages or self._bytes + size > self._max_bytes:
            self.refused += 1
            raise QueueFull(
                f"not sent to other processes: {len(self._queue)} messages ({self._bytes} bytes) "
                "wait for the broker already"
            )
        future = self._loop.create_future() if acknowledge else None
        self._queue.append(_Waiting(outgoing, future, self._loop.time() + seconds))
        self._bytes += size
        self._changed.set()
        return future

    async def next_batch(self) -> list[Outgoing]:
        """Wait for messages; return those to send now."""
        while True:
            size = 0
            while self._queue and len(self._batch) < BATCH_MESSAGES and size < BATCH_BYTES:
                waiting = self._queue.popleft()
                self._bytes -= len(waiting.outgoing.data)
                if waiting.future is None or not waiting.future.done():
                    self._batch.append(waiting)
                    size += len(waiting.outgoing.data)
            if self._batch:
                return [waiting.outgoing for waiting in self._batch]
            self._changed.clear()
            await self._changed.wait()

    def sent(self, results: Sequence[Union[str, Exception, None]]) -> None:
        """Tell whoever waits what became of each message of the last batch."""
        for waiting, result in zip(self._batch, results, strict=True):
            if isinstance(result, Exception):
                self._refuse(waiting, BrokerUnavailable(f"the broker refused it: {result}"))
            elif waiting.future is not None and not waiting.future.done():
                waiting.future.set_result(result)
        self._batch = []

    def broken(self, reason: str) -> None:
        """The connection broke: what is kept is sent again, what is not may have been lost.

        A message outside history is never sent twice.
        """
        again = []
        for waiting in self._batch:
            if waiting.outgoing.keep:
                waiting.outgoing.again = True
                self._bytes += len(waiting.outgoing.data)
                again.append(waiting)
            else:
                self._refuse(
                    waiting, BrokerUnavailable(f"perhaps not sent to other processes: {reason}")
                )
        self._batch = []
        self._queue.extendleft(reversed(again))
        self.expire(reason)

    def expire(self, reason: str) -> None:
        """Give up on messages that have waited for as long as they may."""
        now = self._loop.time()
        left: deque[_Waiting] = deque()
        for waiting in self._queue:
            if waiting.deadline > now:
                left.append(waiting)
                continue
            self._bytes -= len(waiting.outgoing.data)
            perhaps = "perhaps " if waiting.outgoing.again else ""
            self._refuse(
                waiting, BrokerUnavailable(f"{perhaps}not sent to other processes: {reason}")
            )
        self._queue = left

    def clear(self, reason: str) -> None:
        """Give up on all."""
        for waiting in [*self._batch, *self._queue]:
            self._refuse(waiting, BrokerUnavailable(f"not sent to other processes: {reason}"))
        self._batch = []
        self._queue.clear()
        self._bytes = 0

    def _refuse(self, waiting: _Waiting, error: BrokerUnavailable) -> None:
        self.refused += 1
        if waiting.future is not None and not waiting.future.done():
            waiting.future.set_exception(error)
