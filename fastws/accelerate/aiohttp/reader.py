"""Stand in for the WebSocket reader of aiohttp: it gets what is not a whole data frame."""

from __future__ import annotations

import sys
from typing import Any

from aiohttp._websocket import reader as _module
from aiohttp._websocket.models import WSMessage, WSMsgType

from ..._kernels import FrameTaker
from ..arriving import Arriving
from .frames import Position

try:
    from aiohttp._websocket.models import WSMessageTextBytes
except ImportError:  # before aiohttp 3.14, text was always decoded
    WSMessageTextBytes = WSMessage

__all__ = ["Original", "WebSocketReader"]

Original = _module.WebSocketReader

_new = tuple.__new__
_TEXT = _new(WSMessage, (WSMsgType.TEXT, None, ""))
_TEXT_BYTES = _new(WSMessageTextBytes, (WSMsgType.TEXT, None, ""))
_BINARY = _new(WSMessage, (WSMsgType.BINARY, None, ""))

# What the queue adds to the size of each message; it does not stall before aiohttp 3.14.
_STALLS = hasattr(_module.WebSocketDataQueue, "_stalled_reader")
_OVERHEAD = 128

_GOOD = (False, b"")

# A short frame that is refused as any text is that is not UTF-8.
_NOT_UTF8 = b"\x81\x01\xff"


class WebSocketReader:
    """Puts the messages of a connection into a queue, as aiohttp's class of this name does it."""

    def __init__(
        self, queue: Any, max_msg_size: int, compress: bool = True, decode_text: bool = True
    ) -> None:
        arguments = (queue, max_msg_size, compress, decode_text)
        # The queue has a weak reference to it.
        self._original = Original(*(arguments if _STALLS else arguments[:3]))
        self._queue = queue
        self._put = queue.feed_data
        self._limit = queue._limit if _STALLS else 0
        self._decode = bool(decode_text)
        self._templates = {0x81: _TEXT if decode_text else _TEXT_BYTES, 0x82: _BINARY}
        self._max_length = max_msg_size - 1 if max_msg_size else None
        # aiohttp takes masked and unmasked frames, whatever its role.
        self._taker = FrameTaker(
            self._templates,
            self._put,
            masked=None,
            max_length=self._max_length,
            decode=self._decode,
            overhead=_OVERHEAD,
        )
        self._left = -1  # of the queue's room; negative if it is to be asked
        self._position: Position | None = None
        self._arriving: Arriving | None = None
        self._passes = False  # everything is left to aiohttp's reader

    def feed_eof(self) -> None:
        self._original.feed_eof()

    def feed_data(self, data: Any) -> Any:
        """Take bytes from the peer; return whether they broke the rules, and what is left."""
        if type(data) is not bytes:
            data = bytes(data)
        return self._feed(data, False)

    def _feed_data(self, data: Any) -> None:
        """Take bytes from the peer; raise what aiohttp's reader raises."""
        self._feed(bytes(data), True)

    def _handle_frame(self, fin: Any, opcode: Any, payload: Any, compressed: Any) -> None:
        """Take a frame as aiohttp's reader has parsed it."""
        self._left = -1
        self._original._handle_frame(fin, opcode, payload, compressed)

    def _leave(self, data: bytes, raises: bool) -> Any:
        """Let aiohttp's reader have the data."""
        if raises:
            return self._original._feed_data(data)
        return self._original.feed_data(data)

    def _feed(self, data: bytes, raises: bool) -> Any:
        if self._passes:
            return self._leave(data, raises)
        end = 0
        if self._arriving is not None:
            end = self._arriving.receive(data)
            if self._arriving.missing:
                return _GOOD
            violation = self._finish(raises)
            if violation is not None:
                return violation
        if self._position is None:
            # To ask for the room each time would cost more than to count: what a program has read
            # since makes more of it.
            if self._left < 0:
                self._left = self._room()
            end = self._taker.take(data, end, self._left)
            self._left = self._taker.left
            if end == len(data):
                return _GOOD
            if self._left < 0:
                self._left = self._room()
                end = self._taker.take(data, end, self._left)
                self._left = self._taker.left
            if end == len(data) or self._begin(data, end):
                return _GOOD
        if end < len(data):
            return self._pass_on(data[end:] if end else data, raises)
        return _GOOD

    def _room(self) -> int:
        """How many bytes the queue takes before it is full."""
        if not _STALLS:
            return sys.maxsize
        size: int = self._queue._size
        return self._limit - size

    def _begin(self, data: bytes, offset: int) -> bool:
        """Begin a large frame that is not all there."""
        if self._room() < 0:
            return False
        self._arriving = Arriving.begin(
            data,
            offset,
            self._templates,
            masked=None,
            max_length=self._max_length,
            decode=self._decode,
        )
        return self._arriving is not None

    def _finish(self, raises: bool) -> Any:
        """Deliver the large frame that has come; return the answer if it breaks the rules."""
        arriving = self._arriving
        assert arriving is not None
        self._arriving = None
        payload = arriving.payload()
        size = len(payload)
        template = arriving.template
        if self._decode and template[0] is WSMsgType.TEXT and type(payload) is bytes:
            try:
                payload = payload.decode()
            except UnicodeDecodeError:
                self._passes = True
                return self._leave(_NOT_UTF8, raises)
        self._put(_new(type(template), (template[0], payload, "")), size)
        self._left = -1
        return None

    def _pass_on(self, data: bytes, raises: bool) -> Any:
        """Give aiohttp's reader what it knows best, and see where that leaves it."""
        if self._position is None:
            self._position = Position()
        self._left = -1
        self._position.advance(data)
        result = self._leave(data, raises)
        if (result is not None and result[0]) or self._position.compressed:
            self._passes = True
        elif self._position.between_messages and (
            not _STALLS or self._queue._stalled_reader is None
        ):
            self._position = None
        return result
