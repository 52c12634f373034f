"""websockify: the masking of its frames."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from .._kernels import apply_mask
from .patching import Part, Replacement, Target
from .vectors import KEYS, PAYLOADS, outcome

__all__ = ["TARGET"]


def _replace(module: ModuleType) -> Iterable[Replacement]:
    original = module.WebSocket._unmask

    def unmask(self: Any, buf: bytes, mask: bytes) -> bytes:
        """Return ``buf`` unmasked."""
        if type(buf) not in (bytes, bytearray) or len(mask) != 4:
            other: bytes = original(self, buf, mask)
            return other
        return apply_mask(buf, mask)

    yield Replacement(module.WebSocket, "_unmask", unmask, ("websockify",))


def _observe(module: ModuleType) -> object:
    unmask = module.WebSocket._unmask
    return [
        outcome(unmask, None, kind(data), key)
        for data in PAYLOADS
        for kind in (bytes, bytearray)
        for key in KEYS
    ]


TARGET = Target(
    name="websockify",
    distribution="websockify",
    package="websockify",
    tested=("0.12", "0.14"),
    parts=(Part("websockify.websocket", "mask", _replace, _observe),),
)
