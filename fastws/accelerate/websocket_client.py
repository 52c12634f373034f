"""websocket-client: its masking, its check of UTF-8, and the reading of large payloads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from .._kernels import Utf8Validator, apply_mask, serialize_frame
from .keys import masking_key
from .patching import Part, Replacement, Target
from .validating import TEXTS
from .vectors import KEYS, PAYLOADS, STREAMS, outcome

__all__ = ["TARGET"]

_HOMES = ("websocket",)
_urandom = os.urandom

# It reads 16 KiB at most at a time; where more may be there, more is asked for.
_PIECE = 16 * 1024
_LARGE = 1024 * 1024


def _replace_mask(module: ModuleType) -> Iterable[Replacement]:
    original = module.ABNF.mask

    def mask(mask_key: Any, data: Any) -> bytes:
        """Return ``data`` masked; a str is a character per byte."""
        if isinstance(mask_key, str):
            mask_key = mask_key.encode("latin-1")
        if isinstance(data, str):
            data = data.encode("latin-1")
        if type(data) not in (bytes, bytearray) or len(mask_key) != 4:
            other: bytes = original(mask_key, data)
            return other
        return apply_mask(data, mask_key)

    yield Replacement(module.ABNF, "mask", staticmethod(mask), _HOMES)


def _observe_mask(module: ModuleType) -> object:
    texts: list[Any] = [*PAYLOADS, bytearray(b"hello"), "h\xe9llo", "\u4e16", "", None]
    return [
        outcome(module.ABNF.mask, kind, text)
        for key in (*KEYS, b"", b"abc")
        for kind in (key, key.decode("latin-1"))
        for text in texts
    ]


def _replace_format(module: ModuleType) -> Iterable[Replacement]:
    original = module.ABNF.format

    def format_(self: Any) -> bytes:
        """Return the frame as it is sent."""
        data = self.data
        if (
            type(data) not in (bytes, bytearray)
            or self.opcode not in (0, 1, 2)
            or self.mask_value != 1
            or any(bit not in (0, 1) for bit in (self.fin, self.rsv1, self.rsv2, self.rsv3))
            or self.get_mask_key is not os.urandom
        ):
            other: bytes = original(self)
            return other
        rsv = self.rsv1 << 2 | self.rsv2 << 1 | self.rsv3
        key = masking_key(os.urandom, _urandom)
        return serialize_frame(self.opcode, data, fin=self.fin, rsv=rsv, masking_key=key)

    yield Replacement(module.ABNF, "format", format_, _HOMES)


def _observe_format(module: ModuleType) -> object:
    def formatted(opcode: int, data: Any, bits: tuple[int, ...], mask: int) -> bytes:
        frame = module.ABNF(*bits, opcode, mask, data)
        sent: bytes = frame.format()
        # Each time it is another key.
        head = len(sent) - len(data) - 4 * mask
        key = sent[head : head + 4 * mask]
        return sent[:head] + (apply_mask(sent[head + 4 :], key) if mask else sent[head:])

    payloads: list[Any] = [*PAYLOADS[::4], bytes(300), bytearray(70_000), "text"]
    return [
        outcome(formatted, opcode, data, bits, mask)
        for opcode in (0, 1, 2, 3, 8, 9, 10)
        for data in payloads
        for bits in ((1, 0, 0, 0), (0, 0, 0, 0), (1, 1, 0, 1), (2, 0, 0, 0))
        for mask in (0, 1)
    ]


def _validate_utf8(utfbytes: str | bytes) -> bool:
    """Tell whether no byte is wrong; the last code point may be cut."""
    if isinstance(utfbytes, str):
        valid: bool = _originals["validate_utf8"](utfbytes)
        return valid
    return Utf8Validator().receive(utfbytes)


def _replace_validate(module: ModuleType) -> Iterable[Replacement]:
    from websocket import _utils

    # Another module may have bound ours, from where it was replaced before.
    original = _originals.setdefault("validate_utf8", _utils.validate_utf8)
    yield Replacement(module, "validate_utf8", _validate_utf8, _HOMES, original)


def _observe_validate(module: ModuleType) -> object:
    texts: list[Any] = [*TEXTS, *(text[:-5] for text in TEXTS), "世", "\ud800", bytearray(b"\xc3")]
    return [outcome(module.validate_utf8, text) for text in texts]


def _replace_receive(module: ModuleType) -> Iterable[Replacement]:
    original = module.frame_buffer.recv_strict

    def recv_strict(self: Any, bufsize: int) -> bytes:
        """Return so many bytes of the stream."""
        if type(bufsize) is not int or bufsize <= _PIECE:
            short: bytes = original(self, bufsize)
            return short
        pieces = self.recv_buffer  # here it stays if waiting for more ends with an exception
        missing = bufsize - sum(map(len, pieces))
        ask = _LARGE
        while missing > 0:
            piece = self.recv(min(ask, missing))
            if not isinstance(piece, bytes):
                break
            pieces.append(piece)
            missing -= len(piece)
            # Of a slow network no more than it brings: what is asked for is allocated.
            ask = min(_LARGE, max(_PIECE, 2 * len(piece)))
        whole: bytes = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.recv_buffer = [] if missing == 0 else [whole[bufsize:]]
        return whole[:bufsize]

    yield Replacement(module.frame_buffer, "recv_strict", recv_strict, _HOMES)


def _observe_receive(module: ModuleType) -> object:
    streams = [stream for masked in (True, False) for stream in STREAMS[masked]]
    return [
        observe_stream(module, [stream[at : at + most] for at in range(0, len(stream), most)])
        for stream in streams
        for most in (1000, 50_000, len(stream))
    ]


def observe_stream(module: ModuleType, pieces: Sequence[bytes]) -> object:
    """Receive frames; between the pieces there is nothing, and the next call tries again."""
    waiting: list[bytes | None] = [item for piece in pieces for item in (piece, None)]

    def recv(bufsize: int) -> bytes:
        if not waiting:
            raise EOFError
        piece = waiting.pop(0)
        if piece is None:
            raise TimeoutError
        if len(piece) > bufsize:
            waiting.insert(0, piece[bufsize:])
        return piece[:bufsize]

    buffer = module.frame_buffer(recv, False)
    seen: list[object] = []
    while not seen or seen[-1] != ("EOFError", ""):
        frame = outcome(buffer.recv_frame)
        if isinstance(frame, module.ABNF):
            frame = frame.fin, frame.rsv1, frame.opcode, frame.data
        seen.append(frame)
    return seen


_originals: dict[str, Any] = {}

TARGET = Target(
    name="websocket-client",
    distribution="websocket-client",
    package="websocket",
    tested=("1.8", "1.10"),
    parts=(
        Part("websocket._utils", "mask", _replace_validate, _observe_validate),
        Part("websocket._abnf", "mask", _replace_validate, _observe_validate),
        Part("websocket._abnf", "mask", _replace_mask, _observe_mask),
        Part("websocket._abnf", "frames", _replace_format, _observe_format),
        Part("websocket._abnf", "frames", _replace_receive, _observe_receive),
    ),
)
