"""gunicorn: the unmasking of its ASGI worker."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from .._kernels import apply_mask
from .patching import Part, Replacement, Target
from .vectors import KEYS, PAYLOADS, outcome

__all__ = ["TARGET"]


def _unmask(self: Any, payload: bytes, masking_key: bytes) -> bytes:
    """Unmask WebSocket payload data."""
    return apply_mask(payload, masking_key) if payload else payload


def _replace(module: ModuleType) -> Iterable[Replacement]:
    yield Replacement(module.WebSocketProtocol, "_unmask", _unmask, ("gunicorn",))


def _observe(module: ModuleType) -> object:
    unmask = module.WebSocketProtocol._unmask
    return [outcome(unmask, None, data, key) for data in PAYLOADS for key in KEYS]


TARGET = Target(
    name="gunicorn",
    distribution="gunicorn",
    package="gunicorn",
    tested=("25.0", "28"),
    parts=(Part("gunicorn.asgi.websocket", "mask", _replace, _observe),),
)
