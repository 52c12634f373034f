"""How a coroutine waits for a ``Waiter``; never compiled, for a task takes a plain generator."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from .waiter import Waiter

__all__ = ["suspend"]


@types.coroutine
def suspend(waiter: Waiter) -> Generator[Waiter, None, None]:
    """Give the waiter to the task, as a future does when it is awaited."""
    yield waiter
