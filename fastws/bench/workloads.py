"""What the kernels are given to do; each function makes one contender's work, already verified."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from . import definition
from .contenders import Call, Contender
from .sizes import KIB, MAX_SIZE, MIB

__all__ = [
    "REQUEST",
    "WORKLOADS",
    "Remark",
    "Workload",
    "WrongResult",
    "ascii_text",
    "cjk_text",
    "payload",
    "records",
]

MASKING_KEY = bytes.fromhex("37fa213d")  # that of the examples in RFC 6455 §5.7
TEXT = 0x1
BINARY = 0x2

# As much as a busy connection finds in its socket at once.
STREAM_BYTES = 64 * KIB
STREAM_MESSAGES = 128
STREAM_NOTE = (
    f"per message; up to {STREAM_MESSAGES} of them arrive at once, in 64 KiB at most if small"
)
DEFLATE_NOTE = (
    f"per message; level {definition.LEVEL}, window of {1 << definition.WINDOW_BITS} bytes, "
    f"memory level {definition.MEMORY_LEVEL}"
)

HANDSHAKE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # that of the example in RFC 6455 §1.3
REQUEST = (
    "GET /chat?room=1 HTTP/1.1\r\n"
    "Host: server.example.com\r\n"
    "Connection: keep-alive, Upgrade\r\n"
    "Pragma: no-cache\r\n"
    "Cache-Control: no-cache\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Upgrade: websocket\r\n"
    "Origin: http://example.com\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {HANDSHAKE_KEY}\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
).encode()


class WrongResult(Exception):
    """A contender did not do what the definition says, so its time means nothing."""


@functools.lru_cache(maxsize=64)
def payload(size: int) -> bytes:
    """Return the same ``size`` arbitrary bytes every time."""
    return random.Random(size).randbytes(size)


def ascii_text(size: int) -> bytes:
    """Return ``size`` bytes of JSON-like text."""
    pattern = b'{"symbol": "BTC-USD", "price": 67123.5, "sizes": [1, 20, 300]}, '
    return (pattern * (size // len(pattern) + 1))[:size]


def cjk_text(size: int) -> bytes:
    """Return ``size`` bytes of UTF-8 in which 1- and 3-byte characters take turns."""
    pattern = "価格 price は 67123.5 円、数量 size は 20 個です。成交時間 12:34 ".encode()
    whole = (pattern * (size // len(pattern) + 1))[:size]
    # A character cut off at the end makes room for as many spaces.
    return whole.decode(errors="ignore").encode().ljust(size)


WORDS = ("order", "account", "market", "price", "limit", "open", "closed", "by", "user", "total")


@functools.lru_cache(maxsize=4)
def records(size: int) -> list[bytes]:
    """Return a stream of messages of ``size`` bytes, JSON with words and numbers, no two alike."""
    chance = random.Random(size)
    count = messages_per_stream(size)
    text = ""
    while len(text) < size * count:
        text += json.dumps(
            {
                "id": chance.getrandbits(32),
                "text": " ".join(chance.choices(WORDS, k=8)),
                "price": round(chance.uniform(1, 999), 2),
            }
        )
    data = text.encode()
    return [data[i * size : (i + 1) * size] for i in range(count)]


@functools.lru_cache(maxsize=4)
def _deflated(size: int) -> list[bytes]:
    return definition.deflate(records(size))


@functools.lru_cache(maxsize=16)
def _masked(data: bytes) -> bytes:
    return definition.apply_mask(data, MASKING_KEY)


def _check(contender: Contender, call: Call, expected: object) -> Call:
    outcome = call.once()
    # bytearray and memoryview are fine results: only the bytes count.
    if isinstance(expected, bytes) and not isinstance(outcome, str):
        outcome = bytes(outcome)
    if outcome != expected:
        raise WrongResult(f"wrong result from {call.expression!r}")
    return call


def mask(contender: Contender, size: int) -> Call | None:
    call = contender.mask(payload(size), MASKING_KEY)
    return call and _check(contender, call, _masked(payload(size)))


def _mask_inplace(start: int, contender: Contender, size: int) -> Call | None:
    before = bytes(start)
    buffer = bytearray(before + payload(size))
    call = contender.mask_inplace(buffer, MASKING_KEY, start)
    if call is not None:
        call.once()
        if buffer != before + _masked(payload(size)):
            raise WrongResult(f"wrong bytes after {call.expression!r}")
    return call


mask_inplace = functools.partial(_mask_inplace, 0)


def _utf8(text: bytes, contender: Contender) -> Call | None:
    call = contender.utf8(text)
    if call is None:
        return None
    # 0xFF is in no UTF-8 text (RFC 3629 §1); everywhere that vector code ends differently.
    for position in {0, len(text) // 2, max(0, len(text) - 1)}:
        damaged = contender.utf8(text[:position] + b"\xff" + text[position + 1 :])
        try:
            accepted = damaged is not None and damaged.once()
        except UnicodeDecodeError:
            accepted = False
        if accepted:
            raise WrongResult("accepts a text that is not UTF-8")
    return _check(contender, call, True)


def utf8_ascii(contender: Contender, size: int) -> Call | None:
    return _utf8(ascii_text(size), contender)


def utf8_cjk(contender: Contender, size: int) -> Call | None:
    return _utf8(cjk_text(size), contender)


def _serialize(contender: Contender, size: int, *, masked: bool) -> Call | None:
    call = contender.serialize(payload(size), masked=masked)
    if call is None:
        return None
    frame = bytes(call.once())
    if definition.parse_frame(frame) != (BINARY, payload(size)):
        raise WrongResult(f"wrong frame from {call.expression!r}")
    if bool(frame[1] & 0x80) is not masked:
        raise WrongResult(f"wrong mask bit from {call.expression!r}")
    return call


def serialize_server(contender: Contender, size: int) -> Call | None:
    return _serialize(contender, size, masked=False)


def serialize_client(contender: Contender, size: int) -> Call | None:
    return _serialize(contender, size, masked=True)


@functools.lru_cache(maxsize=4)
def _stream(opcode: int, message: bytes, count: int) -> bytes:
    return definition.serialize_frame(opcode, message, MASKING_KEY) * count


def messages_per_stream(size: int) -> int:
    """How many messages of ``size`` are received in one piece."""
    return max(1, min(STREAM_MESSAGES, STREAM_BYTES // (size + definition.MAX_HEADER_BYTES)))


def _parse(contender: Contender, opcode: int, message: bytes) -> Call | None:
    count = messages_per_stream(len(message))
    text = opcode == TEXT
    call = contender.parse(_stream(opcode, message, count), text=text, count=count)
    if call is None:
        return None
    expected = message.decode() if text else message
    return _check(contender, call, [expected] * count)


def parse_binary(contender: Contender, size: int) -> Call | None:
    return _parse(contender, BINARY, payload(size))


def parse_text(contender: Contender, size: int) -> Call | None:
    return _parse(contender, TEXT, ascii_text(size))


def handshake(contender: Contender, size: int) -> Call | None:
    call = contender.handshake(REQUEST)
    if call is None:
        return None
    status, *lines = bytes(call.once()).decode().removesuffix("\r\n\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    if (
        not status.startswith("HTTP/1.1 101 ")
        or headers.get("sec-websocket-accept") != definition.accept_key(HANDSHAKE_KEY)
        or "permessage-deflate" not in headers.get("sec-websocket-extensions", "")
    ):
        raise WrongResult(f"wrong response from {call.expression!r}")
    return call


def compress(contender: Contender, size: int) -> Call | None:
    call = contender.compress(records(size))
    if call is not None and definition.inflate(call.once()) != records(size):
        raise WrongResult(f"wrong payloads from {call.expression!r}")
    return call


def decompress(contender: Contender, size: int) -> Call | None:
    call = contender.decompress(_deflated(size), MAX_SIZE)
    return call and _check(contender, call, records(size))


def compressed_size(size: int) -> str:
    """Return how much of messages of ``size`` bytes is left, each compressed on its own."""
    if not size:
        return "-"
    return f"{sum(map(len, _deflated(size))) / sum(map(len, records(size))):.0%}"


class Remark(NamedTuple):
    """A row about the data itself."""

    label: str
    of_size: Callable[[int], str]


@dataclass(frozen=True)
class Workload:
    """One table: a piece of work at several sizes."""

    name: str
    scenario: str
    title: str
    prepare: Callable[[Contender, int], Call | None]
    sizes: tuple[int, ...]
    full_sizes: tuple[int, ...]
    # From this size on a rate says more than a time.
    rate_from: int | None = None
    note: str = ""
    remark: Remark | None = None
    # Whether payloads have the size; if not, it is not the user's to choose.
    sizable: bool = True
    quick: bool = True  # whether it takes part without --full


_MASK = (16, 125, 4 * KIB, 64 * KIB, MIB)
_MASK_FULL = (0, 7, 16, 64, 125, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB)
_UNALIGNED = (16, 125, 4 * KIB, 64 * KIB, MIB)
_UTF8 = (125, 4 * KIB, 64 * KIB)
_UTF8_FULL = (16, 125, KIB, 4 * KIB, 64 * KIB, MIB)
_FRAME = (16, 125, 4 * KIB, 64 * KIB)
_FRAME_FULL = (0, 16, 125, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB)
_DEFLATE = (KIB, 64 * KIB)
_DEFLATE_FULL = (64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, MIB)

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("mask", "mask", "mask into new bytes", mask, _MASK, _MASK_FULL, 4 * KIB),
        Workload("mask-inplace", "mask", "mask in place", mask_inplace, _MASK, _MASK_FULL, 4 * KIB),
        *(
            Workload(
                f"mask-inplace-{start}",
                "mask",
                f"mask in place, {start} B after an aligned address",
                functools.partial(_mask_inplace, start),
                _UNALIGNED,
                _UNALIGNED,
                4 * KIB,
                quick=start == 1,
            )
            for start in (1, 3, 8)
        ),
        Workload(
            "utf8-ascii", "utf8", "validate UTF-8, ASCII", utf8_ascii, _UTF8, _UTF8_FULL, 4 * KIB
        ),
        Workload(
            "utf8-cjk", "utf8", "validate UTF-8, mixed CJK", utf8_cjk, _UTF8, _UTF8_FULL, 4 * KIB
        ),
        Workload(
            "serialize-server",
            "serialize",
            "serialize a frame as a server",
            serialize_server,
            _FRAME,
            _FRAME_FULL,
            note="aiohttp leaves header and payload in two pieces above 16 KiB: nothing is copied",
        ),
        Workload(
            "serialize-client",
            "serialize",
            "serialize a frame as a client, masked with a new key",
            serialize_client,
            _FRAME,
            _FRAME_FULL,
            note="aiohttp takes its keys from random, the others from the system's secure source",
        ),
        Workload(
            "parse-binary",
            "parse",
            "receive binary messages as a server",
            parse_binary,
            _FRAME,
            _FRAME_FULL,
            note=STREAM_NOTE,
        ),
        Workload(
            "parse-text",
            "parse",
            "receive ASCII text messages as a server, as str",
            parse_text,
            _FRAME,
            _FRAME_FULL,
            note=STREAM_NOTE,
        ),
        Workload(
            "handshake",
            "handshake",
            "open a connection as a server: from a browser's request to the response",
            handshake,
            (len(REQUEST),),
            (len(REQUEST),),
            note="websockets and wsproto make what the connection needs afterwards in it, too",
            sizable=False,
        ),
        Workload(
            "compress",
            "deflate",
            "compress JSON messages, keeping the context",
            compress,
            _DEFLATE,
            _DEFLATE_FULL,
            note=DEFLATE_NOTE,
            remark=Remark("compressed to", compressed_size),
        ),
        Workload(
            "decompress",
            "deflate",
            "decompress JSON messages, keeping the context",
            decompress,
            _DEFLATE,
            _DEFLATE_FULL,
            note=DEFLATE_NOTE,
        ),
    )
}
