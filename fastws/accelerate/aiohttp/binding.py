"""The reader that stands in for aiohttp's, compiled where the kernels are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._kernels import compiled

__all__ = ["Original", "WebSocketReader"]

if TYPE_CHECKING or not compiled:
    from .reader import Original, WebSocketReader
else:
    from ._reader import Original, WebSocketReader
