"""wsproto: its masking, and the way of whole messages through its connections."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from ..patching import Part, Replacement, Target
from .observing import observe_connection, observe_masker

__all__ = ["TARGET"]

_HOMES = ("wsproto",)


def _replace_masker(module: ModuleType) -> Iterable[Replacement]:
    from .masking import XorMaskerBytes, XorMaskerSimple

    chunk = module.XorMaskerSimple(b"\0\0\0\0").process(bytearray(b"chunk"))
    masker = XorMaskerSimple if isinstance(chunk, bytearray) else XorMaskerBytes
    yield Replacement(module, "XorMaskerSimple", masker, _HOMES)


def _replace_connection(module: ModuleType) -> Iterable[Replacement]:
    from .connection import events, receive_data, send, serialize_frame

    yield Replacement(module.Connection, "events", events, _HOMES)
    yield Replacement(module.Connection, "receive_data", receive_data, _HOMES)
    yield Replacement(module.Connection, "send", send, _HOMES)
    yield Replacement(module.FrameProtocol, "_serialize_frame", serialize_frame, _HOMES)


TARGET = Target(
    name="wsproto",
    distribution="wsproto",
    package="wsproto",
    tested=("1.2", "1.4"),
    parts=(
        Part("wsproto.frame_protocol", "mask", _replace_masker, observe_masker),
        Part("wsproto.connection", "frames", _replace_connection, observe_connection),
    ),
)
