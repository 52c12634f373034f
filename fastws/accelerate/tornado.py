"""tornado: its masking function, wherever it is bound."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from types import ModuleType

from .._kernels import apply_mask
from .patching import Part, Replacement, Target
from .vectors import KEYS, PAYLOADS

__all__ = ["TARGET"]


def _websocket_mask(mask: bytes, data: bytes) -> bytes:
    """Return ``data`` masked."""
    return apply_mask(data, mask)


def _replace(module: ModuleType) -> Iterable[Replacement]:
    util = import_module("tornado.util")
    # Another module may have bound ours, from where it was replaced before.
    original = util._websocket_mask_python
    with suppress(ImportError):
        original = import_module("tornado.speedups").websocket_mask
    yield Replacement(module, "_websocket_mask", _websocket_mask, ("tornado",), original)


def _observe(module: ModuleType) -> object:
    return [module._websocket_mask(key, data) for data in PAYLOADS for key in KEYS]


TARGET = Target(
    name="tornado",
    distribution="tornado",
    package="tornado",
    tested=("6.4", "6.7"),
    parts=tuple(
        Part(f"tornado.{module}", "mask", _replace, _observe)
        for module in ("util", "websocket", "web")
    ),
)
