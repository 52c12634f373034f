"""What ``recv()`` waits for: a future that resumes its task in the callback that got the bytes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context

__all__ = ["Waiter"]


class Waiter:
    """A future without a result, for one waiting task as a rule.

    ``wake`` runs the task's next step at once instead of in the loop's next iteration, except where
    another task is running, which must not be interrupted.
    """

    # asyncio takes an object with this attribute for a future; a task sets it when it waits.
    _asyncio_future_blocking = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done = False
        self._cancel_message: Any = None
        self._cancelled = False
        self._callbacks: list[tuple[Callable[[Waiter], object], Optional[Context]]] = []

    def __await__(self) -> Generator[Waiter, None, None]:
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        self.result()

    __iter__ = __await__

    def wake(self) -> None:
        """Resume whoever waits."""
        if self._done:
            return
        self._done = True
        if asyncio.current_task(self._loop) is not None:
            self._schedule_callbacks()
            return
        callbacks = self._callbacks
        self._callbacks = []
        for callback, context in callbacks:
            if context is None:
                callback(self)
            else:
                context.run(callback, self)

    def _schedule_callbacks(self) -> None:
        for callback, context in self._callbacks:
            self._loop.call_soon(callback, self, context=context)
        self._callbacks = []

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def done(self) -> bool:
        return self._done

    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self, msg: Any = None) -> bool:
        if self._done:
            return False
        self._done = self._cancelled = True
        self._cancel_message = msg
        self._schedule_callbacks()
        return True

    def result(self) -> None:
        if self._cancelled:
            if self._cancel_message is None:
                raise asyncio.CancelledError
            raise asyncio.CancelledError(self._cancel_message)
        if not self._done:
            raise asyncio.InvalidStateError("still waiting")

    def exception(self) -> None:
        self.result()

    def add_done_callback(
        self, callback: Callable[[Waiter], object], *, context: Optional[Context] = None
    ) -> None:
        if self._done:
            self._loop.call_soon(callback, self, context=context)
        else:
            self._callbacks.append((callback, context))

    def remove_done_callback(self, callback: Callable[[Waiter], object]) -> int:
        kept = [pair for pair in self._callbacks if pair[0] != callback]
        removed = len(self._callbacks) - len(kept)
        self._callbacks = kept
        return removed
