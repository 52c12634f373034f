"""The sans-I/O core of websockets: whole data messages do not pass its generators."""

from __future__ import annotations

import secrets
from functools import lru_cache
from types import MethodType
from typing import Any

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol
from websockets.streams import StreamReader

from ..._kernels import serialize_frame, split_message, take_frames
from ..arriving import Arriving
from ..keys import masking_key

__all__ = [
    "TextFrame",
    "new_generation",
    "receive_data",
    "receive_eof",
    "receive_texts",
    "send_message",
    "serialize",
]

_receive_data = Protocol.receive_data
_receive_eof = Protocol.receive_eof
_serialize = Frame.serialize
_token_bytes = secrets.token_bytes
_new_frame = Frame.__new__
_OPCODES = frozenset(Opcode)
_DATA = (Opcode.CONT, Opcode.TEXT, Opcode.BINARY)

_PLAIN = {0x81: (Opcode.TEXT, None), 0x82: (Opcode.BINARY, None)}
_DEFLATED = {**_PLAIN, 0xC1: (Opcode.TEXT, None, True), 0xC2: (Opcode.BINARY, None, True)}
# Of so many bytes, a message is written from where it is: to put it behind a header is to copy it.
_LARGE = 16 * 1024
_PARSERS = ("websockets.protocol", "websockets.client", "websockets.server")

# What was known of a connection before acceleration was off for a while is not true any more.
_generation = object()


def new_generation() -> None:
    """Forget what is known of every connection: they may have gone on without us."""
    global _generation
    _generation = object()


class TextFrame(Frame):  # type: ignore[misc]
    """A text that is decoded already; its bytes are made for those who ask for them."""

    text: str

    @property
    def data(self) -> bytes:
        return self.text.encode()


class _State:
    """Of a connection whose parser waits for the first byte of a message."""

    __slots__ = ("arriving", "extension", "generation", "parser", "templates")

    def __init__(self, protocol: Protocol) -> None:
        self.parser = protocol.parser
        self.generation = _generation
        self.extension: Any = protocol.extensions[0] if protocol.extensions else None
        self.templates: dict[int, Any] = _DEFLATED if protocol.extensions else _PLAIN
        self.arriving: Arriving | None = None


def receive_data(self: Protocol, data: bytes | bytearray) -> None:
    """Receive data from the network, as websockets does it.

    Its parser never sees whole data frames, and sees everything else.
    """
    _receive(self, data, False)


def receive_texts(self: Protocol, data: bytes | bytearray) -> None:
    """Receive data for somebody who knows ``TextFrame``: texts are decoded as they come."""
    _receive(self, data, True)


def _receive(self: Protocol, data: bytes | bytearray, decode: bool) -> None:
    state = self.__dict__.get("_fastws")
    if (
        state is None
        or self.parser is not state.parser
        or (state.generation is not _generation and state.arriving is None)
    ):
        _receive_slowly(self, data)
        return
    limit = self.max_message_size
    if self.max_fragment_size is not None:
        limit = self.max_fragment_size if limit is None else min(limit, self.max_fragment_size)
    end = 0
    arriving = state.arriving
    if arriving is not None:
        end = arriving.receive(data)
        if arriving.missing:
            return
        _end_arriving(self, state)
        _take(self, state, (arriving.template[0], arriving.payload()), limit)
    masked = self.side is SERVER
    frames, end = take_frames(
        data, state.templates, masked=masked, max_length=limit, offset=end, decode=decode
    )
    for item in frames:
        if not _take(self, state, item, limit):
            return
    if end == len(data):
        return
    state.arriving = Arriving.begin(
        data, end, _PLAIN, masked=masked, max_length=limit, decode=decode
    )
    if state.arriving is None:
        _receive_slowly(self, data[end:] if end else data)
        return
    # The rest of this frame is ours to receive, even if acceleration ends before.
    self.receive_data = MethodType(receive_data, self)
    self.receive_eof = MethodType(receive_eof, self)


