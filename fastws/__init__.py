"""fastws: WebSocket in Python as fast as C++."""

from ._kernels import apply_mask, backend

__all__ = ["apply_mask", "backend"]
