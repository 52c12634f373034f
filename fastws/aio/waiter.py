"""What ``recv()`` waits for: a future that resumes its task in the callback that got the bytes."""

from __future__ import annotations

import asyncio
from asyncio import current_task
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

__all__ = ["Stepper", "Waiter"]


class Stepper:
    """What can make the next step of a task's coroutine without the task."""

    def step(self, waiter: Waiter) -> bool:
        """Make the next step; return False if the task has to."""
        raise NotImplementedError


class Waiter:
    """A future without a result that is used again and again, by one waiting task at a time.

    ``wake`` runs the task's next step at once instead of in the loop's next iteration, except where
    another task is running, which must not be interrupted. What yielded the waiter to its task may
    have set ``_stepped``: that makes the step then, and the task need not know.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # asyncio takes an object with this attribute for a future; a task sets it when it waits.
        self._asyncio_future_blocking = False
        self.waiting = False
        self._done = True
        self._cancelled = False
        self._cancel_refused = False  # while nobody waited, as ``_done`` says
        self._cancel_message: Any = None
        self._stepped: Optional[Stepper] = None
        self._callback: Optional[Callable[[Waiter], object]] = None
        self._context: Optional[Context] = None
        self._more: Optional[list[tuple[Callable[[Waiter], object], Optional[Context]]]] = None

    def begin(self) -> bool:
        """Start a wait, next yield this to the task; False if another one waits."""
        # A task that was given up before it could call back does not count.
        if self.waiting and (self._done or self._callback is not None):
            return False
        self.waiting = True
        self._done = False
        self._cancelled = False
        self._stepped = None
        self._asyncio_future_blocking = True
        return True

    def wake(self) -> None:
        """Resume whoever waits."""
        if self._done:
            return
        self._done = True
        stepped = self._stepped
        if (
            stepped is not None
            and self._callback is not None
            and self._context is not None
            and self._more is None
        ):
            if not stepped.step(self):
                self._schedule_callbacks()
            return
        if self._more is not None or current_task(self._loop) is not None:
            self._schedule_callbacks()
            return
        callback = self._callback
        context = self._context
        if callback is None:
            self.waiting = False  # whoever it was gave up before it could call back
            return
        self._callback = self._context = None
        if context is None:
            callback(self)
        else:
            context.run(callback, self)

    def _schedule_callbacks(self) -> None:
        self._stepped = None
        if self._callback is not None:
            self._loop.call_soon(self._callback, self, context=self._context)
            self._callback = self._context = None
        for callback, context in self._more or ():
            self._loop.call_soon(callback, self, context=context)
        self._more = None

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def done(self) -> bool:
        return self._done

    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self, msg: Any = None) -> bool:
        if self._done:
            self._cancel_refused = True
            return False
        self._done = self._cancelled = True
        self._cancel_message = msg
        self._schedule_callbacks()
        return True

    def result(self) -> None:
        # The task asks for this when it goes on: that ends the wait.
        self.waiting = False
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
        elif self._callback is None:
            self._callback = callback
            self._context = context
        else:
            if self._more is None:
                self._more = []
            self._more.append((callback, context))

    def remove_done_callback(self, callback: Callable[[Waiter], object]) -> int:
        removed = 0
        if self._callback is not None and self._callback == callback:
            self._callback = None
            removed = 1
        if self._more is not None:
            kept = [pair for pair in self._more if pair[0] != callback]
            removed += len(self._more) - len(kept)
            self._more = kept
        return removed
