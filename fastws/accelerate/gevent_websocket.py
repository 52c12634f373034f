"""gevent-websocket: the masking of its frames."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from .._kernels import apply_mask_inplace
from .patching import Part, Replacement, Target
from .vectors import KEYS, PAYLOADS, outcome

__all__ = ["TARGET"]


def _replace(module: ModuleType) -> Iterable[Replacement]:
    original = module.Header.mask_payload

    def mask_payload(self: Any, payload: bytes) -> bytearray:
        """Return the payload masked."""
        if self.length != len(payload) or len(self.mask) != 4:
            other: bytearray = original(self, payload)
            return other
        masked = bytearray(payload)
        apply_mask_inplace(masked, bytes(self.mask))
        return masked

    # Under both names: it is the same operation.
    for name in ("mask_payload", "unmask_payload"):
        yield Replacement(module.Header, name, mask_payload, ("geventwebsocket",))


def _observe(module: ModuleType) -> object:
    def mask(key: bytes, data: bytes, length: int) -> object:
        header = module.Header(length=length)
        header.mask = key
        return [header.mask_payload(data), header.unmask_payload(bytearray(data))]

    return [
        outcome(mask, key, data, length)
        for data in PAYLOADS
        for key in (*KEYS, b"", b"abc")
        for length in (len(data), len(data) - 1, len(data) + 1)
    ]


TARGET = Target(
    name="gevent-websocket",
    distribution="gevent-websocket",
    package="geventwebsocket",
    tested=("0.10", "0.11"),
    parts=(Part("geventwebsocket.websocket", "mask", _replace, _observe),),
)