def receive_eof(self: Protocol) -> None:
    """Receive the end of the data stream from the network, as websockets does it."""
    state = self.__dict__.pop("_fastws", None)
    if state is not None and state.arriving is not None:
        arriving = state.arriving
        _end_arriving(self, state)
        if self.parser is state.parser:
            # Its own parser tells how much of the frame is missing; it looks at no payload.
            _receive_data(self, arriving.head + bytes(arriving.length - arriving.missing))
    _receive_eof(self)


def _take(protocol: Protocol, state: _State, item: tuple[Any, ...], limit: int | None) -> bool:
    """Add a frame to the events; False if it ends the connection."""
    data = item[1]
    if type(data) is str:
        frame = _new_frame(TextFrame)
        frame.text = data
    else:
        frame = _new_frame(Frame)
        frame.data = data
    frame.opcode = item[0]
    if len(item) > 2:
        frame.rsv1 = True
        try:
            frame = state.extension.decode(frame, max_size=limit)
        except Exception as error:
            # The parser turns exceptions into close codes.
            protocol.parser.throw(error)
            return False
    protocol.events.append(frame)
    return True


def _end_arriving(protocol: Protocol, state: _State) -> None:
    state.arriving = None
    state.generation = _generation
    del protocol.receive_data
    del protocol.receive_eof


def _receive_slowly(protocol: Protocol, data: bytes | bytearray) -> None:
    """Let its own parser have the data, and see whether it is then between two messages."""
    state = protocol.__dict__.pop("_fastws", None)
    if state is not None and state.arriving is not None:
        _end_arriving(protocol, state)
    _receive_data(protocol, data)
    kind: Any = type(protocol)
    if (
        _is_known(kind)
        and not protocol.debug
        and not protocol.reader.buffer
        and protocol.current_size is None
        and _is_waiting(protocol.parser)
        and (not protocol.extensions or [*map(type, protocol.extensions)] == [PerMessageDeflate])
    ):
        protocol._fastws = _State(protocol)


@lru_cache
def _is_known(protocol: Any) -> bool:
    """Whether nobody has given the class another way to handle a frame."""
    return protocol.recv_frame is Protocol.recv_frame and protocol.parse.__module__ in _PARSERS


def _is_waiting(parser: Any) -> bool:
    """Whether the generator waits for the first byte of a frame."""
    outer = None
    while parser.gi_yieldfrom is not None:
        outer, parser = parser, parser.gi_yieldfrom
    return (
        outer is not None
        and parser.gi_code is StreamReader.at_eof.__code__
        and outer.gi_code is Protocol.parse.__code__
    )


def serialize(self: Frame, *, mask: bool, extensions: Any = None) -> Any:
    """Serialize a WebSocket frame, as websockets does it."""
    data = self.data
    if self.opcode not in _OPCODES or not (
        type(data) in (bytes, bytearray)
        or (type(data) is memoryview and data.c_contiguous and data.itemsize == 1)
    ):
        return _serialize(self, mask=mask, extensions=extensions)
    if self.rsv1 or self.rsv2 or self.rsv3 or self.opcode not in _DATA:
        self.check()
    rsv = 0
    frame = self
    if extensions:
        if [*map(type, extensions)] != [PerMessageDeflate]:
            return _serialize(self, mask=mask, extensions=extensions)
        frame = extensions[0].encode(self)
        rsv = frame.rsv1 << 2
    key = masking_key(secrets.token_bytes, _token_bytes) if mask else None
    return serialize_frame(frame.opcode, frame.data, fin=frame.fin, rsv=rsv, masking_key=key)


def send_message(self: Protocol, message: str | bytes, text: bool) -> None:
    """Write a message as one frame, as ``send_text`` and ``send_binary`` do it."""
    if self.extensions or self.expect_continuation_frame:
        send = self.send_text if text else self.send_binary
        send(message.encode() if isinstance(message, str) else message)
    elif self.side is SERVER and len(message) >= _LARGE and text == isinstance(message, str):
        head, payload = split_message(message)
        self.writes += head, memoryview(payload)
    else:
        key = masking_key(secrets.token_bytes, _token_bytes) if self.side is CLIENT else None
        self.writes.append(serialize_frame(1 if text else 2, message, masking_key=key))
