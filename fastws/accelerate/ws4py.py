"""ws4py: the masking of its frames, and its check of UTF-8."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from .._kernels import apply_mask_inplace
from .patching import Part, Replacement, Target
from .validating import faster, observe
from .vectors import KEYS, PAYLOADS, outcome

__all__ = ["TARGET"]

_HOMES = ("ws4py",)


def _replace_mask(module: ModuleType) -> Iterable[Replacement]:
    original = module.Frame.mask

    def mask(self: Any, data: bytes) -> bytearray:
        """Return ``data`` masked or unmasked."""
        if type(self.masking_key) not in (bytes, bytearray) or len(self.masking_key) != 4:
            other: bytearray = original(self, data)
            return other
        masked = bytearray(data)
        apply_mask_inplace(masked, self.masking_key)
        return masked

    yield Replacement(module.Frame, "mask", mask, _HOMES)
    yield Replacement(module.Frame, "unmask", mask, _HOMES)


def _observe_mask(module: ModuleType) -> object:
    def mask(key: object, data: object) -> object:
        frame = module.Frame(masking_key=key)
        return [frame.mask(data), frame.unmask(data)]

    return [
        outcome(mask, kind(key), data)
        for data in (*PAYLOADS, bytearray(b"hello"), "text")
        for key in (*KEYS, b"abc")
        for kind in (bytes, bytearray, list)
    ]


def _replace_validator(module: ModuleType) -> Iterable[Replacement]:
    validate = faster(module.Utf8Validator.validate, counts_to_last=True)
    yield Replacement(module.Utf8Validator, "validate", validate, _HOMES)


def _observe_validator(module: ModuleType) -> object:
    return observe(module.Utf8Validator)


TARGET = Target(
    name="ws4py",
    distribution="ws4py",
    package="ws4py",
    tested=("0.5", "0.7"),
    parts=(
        Part("ws4py.framing", "mask", _replace_mask, _observe_mask),
        Part("ws4py.utf8validator", "mask", _replace_validator, _observe_validator),
    ),
)
