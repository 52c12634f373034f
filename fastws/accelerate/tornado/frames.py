"""Frames of tornado: whole messages are read in fewer steps, and written in fewer copies."""

from __future__ import annotations

import os
from typing import Any

from tornado.websocket import WebSocketProtocol13

from ..._kernels import PayloadReader, apply_mask, serialize_frame, split_message
from ..keys import masking_key

__all__ = ["receive_frame", "write_frame", "write_message"]

_receive_frame = WebSocketProtocol13._receive_frame
_write_frame = WebSocketProtocol13._write_frame
_write_message = WebSocketProtocol13.write_message
_urandom = os.urandom

_DATA = (0, 1, 2)
_WHOLE = (0x81, 0x82)
_TEXT = 1

# From so many bytes on, the stream reads into the payload and writes from it. Each copy of a large
# message would be memory that the allocator takes from the system and gives back, every time.
_LARGE = 128 * 1024


class _Decoded:
    """A payload that is text already, for who would decode it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __len__(self) -> int:
        return len(self._text)  # it is ASCII

    def decode(self, encoding: str) -> str:
        return self._text


class _Encoded(bytes):
    """Stands for the UTF-8 of an ASCII text, without a copy of it."""

    text: str

    def __len__(self) -> int:
        return len(self.text)


async def receive_frame(self: WebSocketProtocol13) -> None:
    """Receive a frame and let it be handled, as tornado does it."""
    if self._decompressor is not None or self._fragmented_message_buffer is not None:
        await _receive_frame(self)
        return
    head = await self._read_bytes(2)
    length = head[1] & 0x7F
    if head[0] not in _WHOLE:
        _give_back(self, [head])
        await _receive_frame(self)
        return
    if length > 125:
        extended = await self._read_bytes(2 if length == 126 else 8)
        length = int.from_bytes(extended, "big")
        # One that is too long, for tornado or for its stream, is theirs to refuse.
        if length > self.params.max_message_size or 2 * length > self.stream.max_buffer_size:
            _give_back(self, [head, extended])
            await _receive_frame(self)
            return
    key_length = 4 if head[1] & 0x80 else 0
    if length < _LARGE:
        data = await self._read_bytes(key_length + length)
        payload = apply_mask(memoryview(data)[4:], data[:4]) if key_length else data
    else:
        key = await self._read_bytes(4) if key_length else None
        text = head[0] & 0x0F == _TEXT
        payload = await _read_payload(self, PayloadReader(length, key, text=text))
    handled = self._handle_message(head[0] & 0x0F, payload)
    if handled is not None:
        await handled


def _give_back(protocol: Any, pieces: list[bytes]) -> None:
    """Have the protocol read these pieces once more."""

    async def read_bytes(length: int) -> bytes:
        piece = pieces.pop(0)
        if not pieces:
            del protocol._read_bytes
        return piece

    protocol._read_bytes = read_bytes


async def _read_payload(protocol: Any, reader: PayloadReader) -> Any:
    """Read a payload to where it will stay."""
    while (buffer := reader.get_buffer()) is not None:
        view = memoryview(buffer)
        await protocol.stream.read_into(view)
        protocol._wire_bytes_in += len(view)
        reader.buffer_updated(len(view))
    payload = reader.payload()
    return _Decoded(payload) if isinstance(payload, str) else payload


def write_message(self: WebSocketProtocol13, message: Any, binary: bool = False) -> Any:
    """Write a message, as tornado does it; return the future of its last byte."""
    if (
        type(message) is str
        and len(message) >= _LARGE
        and message.isascii()
        and not binary
        and self._compressor is None
        and _writes_in_parts(self)
        and type(self)._write_frame is write_frame
    ):
        text, message = message, _Encoded()
        message.text = text
    return _write_message(self, message, binary)


def _writes_in_parts(protocol: WebSocketProtocol13) -> bool:
    # A masked frame is a copy in any case; a stream with a limit takes all of a frame or nothing.
    return not protocol.mask_outgoing and protocol.stream.max_write_buffer_size is None


def write_frame(
    self: WebSocketProtocol13, fin: bool, opcode: int, data: bytes, flags: int = 0
) -> Any:
    """Write a frame, as tornado does it; return the future of its last byte."""
    if type(data) is _Encoded:
        return _write_parts(self, *split_message(data.text))
    if opcode not in _DATA or type(data) is not bytes or flags & ~0x70:
        return _write_frame(self, fin, opcode, data, flags)
    if len(data) >= _LARGE and _writes_in_parts(self):
        head = bytes([(0x80 if fin else 0) | opcode | flags, 127]) + len(data).to_bytes(8, "big")
        return _write_parts(self, head, data)
    key = masking_key(os.urandom, _urandom) if self.mask_outgoing else None
    frame = serialize_frame(opcode, data, fin=fin, rsv=flags >> 4, masking_key=key)
    self._wire_bytes_out += len(frame)
    return self.stream.write(frame)


def _write_parts(protocol: WebSocketProtocol13, head: bytes, payload: Any) -> Any:
    """Write a large frame; the stream keeps such a payload where it is."""
    view = memoryview(payload)
    protocol._wire_bytes_out += len(head) + len(view)
    protocol.stream.write(head)
    return protocol.stream.write(view)
