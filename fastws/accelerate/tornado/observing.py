"""What the self-checks of tornado look at."""

from __future__ import annotations

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
    received = [
        observe_stream(module, [stream], max_size)
        for masked in (True, False)
        for stream in (*STREAMS[masked], *_large(masked))
        for max_size in (150, 2**20)
    ]
    return written, received


def _large(masked: bool) -> list[bytes]:
    """Streams with messages of more than a piece, whole and cut."""
    head = bytes.fromhex("82ff 00000000 00030d40" if masked else "827f 00000000 00030d40")
    frame = head + (b"mask" if masked else b"") + bytes(range(250)) * 800
    return [frame * 2 + b"\x81\x00", frame[:-1], frame[:150_000]]


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
        self.calls: list[str] = []
        self._data = data
        self._closed = closed

    def write(self, data: bytes) -> _Future:
        self.written += data
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
    written = protocol.stream.written
    length = len(arguments[2])
    if masked:
        # Each time it is another key.
        head = len(written) - length - 4
        payload = apply_mask(written[head + 4 :], written[head : head + 4])
        written = written[:head] + payload
    return type(future), written, protocol._wire_bytes_out


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
