"""The modules that every message passes, compiled where the kernels are; `_kernels.py` decides."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

from .._kernels import compiled

__all__ = ["Channel", "Poller", "SocketTransport", "Waiter", "suspend"]

# A module is imported after those it needs from here.
if TYPE_CHECKING or not compiled:
    from .waiter import Waiter  # isort: split
    from .channel import Channel  # isort: split
    from .sockets import Poller, SocketTransport
else:
    from ._waiter import Waiter  # isort: split
    from ._channel import Channel  # isort: split
    from ._sockets import Poller, SocketTransport

if TYPE_CHECKING:
    from collections.abc import Generator


@types.coroutine
def suspend(waiter: Waiter) -> Generator[Waiter, None, None]:
    """Give the waiter to the task, as a future does when it is awaited; never compiled."""
    yield waiter
