"""What the self-checks feed to a target: payloads, streams of frames, ways to cut them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .._kernels import apply_mask, serialize_frame

__all__ = ["KEYS", "PAYLOADS", "STREAMS", "cuts", "outcome"]

KEYS = (b"\x00\x00\x00\x00", b"\x37\xfa\x21\x3d", b"\xff\x00\x80\x7f")
PAYLOADS = tuple(bytes(i * 7 & 0xFF for i in range(n)) for n in (*range(18), 63, 64, 125, 127, 300))

_TEXT = "Grüße, 世界 🌍 ".encode()


def _frames(masked: bool) -> Iterator[bytes]:
    """Streams a peer may send, good and bad."""

    def frame(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0) -> bytes:
        key = b"\x12\x34\x56\x78" if masked else None
        return serialize_frame(opcode, payload, fin=fin, rsv=rsv, masking_key=key)

    def raw(head: str, payload: bytes = b"") -> bytes:
        first, second, *rest = bytes.fromhex(head)
        key = b"\x12\x34\x56\x78" if masked else b""
        body = apply_mask(payload, key) if masked else payload
        return bytes([first, second | (0x80 if masked else 0), *rest]) + key + body

    hello = frame(1, b"hello")
    yield hello + frame(2, b"\x00\xff") + frame(1, b"") + frame(2, b"x") + frame(1, b"y")
    yield frame(1, _TEXT * 20) + frame(2, _TEXT * 40)
    yield frame(2, bytes(range(256)) * 300) + hello + frame(1, _TEXT * 1000) + hello
    yield hello + frame(9, b"ping") + frame(10, b"pong") + hello
    yield frame(1, _TEXT[:4], fin=False) + frame(0, _TEXT[4:], fin=False) + frame(0, b"") + hello
    yield frame(2, b"a" * 200, fin=False) + frame(9, b"!") + frame(0, b"b" * 70000) + hello
    yield hello + frame(8, b"\x03\xe8bye") + hello
    yield frame(8, b"") + hello
    yield hello + frame(8, b"\x03") + hello
    yield frame(8, b"\x03\xed") + hello
    yield frame(8, b"\x03\xe8\xff") + hello
    yield hello + frame(1, b"\xff\xfe") + hello
    yield frame(1, b"\xed\xa0\x80" * 8000) + hello
    yield hello + frame(0, b"nothing to continue") + hello
    yield frame(1, b"a", fin=False) + hello
    yield frame(1, b"\xc3", fin=False) + frame(0, b"\x28") + hello
    yield hello + raw("8302", b"??") + hello
    yield raw("8b00") + hello
    yield raw("9105", b"hello") + hello
    yield hello + raw("c105", b"hello") + hello
    yield raw("0900") + hello
    yield raw("897e007e", b"p" * 126)
    yield raw("817e0005", b"short") + hello
    yield raw("827f00000000000000fe", b"s" * 254) + hello
    yield hello + raw("827f8000000000000000") + hello
    yield hello + raw("827f0000000001000000", b"too big")
    yield serialize_frame(1, b"wrong masking", masking_key=None if masked else b"\x01\x02\x03\x04")


# By whether they come from a client.
STREAMS = {masked: tuple(_frames(masked)) for masked in (True, False)}


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """Cut a stream in some of the ways a network does."""
    yield [stream]
    yield [stream[:1], stream[1:3], stream[3:]]
    yield [stream[i : i + 20_000] for i in range(0, len(stream), 20_000)]
    if len(stream) < 100:
        yield [stream[i : i + 1] for i in range(len(stream))]


def outcome(function: Callable[..., object], *arguments: object) -> object:
    """Return what a call gives: its result, or the type and words of its exception."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error).__name__, str(error)
