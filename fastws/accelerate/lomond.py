"""lomond: the masking of its frames."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

from .._kernels import apply_mask_inplace
from .patching import Part, Replacement, Target
from .vectors import KEYS, PAYLOADS, outcome

__all__ = ["TARGET"]


def _mask_payload(masking_key: bytes, data: bytearray) -> None:
    """Mask ``data`` in place."""
    a, b, c, d = bytearray(masking_key)
    apply_mask_inplace(data, bytes((a, b, c, d)))


def _replace(module: ModuleType) -> Iterable[Replacement]:
    # Another module may have bound ours, from where it was replaced before.
    original = _originals.setdefault("mask", import_module("lomond.mask").mask_payload)
    yield Replacement(module, "mask_payload", _mask_payload, ("lomond",), original)


def _observe(module: ModuleType) -> object:
    def mask(key: bytes, payload: bytes) -> bytearray:
        data = bytearray(payload)
        module.mask_payload(key, data)
        return data

    return [outcome(mask, key, data) for data in PAYLOADS for key in (*KEYS, b"abc")]


_originals: dict[str, object] = {}

TARGET = Target(
    name="lomond",
    distribution="lomond",
    package="lomond",
    tested=("0.3", "0.4"),
    parts=tuple(
        Part(module, "mask", _replace, _observe) for module in ("lomond.mask", "lomond.frame")
    ),
)
