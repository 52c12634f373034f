"""The sans-I/O core of wsproto: whole messages pass it in one step."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

from wsproto.connection import Connection, ConnectionState
from wsproto.events import BytesMessage, TextMessage
from wsproto.frame_protocol import FrameDecoder, FrameProtocol, MessageDecoder, Opcode

from ..._kernels import serialize_frame as _serialize
from ..._kernels import take_frames
from ..keys import masking_key

__all__ = ["events", "receive_data", "send", "serialize_frame"]

_events = Connection.events
_receive_data = Connection.receive_data
_send = Connection.send
_serialize_frame = FrameProtocol._serialize_frame
_urandom = os.urandom
_Frame = type(FrameProtocol(False, [])._serialize_frame(Opcode.BINARY))

_OPEN = (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING)
_DATA = (Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY)
_TEMPLATES = {0x81: (TextMessage, None), 0x82: (BytesMessage, None)}
_OPCODES: dict[Any, tuple[int, Any]] = {
    TextMessage: (1, str),
    BytesMessage: (2, (bytes, bytearray)),
}


def receive_data(self: Connection, data: bytes | None) -> None:
    """Take data from the peer, as wsproto does it; whole messages are not buffered."""
    if data and _is_between_messages(self) and not self._proto._frame_decoder.buffer.buffer:
        end = _take_messages(self, data)
        if end == len(data):
            return
        data = data[end:] if end else data
    _receive_data(self, data)


def events(self: Connection) -> Generator[Any, None, None]:
    """Yield what the peer has sent, as wsproto does it.

    Its own parser sees what is not a whole data frame.
    """
    while self._events:
        yield self._events.popleft()
    buffer = self._proto._frame_decoder.buffer.buffer
    if len(buffer) > 1 and _is_between_messages(self):
        # A program may leave this generator at any event: the rest waits where it looks first.
        del buffer[: _take_messages(self, buffer)]
        while self._events:
            yield self._events.popleft()
    yield from _events(self)


def _is_between_messages(connection: Connection) -> bool:
    frames = connection._proto
    decoder = frames._frame_decoder
    return (
        decoder.header is None
        and decoder.buffer.bytes_used == 0
        and frames._message_decoder.opcode is None
        and not decoder.extensions
        and connection._state in _OPEN
        and frames._parse_more.gi_frame is not None  # no violation so far
        and type(frames) is FrameProtocol
        and type(decoder) is FrameDecoder
        and type(frames._message_decoder) is MessageDecoder
    )


def _take_messages(connection: Connection, data: bytes | bytearray) -> int:
    """Make events of the whole messages at the start of the data; return where they end."""
    messages, end = take_frames(
        data, _TEMPLATES, masked=not connection.client, max_length=None, decode=True
    )
    for kind, payload in messages:
        message = kind.__new__(kind)
        # Its class is frozen, which makes its own __init__ slow.
        message.__dict__.update(data=payload, frame_finished=True, message_finished=True)
        connection._events.append(message)
    return end


def send(self: Connection, event: Any) -> Any:
    """Return the bytes of an event for the peer, as wsproto does it."""
    kind = type(event)
    frames = self._proto
    if (
        kind in _OPCODES
        and event.message_finished
        and frames._outbound_opcode is None
        and self._state is ConnectionState.OPEN
        and not frames.extensions
        and type(frames) is FrameProtocol
        and isinstance(event.data, _OPCODES[kind][1])
    ):
        key = masking_key(os.urandom, _urandom) if self.client else None
        return _serialize(_OPCODES[kind][0], event.data, masking_key=key)
    return _send(self, event)


def serialize_frame(
    self: FrameProtocol, opcode: Any, payload: bytes | bytearray = b"", fin: bool = True
) -> Any:
    """Return a frame, as wsproto makes it."""
    if self.extensions or opcode not in _DATA:
        return _serialize_frame(self, opcode, payload, fin)
    key = masking_key(os.urandom, _urandom) if self.client else None
    return _Frame(_serialize(opcode, payload, fin=fin, masking_key=key))
