"""eventlet: the masking of its WebSocket frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import ModuleType

from .._kernels import apply_mask
from .patching import Part, Replacement, Target
from .vectors import KEYS, PAYLOADS, outcome

__all__ = ["TARGET"]


def _replace(module: ModuleType) -> Iterable[Replacement]:
    original = module.RFC6455WebSocket._apply_mask

    def mask(data: bytes, mask: Sequence[int], length: int | None = None, offset: int = 0) -> bytes:
        """Return the first ``length`` bytes of ``data`` masked."""
        if (
            len(mask) != 4
            or type(data) not in (bytes, bytearray)
            or length not in (None, len(data))
        ):
            other: bytes = original(data, mask, length, offset)
            return other
        return apply_mask(data, bytes(mask), offset)

    yield Replacement(module.RFC6455WebSocket, "_apply_mask", staticmethod(mask), ("eventlet",))


def _observe(module: ModuleType) -> object:
    return [
        outcome(module.RFC6455WebSocket._apply_mask, data, mask, length, offset)
        for data in PAYLOADS
        for mask in (*map(tuple, KEYS), list(KEYS[1]), ())
        for length in (None, len(data), len(data) - 1, len(data) + 1)
        for offset in (0, 1, 7)
    ]


TARGET = Target(
    name="eventlet",
    distribution="eventlet",
    package="eventlet",
    tested=("0.36", "0.42"),
    parts=(Part("eventlet.websocket", "mask", _replace, _observe),),
)
