"""slack_sdk: the frames that its own socket mode client sends."""

from __future__ import annotations

import random
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import Any

from .._kernels import apply_mask
from .patching import Part, Replacement, Target
from .vectors import PAYLOADS, outcome

__all__ = ["TARGET"]

_BUILTIN = "slack_sdk.socket_mode.builtin"
_NAME = "_build_data_frame_for_sending"


def _build_data_frame_for_sending(
    payload: str | bytes,
    opcode: int,
    fin: int = 1,
    rsv1: int = 0,
    rsv2: int = 0,
    rsv3: int = 0,
    masked: int = 1,
) -> bytes:
    """Return a frame."""
    data = payload.encode() if isinstance(payload, str) else payload
    head = bytes([fin << 7 | rsv1 << 6 | rsv2 << 5 | rsv3 << 4 | opcode])
    if len(data) <= 125:
        head += bytes([masked << 7 | len(data)])
    elif len(data) <= 0xFFFF:
        head += bytes([masked << 7 | 126]) + len(data).to_bytes(2, "big")
    else:
        original: bytes = _originals[_NAME](payload, opcode, fin, rsv1, rsv2, rsv3, masked)
        return original
    key = bytes(random.choices(range(256), k=4))
    return head + key + apply_mask(data, key)


def _replace(module: ModuleType) -> Iterable[Replacement]:
    # Another module may have bound ours, from where it was replaced before.
    internals = import_module(f"{_BUILTIN}.internals")
    original = _originals.setdefault(_NAME, getattr(internals, _NAME))
    if _NAME in vars(module):
        yield Replacement(module, _NAME, _build_data_frame_for_sending, ("slack_sdk",), original)


def _observe(module: ModuleType) -> object:
    build = getattr(module, _NAME, None)
    state = random.getstate()
    try:
        random.seed(6455)  # the same keys each time
        return build and [
            outcome(build, payload, opcode)
            for payload in (*PAYLOADS, "Grüße", "\ud800", bytes(70_000))
            for opcode in (1, 9)
        ]
    finally:
        random.setstate(state)


_originals: dict[str, Any] = {}

TARGET = Target(
    name="slack_sdk",
    distribution="slack_sdk",
    package="slack_sdk",
    tested=("3.20", "4"),
    parts=tuple(
        Part(f"{_BUILTIN}.{module}", "mask", _replace, _observe)
        for module in ("internals", "connection")
    ),
)
