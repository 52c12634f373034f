"""The kernels in pure Python, where they are not built: twin of `_mask.pyx` and `_frame.pyx`."""

from __future__ import annotations

import codecs
import os
import sys
from operator import index
from typing import TYPE_CHECKING, Any, Optional, Union

from .errors import PayloadTooBig, ProtocolError
from .frames import Close, CloseCode, Fragment, Header, Opcode, Ping, Pong, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    Event = Union[str, bytes, Fragment, Ping, Pong, Close, ProtocolError]
    Inflate = Callable[[bytes, Optional[int], bool], bytes]

simd = "python"


def available_simd() -> tuple[str, ...]:
    """Return the names of the instruction sets that run here, fastest last."""
    return (simd,)


def _view(data: Buffer, what: str) -> memoryview:
    """A buffer as compiled code sees it: contiguous, counted in bytes."""
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"{what} must be bytes-like, not {type(data).__name__}") from None
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    # cast() refuses views without bytes.
    return view.cast("B") if view.nbytes else memoryview(b"")


def _check_offset(offset: int) -> int:
    offset = index(offset)
    if not -sys.maxsize - 1 <= offset <= sys.maxsize:
        raise OverflowError("Python int too large to convert to C ssize_t")
    return offset & 3


def _read_key(masking_key: Buffer, offset: int = 0) -> bytes:
    """The key, starting with the byte that is due after ``offset`` bytes of payload."""
    # What is usual is let through here: views and checks cost more than masking a short payload.
    if type(offset) is not int or offset:
        offset = _check_offset(offset)
    key = masking_key if type(masking_key) is bytes else bytes(_view(masking_key, "masking key"))
    if len(key) != 4:
        raise ValueError(f"masking key must be 4 bytes, not {len(key)}")
    return key[offset:] + key[:offset] if offset else key


# From these lengths on, conversions to and from integers cost more than four look-ups of a quarter
# each: with the copies that the look-ups need into new bytes, and without.
_LOOK_UP_BYTES = 600
_LOOK_UP_BYTES_INPLACE = 256


