"""tornado: its masking function, wherever it is bound, and the writing of frames."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

from .._kernels import apply_mask, serialize_frame
from .keys import masking_key
from .patching import Part, Replacement, Target
from .vectors import KEYS, PAYLOADS, outcome

__all__ = ["TARGET"]

_DATA = (0, 1, 2)
_LARGE = 128 * 1024
_urandom = os.urandom


def _websocket_mask(mask: bytes, data: bytes) -> bytes:
    """Return ``data`` masked."""
    return apply_mask(data, mask)


def _replace(module: ModuleType) -> Iterable[Replacement]:
    util = import_module("tornado.util")
    # Another module may have bound ours, from where it was replaced before.
    original = util._websocket_mask_python
    with suppress(ImportError):
        original = import_module("tornado.speedups").websocket_mask
    yield Replacement(module, "_websocket_mask", _websocket_mask, ("tornado",), original)


def _observe(module: ModuleType) -> object:
    return [module._websocket_mask(key, data) for data in PAYLOADS for key in KEYS]


def _replace_frame(module: ModuleType) -> Iterable[Replacement]:
    original = module.WebSocketProtocol13._write_frame

    def write_frame(self: Any, fin: bool, opcode: int, data: bytes, flags: int = 0) -> Any:
        """Write a frame; return the future of its last byte."""
        if opcode not in _DATA or type(data) is not bytes or flags & ~0x70:
            return original(self, fin, opcode, data, flags)
        key = masking_key(os.urandom, _urandom) if self.mask_outgoing else None
        # A stream with a limit takes all of a frame or nothing.
        limited = self.stream.max_write_buffer_size is not None
        if key is not None or limited or len(data) < _LARGE:
            frame = serialize_frame(opcode, data, fin=fin, rsv=flags >> 4, masking_key=key)
            self._wire_bytes_out += len(frame)
            return self.stream.write(frame)
        # The stream keeps large data as it is: put together, it would be copied once more.
        head = bytes([(0x80 if fin else 0) | opcode | flags, 127]) + len(data).to_bytes(8, "big")
        self._wire_bytes_out += len(head) + len(data)
        self.stream.write(head)
        return self.stream.write(data)

    yield Replacement(module.WebSocketProtocol13, "_write_frame", write_frame, ("tornado",))


class _Stream:
    """As much of a stream as the protocol asks for."""

    max_write_buffer_size = None

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> str:
        self.written += data
        return "a future"


def _observe_frame(module: ModuleType) -> object:
    def write(masked: bool, *arguments: Any) -> object:
        protocol = module.WebSocketProtocol13.__new__(module.WebSocketProtocol13)
        protocol.mask_outgoing = masked
        protocol.stream = _Stream()
        protocol._wire_bytes_out = 0
        future = protocol._write_frame(*arguments)
        written = protocol.stream.written
        length = len(arguments[2])
        if masked:
            # Each time it is another key.
            head = len(written) - length - 4
            payload = apply_mask(written[head + 4 :], written[head : head + 4])
            written = written[:head] + payload
        return future, written, protocol._wire_bytes_out

    return [
        outcome(write, masked, fin, opcode, data, flags)
        for masked in (True, False)
        for fin in (True, False)
        for opcode in (0, 1, 2, 8, 9)
        for data in (*PAYLOADS[::5], bytes(126), bytes(70_000), bytes(300_000))
        for flags in (0, 0x40)
    ]


TARGET = Target(
    name="tornado",
    distribution="tornado",
    package="tornado",
    tested=("6.4", "6.7"),
    parts=(
        *(
            Part(f"tornado.{module}", "mask", _replace, _observe)
            for module in ("util", "websocket", "web")
        ),
        Part("tornado.websocket", "frames", _replace_frame, _observe_frame),
    ),
)
