"""Work that has a time limit, and work that must not be broken off halfway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine

__all__ = ["Whole", "end", "within"]

T = TypeVar("T")

_INSIST_SECONDS = 0.1


async def end(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Cancel tasks, and return when they have ended; what they raised is taken note of."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        # Not all end at once: ``wait_for`` of older Pythons forgets that it was cancelled when what
        # it waits for is done just then.
        await asyncio.wait(left, timeout=_INSIST_SECONDS)
    for task in tasks:
        if not task.cancelled():
            task.exception()


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns; raise TimeoutError after so many seconds.

    Unlike ``wait_for`` of older Pythons, it leaves no exception behind that nobody asks for. If the
    work cancels itself, as clients do when their connection is gone, that is a ConnectionError.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise TimeoutError
        if task.cancelled():
            raise ConnectionError("the client of the broker gave up")
        return task.result()
    finally:
        await end([task])


class Whole:
    """Work of a connection that is done to its end, even if whoever waits for it is cancelled.

    An answer that nobody takes would be taken for that to the next question.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # perhaps nobody waits for it any more

    async def end(self) -> None:
        """Break off what is under way: the connection is of no more use."""
        await end(list(self._tasks))
