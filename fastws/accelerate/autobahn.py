"""autobahn: its maskers and its UTF-8 validator; daphne runs on it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import Any

from .._kernels import apply_mask
from .patching import Part, Replacement, Target
from .validating import observe
from .vectors import KEYS, PAYLOADS, outcome
from .wsaccel.utf8validator import Utf8Validator
from .wsaccel.xormask import XorMaskerNull

__all__ = ["TARGET"]

_HOMES = ("autobahn",)


class _XorMasker(XorMaskerNull):
    """Masks the bytes of one frame, in pieces."""

    def __init__(self, mask: bytes) -> None:
        super().__init__()
        assert len(mask) == 4, "Mask must be exactly 4 bytes"
        self._mask = mask

    def process(self, data: bytes) -> bytes:
        """Return the next bytes masked."""
        masked = apply_mask(data, self._mask, self._at & 3)
        self._at += len(masked)
        return masked


def _create_xor_masker(mask: bytes, length: int | None = None) -> _XorMasker:
    """Return a masker."""
    return _XorMasker(mask)


def _replace_masker(module: ModuleType) -> Iterable[Replacement]:
    yield Replacement(
        module, "create_xor_masker", _create_xor_masker, _HOMES, _original("create_xor_masker")
    )


def _observe_masker(module: ModuleType) -> object:
    def mask(key: bytes, length: int | None) -> list[object]:
        masker = module.create_xor_masker(key, length)
        seen = [(masker.process(data), masker.pointer()) for data in PAYLOADS]
        masker.reset()
        return [*seen, masker.pointer(), masker.process(b"again")]

    return [outcome(mask, key, length) for key in KEYS for length in (None, 10, 1000)]


def _replace_validator(module: ModuleType) -> Iterable[Replacement]:
    yield Replacement(module, "Utf8Validator", Utf8Validator, _HOMES, _original("Utf8Validator"))


def _observe_validator(module: ModuleType) -> object:
    # Not the states, which it keeps to itself.
    return [seen for seen in observe(module.Utf8Validator) if isinstance(seen, tuple)]


def _original(name: str) -> Any:
    """What autobahn itself would have bound: native code where that is built."""
    if import_module("autobahn.websocket").USES_NVX:
        home = {"Utf8Validator": "_utf8validator", "create_xor_masker": "_xormasker"}[name]
        return getattr(import_module(f"autobahn.nvx.{home}"), name)
    home = {"Utf8Validator": "utf8validator", "create_xor_masker": "xormasker"}[name]
    module = import_module(f"autobahn.websocket.{home}")
    return _found.setdefault(name, getattr(module, name))


_found: dict[str, Any] = {}

TARGET = Target(
    name="autobahn",
    distribution="autobahn",
    package="autobahn",
    tested=("25.9", "27"),
    parts=(
        Part("autobahn.websocket.xormasker", "mask", _replace_masker, _observe_masker),
        Part("autobahn.websocket.utf8validator", "mask", _replace_validator, _observe_validator),
        Part("autobahn.websocket.protocol", "mask", _replace_masker, _observe_masker),
        Part("autobahn.websocket.protocol", "mask", _replace_validator, _observe_validator),
    ),
)
