"""websockets: its masking, and the way of a frame through its protocol and asyncio connections."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from ..._kernels import apply_mask
from ..patching import Part, Replacement, Target
from ..vectors import KEYS, PAYLOADS, outcome
from .observing import observe_connection, observe_protocol

__all__ = ["TARGET"]

_HOMES = ("websockets", "websocket")


def _apply_mask(data: bytes, mask: bytes) -> bytes:
    """Apply masking to the data of a WebSocket message."""
    if len(mask) != 4:
        raise ValueError("mask must contain 4 bytes")
    if isinstance(data, memoryview) and not data.c_contiguous:
        data = bytes(data)
    return apply_mask(data, mask)


def _replace_mask(module: ModuleType) -> Iterable[Replacement]:
    yield Replacement(module, "apply_mask", _apply_mask, _HOMES)


def _observe_mask(module: ModuleType) -> object:
    views = [kind(data) for data in PAYLOADS for kind in (bytes, bytearray, memoryview)]
    views.append(memoryview(PAYLOADS[-1])[::2])
    return [
        outcome(module.apply_mask, data, mask) for data in views for mask in (*KEYS, b"abc", b"")
    ]


def _replace_protocol(module: ModuleType) -> Iterable[Replacement]:
    from .protocol import new_generation, receive_data, receive_eof, serialize

    new_generation()
    yield Replacement(module.Protocol, "receive_data", receive_data, _HOMES)
    yield Replacement(module.Protocol, "receive_eof", receive_eof, _HOMES)
    yield Replacement(module.Frame, "serialize", serialize, _HOMES)


def _replace_connection(module: ModuleType) -> Iterable[Replacement]:
    if not hasattr(module.Connection, "set_connection_exc"):
        return  # before websockets 17 a connection failed in another way

    from .connection import data_received, get, send

    yield Replacement(module.Connection, "data_received", data_received, _HOMES)
    yield Replacement(module.Connection, "send", send, _HOMES)
    yield Replacement(module.Assembler, "get", get, _HOMES)


TARGET = Target(
    name="websockets",
    distribution="websockets",
    package="websockets",
    tested=("16.0", "18"),
    parts=(
        Part("websockets.frames", "mask", _replace_mask, _observe_mask),
        Part("websockets.legacy.framing", "mask", _replace_mask, _observe_mask),
        Part("websockets.protocol", "frames", _replace_protocol, observe_protocol),
        Part("websockets.asyncio.connection", "frames", _replace_connection, observe_connection),
    ),
)
