"""What the self-checks of tornado look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ..._kernels import apply_mask
from ..vectors import KEYS, PAYLOADS, STREAMS, outcome

__all__ = ["observe_frames", "observe_mask", "observe_stream"]


def observe_mask(module: ModuleType) -> object:
    """Return masked payloads."""
    return [module._websocket_mask(key, data) for data in PAYLOADS for key in KEYS]


def observe_frames(module: ModuleType) -> object:
    """Return what is written for frames of every kind, and what comes out of every stream."""
    written = [
        outcome(_write, module, masked, fin, opcode, data, flags)
        for masked in (True, False)
        for fin in (True, False)
        for opcode in (0, 1, 2, 8, 9)
        for data in (*PAYLOADS[::5], bytes(126), bytes(70_000), bytes(300_000))
        for flags in (0, 0x40)
    ]
    told = [
        _write_message(module, masked, message, binary)
        for masked in (True, False)
        for message in ("", "x", "é" * 200_000, "x" * 300_000, b"x", bytes(300_000), {"x": 1})
        for binary in (False, True)
    ]
    received = [
        observe_stream(module, [stream], max_size)
        for masked in (True, False)
        for stream in (*STREAMS[masked], *_large(masked))
        for max_size in (150, 2**20)
    ]
    return written, told, received


def _large(masked: bool) -> list[bytes]:
    """Streams with messages of more than a piece, whole and cut."""
    key = b"mask" if masked else b""
    length = (b"\xff" if masked else b"\x7f") + (200_000).to_bytes(8, "big")
    data = bytes(range(250)) * 800

    def frame(first: int, payload: bytes) -> bytes:
        return bytes([first]) + length + key + (apply_mask(payload, key) if key else payload)

    binary, text = frame(0x82, data), frame(0x81, b"text" * 50_000)
    encoded = frame(0x81, "é".encode() * 100_000)
    cut = [binary[:-1], text[:150_000]]
    return [binary * 2 + b"\x81\x00", text + encoded + text, frame(0x81, data), *cut]


class _Future:
    """A future that is never done."""

    def done(self) -> bool:
        return False

    def add_done_callback(self, callback: object) -> None:
        pass


class _Stream:
    """As much of a stream as the protocol asks for; what it reads is there, or never comes."""

    max_write_buffer_size = None
    max_buffer_size = 2**20

    def __init__(self, data: bytes = b"", closed: type[Exception] = EOFError) -> None:
        self.written = b""
        self.closes_at = math.inf
        self.calls: list[str] = []
        self._data = data
        self._closed = closed

    def write(self, data: bytes) -> _Future:
        self.written += data
        if len(self.written) >= self.closes_at:
            raise self._closed
        return _Future()

    async def read_bytes(self, length: int) -> bytes:
        if length > len(self._data):
            raise self._closed
        piece, self._data = self._data[:length], self._data[length:]
        return piece

    async def read_into(self, buffer: Any) -> int:
        buffer[:] = await self.read_bytes(len(buffer))
        return len(buffer)

    @property
    def io_loop(self) -> Any:
        return self

    def time(self) -> float:
        return 0.0

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append(name)


class _Handler:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.told.append((name, arguments))


def _write(module: ModuleType, masked: bool, *arguments: Any) -> object:
    protocol = module.WebSocketProtocol13(_Handler(), masked, module._WebSocketParams())
    protocol.stream = _Stream()
    future = protocol._write_frame(*arguments)
    return type(future), _unmasked(protocol, len(arguments[2])), protocol._wire_bytes_out


def _write_message(module: ModuleType, masked: bool, message: Any, binary: bool) -> object:
    """Write to a stream that closes when it has all: what would wait for it needs a loop."""
    protocol = module.WebSocketProtocol13(_Handler(), masked, module._WebSocketParams())
    protocol.stream = _Stream(closed=module.StreamClosedError)
    payload = module.tornado.escape.json_encode(message) if isinstance(message, dict) else message
    length = len(module.tornado.escape.utf8(payload))
    protocol.stream.closes_at = length + 2
    error = outcome(protocol.write_message, message, binary)
    counts = protocol._message_bytes_out, protocol._wire_bytes_out
    return error, _unmasked(protocol, length), counts


def _unmasked(protocol: Any, length: int) -> bytes:
    """Return the frame that was written, with a payload of ``length`` that can be compared."""
    written: bytes = protocol.stream.written
    if not protocol.mask_outgoing:
        return written
    # Each time it is another key.
    head = len(written) - length - 4
    return written[:head] + apply_mask(written[head + 4 :], written[head : head + 4])


def observe_stream(module: ModuleType, pieces: Sequence[bytes], max_size: int = 2**20) -> object:
    """Receive a stream; return the messages, what was answered, and how it ends."""
    handler = _Handler()
    params = module._WebSocketParams(max_message_size=max_size)
    protocol = module.WebSocketProtocol13(handler, False, params)
    stream = protocol.stream = _Stream(b"".join(pieces), module.StreamClosedError)
    receiving = protocol._receive_frame_loop()
    try:
        while True:
            receiving.send(None)
    except StopIteration:
        pass
    except Exception as error:
        handler.told.append((type(error).__name__, str(error)))
    return (
        handler.told,
        stream.written,
        stream.calls,
        protocol._message_bytes_in,
        (protocol.close_code, protocol.close_reason),
        (protocol.client_terminated, protocol.server_terminated),
    )
