"""The loop of the asyncio servers: uvloop where it is installed, as their documents advise."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["NAME", "forever", "run"]

try:
    import uvloop
except ImportError:
    NAME = "asyncio"
else:
    NAME = "uvloop"


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` to its end."""
    if NAME == "uvloop":
        # Not uvloop.run: some versions that work here do not have it.
        uvloop.new_event_loop().run_until_complete(main)
    else:
        asyncio.run(main)


async def forever() -> None:
    """Wait until the process is ended."""
    await asyncio.get_running_loop().create_future()