def _xor(data: Union[bytes, bytearray, memoryview], key: bytes) -> bytes:
    length = len(data)
    if length < _LOOK_UP_BYTES:
        repeated_key = (key * (length // 4 + 1))[:length]
        # XOR as big integers: far fewer Python steps than one per byte.
        masked = int.from_bytes(data, "little") ^ int.from_bytes(repeated_key, "little")
        return masked.to_bytes(length, "little")
    result = bytearray(data)
    _look_up(result, key)
    return bytes(result)


_XOR_TABLES = [_xor(bytes(range(256)), bytes([byte] * 4)) for byte in range(256)]


def _look_up(buffer: bytearray, key: bytes) -> None:
    for i in range(4):
        buffer[i::4] = buffer[i::4].translate(_XOR_TABLES[key[i]])


def apply_mask(data: Buffer, masking_key: Buffer, offset: int = 0) -> bytes:
    """Return ``data`` XORed with the repeated 4-byte ``masking_key``, as new bytes.

    ``data`` is any contiguous buffer. ``offset`` counts the bytes of the payload that came before
    it, so a payload can be masked in pieces. Masking twice gives the original (RFC 6455 §5.3).

    Raises ValueError for a key that is not 4 bytes, TypeError for a wrong type, BufferError for a
    strided buffer.
    """
    key = _read_key(masking_key, offset)
    return _xor(data if type(data) is bytes else _view(data, "data"), key)


def apply_mask_inplace(buffer: Buffer, masking_key: Buffer, offset: int = 0) -> None:
    """XOR ``buffer`` with the repeated 4-byte ``masking_key``, where it is.

    ``buffer`` is any contiguous writable buffer; ``offset`` is as in ``apply_mask``.

    Raises ValueError for a key that is not 4 bytes, TypeError for a wrong type, BufferError for a
    strided or read-only buffer; then no byte has changed.
    """
    key = _read_key(masking_key, offset)
    if type(buffer) is bytearray:
        if len(buffer) < _LOOK_UP_BYTES_INPLACE:
            buffer[:] = _xor(buffer, key)
        else:
            _look_up(buffer, key)
        return
    try:
        read_only = memoryview(buffer).readonly
    except TypeError:
        raise TypeError(
            f"buffer must be a writable bytes-like object, not {type(buffer).__name__}"
        ) from None
    if read_only:
        raise BufferError("Object is not writable.")
    view = _view(buffer, "buffer")
    if view.nbytes:
        view[:] = _xor(view, key)


def is_utf8(data: Buffer) -> bool:
    """Tell whether ``data``, any contiguous buffer, is valid UTF-8 as RFC 3629 defines it."""
    try:
        # Not with str(), which lets surrogates pass on PyPy.
        codecs.utf_8_decode(_view(data, "data"), "strict", True)
    except UnicodeDecodeError:
        return False
    return True


class _TextDecoder:
    """The standard library's incremental decoder, strict at each byte."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    @property
    def pending(self) -> bytes:
        """The start of a code point whose end is still to come."""
        return self._decoder.getstate()[0]

    def decode(self, piece: Union[bytes, memoryview]) -> str:
        text = self._decoder.decode(piece)
        pending = self.pending
        # It waits for the third byte of a surrogate, though the second is already wrong.
        if len(pending) == 2 and pending[0] == 0xED and pending[1] >= 0xA0:
            raise UnicodeDecodeError("utf-8", bytes(piece), len(piece) - 1, len(piece), "surrogate")
        return text


class Utf8Validator:
    """Validate a text that arrives in pieces; know of the first bad byte when it arrives."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start a new text."""
        self._decoder = _TextDecoder()
        self.valid = True
        self.position = 0

    @property
    def complete(self) -> bool:
        """Whether the text so far is valid and ends with a whole code point."""
        return self.valid and not self._decoder.pending

    def receive(self, data: Buffer) -> bool:
        """Take the next piece; return False from the first byte on that no valid text could have.

        ``position`` then is that byte's index in the whole text; before, the bytes received so far.
        """
        view = _view(data, "data")
        if self.valid:
            pending = len(self._decoder.pending)
            try:
                self._decoder.decode(view)
                self.position += len(view)
            except UnicodeDecodeError as error:
                self.valid = False
                if error.reason == "surrogate":
                    self.position += error.start
                else:
                    # The decoder counts from the code point it was in, and names all of it.
                    bad = error.start if error.reason == "invalid start byte" else error.end
                    self.position += bad - pending
        return self.valid


_OPCODES = frozenset(Opcode)
_MAX_CONTROL = 125


def _header_length(second: int) -> int:
    length = 6 if second & 0x80 else 2
    if second & 0x7F == 126:
        return length + 2
    if second & 0x7F == 127:
        return length + 8
    return length


def _payload_length(head: Union[bytearray, memoryview]) -> int:
    length = head[1] & 0x7F
    if length == 126:
        return int.from_bytes(head[2:4], "big")
    if length == 127:
        return int.from_bytes(head[2:10], "big")
    return length


def _check_length(head: Union[bytearray, memoryview], length: int) -> Optional[str]:
    """The violation of RFC 6455 §5.2 in a complete header, or None."""
    if length >> 63:
        return "payload length has its most significant bit set"
    announced = head[1] & 0x7F
    if (announced == 126 and length < 126) or (announced == 127 and length < 65536):
        return "payload length is not encoded in the fewest bytes"
    return None


def _check_opcode(first: int, second: int) -> Optional[str]:
    """The violation that the first two bytes of any frame can show alone, or None."""
    opcode = first & 0x0F
    if opcode not in _OPCODES:
        return f"reserved opcode {opcode:#x}"
    if opcode >= Opcode.CLOSE:
        if not first & 0x80:
            return "fragmented control frame"
        if second & 0x7F > _MAX_CONTROL:
            return "control frame payload over 125 bytes"
    return None


def parse_header(buffer: Buffer, offset: int = 0) -> Optional[Header]:
    """Return the ``Header`` of the frame at ``buffer[offset]``, or None while it is incomplete.

    Raises ProtocolError, with its close code, for what no header may be whatever the role and the
    extensions: a reserved opcode, a fragmented or long control frame, a length not encoded in the
    fewest bytes or with its top bit set (RFC 6455 §5.2, §5.5).
    """
    _check_offset(offset)
    if offset < 0:
        raise ValueError(f"offset must not be negative, not {offset}")
    head = _view(buffer, "buffer")[offset : offset + 14]
    if len(head) < 2:
        return None
    problem = _check_opcode(head[0], head[1])
    if problem is not None:
        raise ProtocolError(problem)
    header_length = _header_length(head[1])
    if len(head) < header_length:
        return None
    length = _payload_length(head)
    problem = _check_length(head, length)
    if problem is not None:
        raise ProtocolError(problem)
    key = bytes(head[header_length - 4 : header_length]) if head[1] & 0x80 else None
    return Header(head[0] & 0x80 != 0, head[0] >> 4 & 7, head[0] & 0x0F, key, length, header_length)


def take_frames(
    data: Buffer,
    templates: dict[int, tuple[Any, ...]],
    *,
    masked: Optional[bool],
    max_length: Optional[int],
    offset: int = 0,
    decode: bool = False,
) -> tuple[list[Any], int]:
    """Return the whole frames at ``data[offset]`` that a caller wants, and where the others begin.

    For servers that have a parser of their own and want the common frames faster. ``templates``
    says which: it maps a frame's first byte (RFC 6455 §5.2) to a tuple, perhaps of a subclass, of
    at least two items; the frame comes out as a copy of it whose item 1 is the unmasked payload, as
    bytes, or with ``decode`` as str where the first byte is 0x81 (a whole text). ``masked`` tells
    whether frames must be masked or must not; None takes both.

    It stops at the first frame that is incomplete, of another first byte or masking, longer than
    ``max_length`` bytes (None: no limit), with a length not in the fewest bytes, or a text to
    decode that is not UTF-8. What it stops at is the caller's to judge: it raises nothing.
    """
    frames: list[Any] = []
    taker = FrameTaker(
        templates,
        lambda frame, payload_length: frames.append(frame),
        masked=masked,
        max_length=max_length,
        decode=decode,
    )
    return frames, taker.take(data, offset, sys.maxsize)


class FrameTaker:
    """``take_frames`` for one connection: each frame goes to ``deliver(frame, payload_length)``.

    The length is in bytes of the wire. ``take`` returns where the others begin. It also stops once
    the payloads taken, each counted with ``overhead`` bytes more, are over ``room``; ``left`` is
    what of it was left.
    """

    def __init__(
        self,
        templates: dict[int, tuple[Any, ...]],
        deliver: Callable[[Any, int], object],
        *,
        masked: Optional[bool],
        max_length: Optional[int],
        decode: bool = False,
        overhead: int = 0,
    ) -> None:
        self._templates = dict(templates)
        self._deliver = deliver
        self._masked = None if masked is None else bool(masked)
        self._limit = sys.maxsize if max_length is None else max_length
        self._decode = decode
        self._overhead = overhead
        self.left = 0

    def take(self, data: Buffer, offset: int, room: int) -> int:
        """Deliver the whole frames at ``data[offset]``; return where the others begin."""
        view = _view(data, "data")
        if not 0 <= offset <= len(view):
            raise ValueError(f"offset {offset} is not within {len(view)} bytes")
        while len(view) - offset >= 2 and room >= 0:
            first, second = view[offset : offset + 2]
            template = self._templates.get(first)
            masked = second & 0x80 != 0
            if template is None or (self._masked is not None and masked != self._masked):
                break
            start = offset + _header_length(second)
            if start > len(view):
                break
            head = view[offset:start]
            length = _payload_length(head)
            if (
                length > len(view) - start
                or length > self._limit
                or _check_length(head, length) is not None
            ):
                break
            unmasked = bytes(view[start : start + length])
            if masked:
                unmasked = _xor(unmasked, bytes(head[-4:]))
            payload: Union[str, bytes] = unmasked
            if self._decode and first == 0x81:
                try:
                    payload, _ = codecs.utf_8_decode(unmasked, "strict", True)
                except UnicodeDecodeError:
                    break
            self._deliver(_filled(template, payload), length)
            room -= length + self._overhead
            offset = start + length
        self.left = room
        return offset


def _filled(template: tuple[Any, ...], payload: Union[str, bytes]) -> tuple[Any, ...]:
    """A copy of a tuple, of its own type, with another item 1."""
    if len(template) < 2:
        raise ValueError(f"a template needs at least two items, not {len(template)}")
    return tuple.__new__(type(template), (template[0], payload, *template[2:]))


def serialize_frame(
    opcode: int,
    payload: Union[str, Buffer],
    *,
    fin: bool = True,
    rsv: int = 0,
    masking_key: Optional[Buffer] = None,
) -> bytes:
    """Return one frame as bytes (RFC 6455 §5.2).

    ``payload`` is any contiguous buffer, or a str, which goes out as UTF-8. ``rsv`` is a 3-bit
    number: RSV1 is 4. ``masking_key`` is 4 bytes on a client, None on a server.

    Raises ValueError for what RFC 6455 forbids to send: a reserved opcode, a control frame that is
    fragmented or longer than 125 bytes, a wrong key.
    """
    key = None if masking_key is None else _read_key(masking_key)
    view = payload.encode() if isinstance(payload, str) else _view(payload, "payload")
    length = len(view)
    if opcode not in _OPCODES:
        raise ValueError(f"opcode must be one of 0, 1, 2, 8, 9, 10, not {opcode}")
    if not 0 <= rsv <= 7:
        raise ValueError(f"rsv must be a 3-bit number, not {rsv}")
    if opcode >= Opcode.CLOSE:
        if not fin:
            raise ValueError("a control frame cannot be fragmented")
        if length > _MAX_CONTROL:
            raise ValueError(f"a control frame's payload is at most 125 bytes, not {length}")
    head = _header((0x80 if fin else 0) | rsv << 4 | opcode, length, 0 if key is None else 0x80)
    if key is None:
        return b"".join((head, view))
    return b"".join((head, key, _xor(view, key)))


def _header(first: int, length: int, mask_bit: int) -> bytes:
    if length < 126:
        return bytes((first, mask_bit | length))
    if length < 65536:
        return bytes((first, mask_bit | 126)) + length.to_bytes(2, "big")
    return bytes((first, mask_bit | 127)) + length.to_bytes(8, "big")


# Keys are taken from here a few bytes at a time: a system call for each would cost more than the
# frame. Predictable keys would let a page's script choose the bytes a proxy sees (RFC 6455 §10.3).
_POOL_BYTES = 4096
_pool: list[bytes] = []


def _empty_pool() -> None:
    _pool.clear()


if hasattr(os, "register_at_fork"):
    # Parent and child must not send the same keys.
    os.register_at_fork(after_in_child=_empty_pool)


def new_masking_key() -> bytes:
    """Return 4 bytes that no peer can foresee (RFC 6455 §5.3)."""
    while True:
        try:
            return _pool.pop()  # one step, so no two threads get the same key
        except IndexError:
            random = os.urandom(_POOL_BYTES)
            _pool.extend(random[i : i + 4] for i in range(0, _POOL_BYTES, 4))


def serialize_message(message: Union[str, Buffer], masked: bool) -> bytes:
    """Return a whole message as one frame, with a new key if it is to be masked.

    A str is text and a buffer is binary.
    """
    opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
    return serialize_frame(opcode, message, masking_key=new_masking_key() if masked else None)


def split_message(message: Union[str, bytes]) -> tuple[bytes, Buffer]:
    """Return a whole message as an unmasked frame in two parts: its header, and its payload.

    The payload is ``message`` itself, or a view of it; only a str with characters beyond ASCII is
    encoded.
    """
    opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
    payload = message.encode() if isinstance(message, str) else message
    return _header(0x80 | opcode, len(payload), 0), payload


class FrameBuffer(bytearray):
    """Room for frames of whole messages, one behind the other, until they are written.

    The buffer of the object itself is the ``length`` bytes that are there. ``filler`` is for those
    who share it: whose frames these are.
    """

    def __init__(self, capacity: int = 64 * 1024) -> None:
        self._capacity = capacity
        self.filler: object = None

    @property
    def length(self) -> int:
        return len(self)

    def clear(self) -> None:
        """Forget what is there."""
        super().clear()
        self.filler = None

    def add(self, message: Union[str, bytes], masked: bool) -> bool:
        """Add a str or bytes as one frame, masked with a new key; False if there is no room."""
        if type(message) is not bytes and not isinstance(message, str):
            raise TypeError(f"message must be str or bytes, not {type(message).__name__}")
        payload = message.encode() if isinstance(message, str) else message
        if len(payload) > self._capacity - len(self) - 14:
            return False
        self += serialize_message(message, masked)
        return True


def _may_be_sent(code: int) -> bool:
    # RFC 6455 §7.4 and the registry: 1004-1006 and 1015 are never on the wire, 1016-2999 not given.
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def parse_close(payload: Buffer) -> Close:
    """Return the ``Close`` that a close frame's payload says (RFC 6455 §5.5.1, §7.4).

    Raises ProtocolError with code 1002 for a half or forbidden status code, 1007 for a reason that
    is not UTF-8.
    """
    data = bytes(payload)
    if not data:
        return Close()
    if len(data) == 1:
        raise ProtocolError("close frame with half a status code")
    code = int.from_bytes(data[:2], "big")
    if not _may_be_sent(code):
        raise ProtocolError(f"close code {code} is not allowed on the wire")
    try:
        return Close(code, data[2:].decode())
    except UnicodeDecodeError:
        raise ProtocolError("close reason is not UTF-8", CloseCode.INVALID_DATA) from None


def serialize_close(code: int, reason: str = "") -> bytes:
    """Return the payload of a close frame; ``code`` 1005 stands for an empty one.

    Raises ValueError for a code that is not allowed on the wire, and for a reason longer than
    123 bytes of UTF-8 (RFC 6455 §5.5.1, §7.4).
    """
    if not isinstance(reason, str):
        raise TypeError(f"reason must be str, not {type(reason).__name__}")
    encoded = reason.encode()
    if code == CloseCode.NO_STATUS_RCVD:
        if encoded:
            raise ValueError("a close reason needs a status code")
        return b""
    if not _may_be_sent(code):
        raise ValueError(
            f"close code {int(code)} is not allowed on the wire: "
            "use 1000-1003, 1007-1014 or 3000-4999"
        )
    if len(encoded) > _MAX_CONTROL - 2:
        raise ValueError(f"a close reason is at most 123 bytes of UTF-8, not {len(encoded)}")
    return int(code).to_bytes(2, "big") + encoded


# Memory given to a payload on the word of its header alone; beyond, it grows as the bytes arrive.
_ALLOCATE_AHEAD = 1024 * 1024

# A payload with less than this to come is not worth a buffer of its own.
_DIRECT_BUFFER = 16 * 1024


class PayloadReader:
    """Unmask the payload of one frame as it comes, straight into the object that it will be.

    ``length`` bytes are to come, masked with ``masking_key`` (None: not masked); ``missing`` counts
    those that have not. Memory is given to them as they come, not on the header's word.

    With ``text`` the payload is a str if it is ASCII. Otherwise, also of a text with other
    characters, it is bytes, and nobody has looked whether they are UTF-8.

    Raises ValueError for a negative length, or a key that is not 4 bytes; OverflowError for a
    length that no object can have.
    """

    def __init__(
        self, length: int, masking_key: Optional[Buffer] = None, *, text: bool = False
    ) -> None:
        if length < 0:
            raise ValueError(f"length must not be negative, not {length}")
        if length > sys.maxsize:
            raise OverflowError("Python int too large to convert to C ssize_t")
        self._key = bytes(4) if masking_key is None else _read_key(masking_key)
        self._text = text
        self._whole = length
        self._pieces = bytearray()
        self._given = bytearray()

    @property
    def missing(self) -> int:
        return self._whole - len(self._pieces)

    def get_buffer(self) -> Optional[Buffer]:
        """Return a writable buffer for the next bytes, None if none are missing.

        Receive into it and call ``buffer_updated`` with the number of bytes; or ignore it and call
        ``receive``.
        """
        if not self.missing:
            return None
        self._given = bytearray(min(self.missing, _ALLOCATE_AHEAD))
        return self._given

    def buffer_updated(self, nbytes: int) -> None:
        """Take the ``nbytes`` written into the last ``get_buffer``."""
        given, self._given = self._given, bytearray()
        if not 0 <= nbytes <= len(given):
            raise ValueError(f"{nbytes} bytes do not fit the buffer given out")
        self._take(memoryview(given)[:nbytes])

    def receive(self, data: Buffer) -> int:
        """Take what belongs to the payload from the start of ``data``; return how much that is."""
        self._given = bytearray()
        mine = _view(data, "data")[: self.missing]
        self._take(mine)
        return len(mine)

    def _take(self, data: memoryview) -> None:
        self._pieces += _xor(data, self._key)
        self._key = _read_key(self._key, len(data))

    def payload(self) -> Union[str, bytes]:
        """Return the whole payload; ValueError while bytes are missing."""
        if self.missing:
            raise ValueError(f"{self.missing} bytes of the payload are missing")
        if self._text and self._pieces.isascii():
            return self._pieces.decode()
        return bytes(self._pieces)


class MessageReader:
    """Turn the bytes of a connection into messages and control frames (RFC 6455 §5).

    Text messages come out as ``str``, or as ``bytes`` if ``decode`` is false; binary messages as
    ``bytes``; control frames as ``Ping``, ``Pong`` and ``Close``; and a violation, once, as a
    ``ProtocolError`` with its close code. After a close frame or a violation all input is ignored.

    ``role`` is ours. ``max_size`` limits a message in bytes, all fragments and inflated bytes
    together (None: no limit); ``max_fragments`` its fragments, empty ones too. ``inflate`` is
    ``callable(payload, max_length, fin) -> bytes`` if compression was agreed (RFC 7692), else None.
    While ``fragments`` is true, messages that come in several frames are given out frame by frame.
    ``has_control`` tells whether the last events have anything else than messages;
    ``bytes_received`` counts all input: whoever compares it later knows of any sign of life.
    """

    def __init__(
        self,
        role: Role,
        *,
        max_size: Optional[int] = 1024 * 1024,
        max_fragments: Optional[int] = None,
        inflate: Optional[Inflate] = None,
        decode: bool = True,
    ) -> None:
        if not isinstance(role, Role):
            raise TypeError(f"role must be Role.CLIENT or Role.SERVER, not {role!r}")
        self._mask_bit = 0x80 if role is Role.SERVER else 0
        if max_size is None:
            self._max_size = self._max_deflated = sys.maxsize
        else:
            if max_size < 0:
                raise ValueError(f"max_size must be at least 0, or None, not {max_size}")
            self._max_size = max_size
            # Data that does not shrink grows by at most this (zlib's own bound, block headers).
            self._max_deflated = max_size + (max_size >> 3) + (max_size >> 6) + 1024
        if max_fragments is None:
            max_fragments = sys.maxsize if max_size is None else max(4096, max_size // 64)
        elif max_fragments < 1:
            raise ValueError(f"max_fragments must be at least 1 or None, not {max_fragments}")
        self._max_fragments = max_fragments
        self.inflate = inflate
        self.decode = bool(decode)
        self.fragments = False
        self.has_control = False
        self.bytes_received = 0
        self._ended = False
        self._head = bytearray()
        self._in_frame = False
        self._fin = False
        self._opcode = 0
        self._key = bytes(4)
        self._left = 0
        self._direct: Optional[bytearray] = None
        self._message_opcode = 0
        self._deflated = False
        self._fragments = 0
        self._split = False
        self._received = 0
        self._inflated = 0
        self._decoder = _TextDecoder()
        self._pieces: list[bytes] = []
        self._texts: list[str] = []
        self._frame: list[bytes] = []

    def receive(self, data: Buffer, nbytes: int = -1) -> list[Event]:
        """Take bytes, cut anywhere; return what they complete, in order.

        With ``nbytes``, take only so many from the start of ``data``.
        """
        view = _view(data, "data")
        if nbytes > len(view):
            raise ValueError(f"there are no {nbytes} bytes in {len(view)}")
        if nbytes >= 0:
            view = view[:nbytes]
        events: list[Event] = []
        self.has_control = False
        self.bytes_received += len(view)
        self._direct = None
        while not self._ended:
            if not self._in_frame:
                if not view:
                    break
                # Gather a header in pieces; the first two bytes tell how long it is.
                need = 2 if len(self._head) < 2 else _header_length(self._head[1])
                take = need - len(self._head)
                self._head += view[:take]
                view = view[take:]
                if len(self._head) < need:
                    break
                if need == 2:
                    problem = self._check_start()
                    if problem is not None:
                        self._violation(events, ProtocolError(problem))
                        break
                    if _header_length(self._head[1]) > 2:
                        continue
                if not self._start(events):
                    break
            if self._left:
                if not view:
                    break
                take = min(self._left, len(view))
                if not self._take(view[:take], events):
                    break
                view = view[take:]
                if self._left:
                    break
            self._finish_frame(events)
        return events

    def get_buffer(self) -> Optional[Buffer]:
        """Return a writable buffer for the next bytes of a large payload under way, else None.

        Receive into it and call ``buffer_updated`` with the number of bytes; or ignore it and call
        ``receive``.
        """
        if (
            not self._in_frame
            or self._left < _DIRECT_BUFFER
            or self._opcode >= Opcode.CLOSE
            or self._ended
        ):
            return None
        self._direct = bytearray(min(self._left, _ALLOCATE_AHEAD))
        return self._direct

    def buffer_updated(self, nbytes: int) -> list[Event]:
        """Take the ``nbytes`` written into the last ``get_buffer``; return what they complete."""
        events: list[Event] = []
        self.has_control = False
        self.bytes_received += max(nbytes, 0)
        direct = self._direct
        self._direct = None
        if self._ended:
            return events
        if direct is None or not 0 <= nbytes <= len(direct):
            raise ValueError(f"{nbytes} bytes do not fit the buffer given out")
        if self._take(memoryview(direct)[:nbytes], events) and self._left == 0:
            self._finish_frame(events)
        return events

    def _check_start(self) -> Optional[str]:
        """The violation in the first two bytes of a header, or None (RFC 6455 §5.2-§5.5)."""
        first, second = self._head
        opcode = first & 0x0F
        rsv = first & 0x70
        # RFC 7692 §6: RSV1 on the first frame of a message says that it is compressed.
        if rsv and not (
            rsv == 0x40 and self.inflate is not None and opcode in (Opcode.TEXT, Opcode.BINARY)
        ):
            return "reserved bits set without an extension that defines them"
        problem = _check_opcode(first, second)
        if problem is not None:
            return problem
        if second & 0x80 != self._mask_bit:
            if self._mask_bit:
                return "frame from a client is not masked"
            return "frame from a server is masked"
        if opcode == Opcode.CONTINUATION:
            if not self._message_opcode:
                return "continuation frame without a message to continue"
        elif opcode < Opcode.CLOSE and self._message_opcode:
            return "new message before the last one was finished"
        return None

    def _start(self, events: list[Event]) -> bool:
        """Begin the frame whose header is complete; False if it may not be."""
        length = _payload_length(self._head)
        problem = _check_length(self._head, length)
        if problem is not None:
            return self._violation(events, ProtocolError(problem))
        self._opcode = self._head[0] & 0x0F
        self._fin = self._head[0] & 0x80 != 0
        if self._opcode < Opcode.CLOSE:
            if self._opcode != Opcode.CONTINUATION:
                self._message_opcode = self._opcode
                self._deflated = self._head[0] & 0x40 != 0
                if self._opcode == Opcode.TEXT:
                    self._decoder = _TextDecoder()
            self._fragments += 1
            if self._fragments > self._max_fragments:
                return self._violation(
                    events, PayloadTooBig(f"message over {self._max_fragments} fragments")
                )
            # By the announced length, before anything is kept.
            limit = self._max_deflated if self._deflated else self._max_size
            if length > limit - self._received:
                return self._violation(
                    events, PayloadTooBig(f"message over {self._max_size} bytes")
                )
        if self._mask_bit:
            self._key = bytes(self._head[-4:])
        self._left = length
        self._head.clear()
        self._frame = []
        self._in_frame = True
        return True

    def _take(self, data: memoryview, events: list[Event]) -> bool:
        """Take payload bytes of the frame under way; False if they break the rules."""
        length = len(data)
        unmasked = _xor(data, self._key) if self._mask_bit else bytes(data)
        self._left -= length
        phase = length & 3
        self._key = self._key[phase:] + self._key[:phase]
        if self._opcode >= Opcode.CLOSE or self._deflated:
            self._frame.append(unmasked)
            self._received += length if self._opcode < Opcode.CLOSE else 0
            return True
        self._received += length
        return self._add_piece(unmasked, events)

    def _add_piece(self, piece: bytes, events: list[Event]) -> bool:
        """Add bytes to the message; False if they cannot be part of a text."""
        if self._message_opcode == Opcode.TEXT:
            try:
                text = self._decoder.decode(piece)
            except UnicodeDecodeError:
                return self._not_utf8(events)
            if self.decode:
                self._texts.append(text)
                return True
        self._pieces.append(piece)
        return True

    def _finish_frame(self, events: list[Event]) -> None:
        self._in_frame = False
        if self._opcode >= Opcode.CLOSE:
            self._finish_control(events)
            return
        if self._deflated and not self._inflate_frame(events):
            return
        if not self._fin:
            if self.fragments:
                events.append(Fragment(self._take_pieces(), False))
            return
        if self._message_opcode == Opcode.TEXT and self._decoder.pending:
            self._not_utf8(events)
            return
        message = self._take_pieces()
        events.append(Fragment(message, True) if self._split else message)
        self._forget_message()

    def _take_pieces(self) -> Union[str, bytes]:
        """Take out what of the message is there, but no half code point of a text."""
        self._split = self._split or not self._fin
        message: Union[str, bytes]
        if self._message_opcode != Opcode.TEXT:
            message = b"".join(self._pieces)
            self._pieces = []
        elif self.decode:
            message = "".join(self._texts)
            self._texts = []
        else:
            message = b"".join(self._pieces)
            rest = self._decoder.pending
            message = message[: len(message) - len(rest)]
            self._pieces = [rest]
        return message

    def _finish_control(self, events: list[Event]) -> None:
        payload = b"".join(self._frame)
        self.has_control = True
        if self._opcode == Opcode.PING:
            events.append(Ping(payload))
        elif self._opcode == Opcode.PONG:
            events.append(Pong(payload))
        else:
            # RFC 6455 §5.5.1: nothing after a close frame means anything.
            self._ended = True
            try:
                events.append(parse_close(payload))
            except ProtocolError as error:
                events.append(error)

    def _inflate_frame(self, events: list[Event]) -> bool:
        """Inflate the frame just finished; False if it may not be."""
        limit = None if self._max_size == sys.maxsize else self._max_size - self._inflated
        assert self.inflate is not None
        try:
            piece = self.inflate(b"".join(self._frame), limit, self._fin)
            if not isinstance(piece, bytes):
                raise TypeError(f"Expected bytes, got {type(piece).__name__}")
        except PayloadTooBig:
            # The limit in the call was what remained of it.
            return self._violation(events, PayloadTooBig(f"message over {self._max_size} bytes"))
        except ProtocolError as error:
            return self._violation(events, ProtocolError(error.reason, error.code))
        except Exception as error:
            return self._violation(
                events,
                ProtocolError(f"cannot inflate a message: {error!r}", CloseCode.INTERNAL_ERROR),
            )
        self._inflated += len(piece)
        return self._add_piece(piece, events)

    def _forget_message(self) -> None:
        self._message_opcode = 0
        self._deflated = False
        self._fragments = 0
        self._split = False
        self._received = 0
        self._inflated = 0
        self._pieces = []
        self._texts = []
        self._frame = []

    def _not_utf8(self, events: list[Event]) -> bool:
        return self._violation(
            events, ProtocolError("text message is not UTF-8", CloseCode.INVALID_DATA)
        )

    def _violation(self, events: list[Event], error: ProtocolError) -> bool:
        """End the input with an error; False, so that callers can return it."""
        self._ended = True
        self.has_control = True
        self._forget_message()
        events.append(error)
        return False
