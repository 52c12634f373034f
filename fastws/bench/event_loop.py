"""The event loops of servers and clients: Python's own, and uvloop where it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from importlib.util import find_spec
from typing import Any, TypeVar

__all__ = ["BEST", "NAMES", "forever", "run"]

# The fastest first: its servers take part in every run, the others with --full.
NAMES = ("uvloop", "asyncio") if find_spec("uvloop") else ("asyncio",)
BEST = NAMES[0]

Result = TypeVar("Result")


def run(name: str, main: Coroutine[Any, Any, Result]) -> Result:
    """Run ``main`` to its end on the loop of that name."""
    if name == "uvloop":
        import uvloop

        # Not uvloop.run: some versions that work here do not have it.
        result: Result = uvloop.new_event_loop().run_until_complete(main)
        return result
    return asyncio.run(main)


async def forever() -> None:
    """Wait until the process is ended."""
    await asyncio.get_running_loop().create_future()
