"""Frames of tornado: whole messages are read in fewer steps, and written in fewer copies."""

from __future__ import annotations

import os
from typing import Any

from tornado.websocket import WebSocketProtocol13

from ..._kernels import PayloadReader, apply_mask, serialize_frame
from ..keys import masking_key

__all__ = ["receive_frame", "write_frame"]

_receive_frame = WebSocketProtocol13._receive_frame
_write_frame = WebSocketProtocol13._write_frame
_urandom = os.urandom

_DATA = (0, 1, 2)
_WHOLE = (0x81, 0x82)

# From so many bytes on, the stream reads into the payload and writes from it.
_LARGE = 128 * 1024


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
        payload = await _read_payload(self, length, key)
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


async def _read_payload(protocol: Any, length: int, key: bytes | None) -> Any:
    """Read a payload to where it will stay."""
    reader = PayloadReader(length, key)
    while (buffer := reader.get_buffer()) is not None:
        view = memoryview(buffer)
        await protocol.stream.read_into(view)
        protocol._wire_bytes_in += len(view)
        reader.buffer_updated(len(view))
    return reader.payload()


def write_frame(
    self: WebSocketProtocol13, fin: bool, opcode: int, data: bytes, flags: int = 0
) -> Any:
    """Write a frame, as tornado does it; return the future of its last byte."""
    if opcode not in _DATA or type(data) is not bytes or flags & ~0x70:
        return _write_frame(self, fin, opcode, data, flags)
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
