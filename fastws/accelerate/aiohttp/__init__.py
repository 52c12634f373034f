"""aiohttp: its WebSocket reader, wherever it is bound, and the masking of its writer."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

from ..._kernels import apply_mask_inplace
from ..patching import Part, Replacement, Target
from .observing import observe_mask, observe_reader, observe_writer

__all__ = ["TARGET"]

_HOMES = ("aiohttp",)


def _websocket_mask(mask: bytes, data: bytearray) -> None:
    """Mask ``data`` in place."""
    assert isinstance(data, bytearray), data
    assert len(mask) == 4, mask
    apply_mask_inplace(data, mask)


def _replace_mask(module: ModuleType) -> Iterable[Replacement]:
    helpers = import_module("aiohttp._websocket.helpers")
    # The module may have bound ours, from where it was replaced before.
    original = getattr(helpers, "_websocket_mask_cython", helpers._websocket_mask_python)
    yield Replacement(module, "websocket_mask", _websocket_mask, _HOMES, original)


def _replace_writer(module: ModuleType) -> Iterable[Replacement]:
    from .writer import write_websocket_frame

    writer = module.WebSocketWriter
    yield Replacement(writer, "_write_websocket_frame", write_websocket_frame, _HOMES)


def _replace_reader(module: ModuleType) -> Iterable[Replacement]:
    from .binding import Original, WebSocketReader

    if "WebSocketReader" in vars(module):
        yield Replacement(module, "WebSocketReader", WebSocketReader, _HOMES, Original)


TARGET = Target(
    name="aiohttp",
    distribution="aiohttp",
    package="aiohttp",
    tested=("3.13", "3.15"),
    parts=(
        Part("aiohttp._websocket.helpers", "mask", _replace_mask, observe_mask),
        Part("aiohttp._websocket.writer", "mask", _replace_mask, observe_mask),
        Part("aiohttp._websocket.writer", "frames", _replace_writer, observe_writer),
        *(
            Part(f"aiohttp.{module}", "frames", _replace_reader, observe_reader)
            for module in ("_websocket.reader", "http_websocket", "http", "web_ws", "client")
        ),
    ),
)
