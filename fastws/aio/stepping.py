"""How a task runs a handler: as any coroutine; `_stepping.pyx` has a quicker way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

__all__ = ["run_stepped"]


def run_stepped(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]
) -> asyncio.Task[None]:
    """Start a task of a coroutine that mostly waits for messages."""
    return loop.create_task(coroutine)
