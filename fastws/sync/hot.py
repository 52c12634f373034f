"""The modules that every message passes, compiled where the kernels are; `_kernels.py` decides."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .._kernels import compiled

__all__ = ["BlockingWire", "Channel", "new_lock"]

if TYPE_CHECKING or not compiled:
    from .channel import Channel

    BlockingWire = None  # the stream's own methods do as well

    def new_lock() -> threading.Lock:
        """Return what ``threading.Lock`` is now: gevent may have replaced it."""
        return threading.Lock()
else:
    from ._blocking import BlockingWire
    from ._blocking import Lock as new_lock
    from ._channel import Channel
