"""The writer of aiohttp: what a client sends is framed and masked in one pass."""

from __future__ import annotations

from typing import Any

from aiohttp._websocket.helpers import PACK_RANDBITS
from aiohttp._websocket.models import WSMsgType
from aiohttp._websocket.writer import WebSocketWriter

from ..._kernels import serialize_frame

__all__ = ["write_websocket_frame"]

_write = WebSocketWriter._write_websocket_frame
_DATA = (WSMsgType.TEXT, WSMsgType.BINARY)


def write_websocket_frame(self: WebSocketWriter, message: Any, opcode: int, rsv: int) -> None:
    """Write a frame to the transport, as aiohttp does it."""
    if not self.use_mask or opcode not in _DATA or self.transport.is_closing():
        _write(self, message, opcode, rsv)
        return
    key = PACK_RANDBITS(self.get_random_bits())
    frame = serialize_frame(opcode, message, rsv=rsv >> 4, masking_key=key)
    self.transport.write(frame)
    self._output_size += len(frame)
