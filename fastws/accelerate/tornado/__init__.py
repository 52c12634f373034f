"""tornado: its masking function, wherever it is bound, and the reading and writing of frames."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from types import ModuleType

from ..._kernels import apply_mask
from ..patching import Part, Replacement, Target
from .observing import observe_frames, observe_mask

__all__ = ["TARGET"]

_HOMES = ("tornado",)


def _websocket_mask(mask: bytes, data: bytes) -> bytes:
    """Return ``data`` masked."""
    return apply_mask(data, mask)


def _replace_mask(module: ModuleType) -> Iterable[Replacement]:
    util = import_module("tornado.util")
    # Another module may have bound ours, from where it was replaced before.
    original = util._websocket_mask_python
    with suppress(ImportError):
        original = import_module("tornado.speedups").websocket_mask
    yield Replacement(module, "_websocket_mask", _websocket_mask, _HOMES, original)


def _replace_frames(module: ModuleType) -> Iterable[Replacement]:
    from .frames import receive_frame, write_frame, write_message

    protocol = module.WebSocketProtocol13
    yield Replacement(protocol, "_receive_frame", receive_frame, _HOMES)
    yield Replacement(protocol, "_write_frame", write_frame, _HOMES)
    yield Replacement(protocol, "write_message", write_message, _HOMES)


TARGET = Target(
    name="tornado",
    distribution="tornado",
    package="tornado",
    tested=("6.4", "6.7"),
    parts=(
        *(
            Part(f"tornado.{module}", "mask", _replace_mask, observe_mask)
            for module in ("util", "websocket", "web")
        ),
        Part("tornado.websocket", "frames", _replace_frames, observe_frames),
    ),
)
