"""RFC 6455 in plain words: slow, obvious, and the judge of every result before it is timed."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "DEFLATE_TAIL",
    "LEVEL",
    "MAX_HEADER_BYTES",
    "MEMORY_LEVEL",
    "WINDOW_BITS",
    "accept_key",
    "apply_mask",
    "deflate",
    "frame_length",
    "inflate",
    "new_compressor",
    "parse_frame",
    "response",
    "serialize_frame",
]

# What is left out at the end of a compressed message (RFC 7692 §7.2.1).
DEFLATE_TAIL = b"\x00\x00\xff\xff"

# With a masking key and the longest length (RFC 6455 §5.2).
MAX_HEADER_BYTES = 14

KEY_HEADER = "sec-websocket-key:"

# Everyone compresses with these.
LEVEL = 5
WINDOW_BITS = 11
MEMORY_LEVEL = 5


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 §4.2.2)."""
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()


def response(request: bytes) -> bytes:
    """Return the response that accepts an opening handshake and no extension (RFC 6455 §4.2.2)."""
    headers = request.decode("latin-1").split("\r\n")
    [key] = (h.partition(":")[2].strip() for h in headers if h.lower().startswith(KEY_HEADER))
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    ).encode()


def new_compressor() -> Any:
    """Return a raw DEFLATE stream with the parameters above."""
    return zlib.compressobj(LEVEL, zlib.DEFLATED, -WINDOW_BITS, MEMORY_LEVEL)


def deflate(messages: Iterable[bytes]) -> list[bytes]:
    """Return the payloads of messages none of which refers to another (RFC 7692 §7.2.1)."""
    payloads = []
    for message in messages:
        compressor = new_compressor()
        payload = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        payloads.append(payload.removesuffix(DEFLATE_TAIL))
    return payloads


def inflate(payloads: Iterable[bytes]) -> list[bytes]:
    """Return the messages of one sender's payloads, in order (RFC 7692 §7.2.2)."""
    decompressor = zlib.decompressobj(wbits=-WINDOW_BITS)
    return [decompressor.decompress(payload + DEFLATE_TAIL) for payload in payloads]


def apply_mask(data: bytes | bytearray, masking_key: bytes) -> bytes:
    """Return ``data`` with every byte i XORed with byte i modulo 4 of the key (RFC 6455 §5.3)."""
    masked = bytearray(data)
    for i, key in enumerate(masking_key):
        masked[i::4] = masked[i::4].translate(bytes(byte ^ key for byte in range(256)))
    return bytes(masked)


def serialize_frame(opcode: int, payload: bytes, masking_key: bytes | None = None) -> bytes:
    """Return one final frame (RFC 6455 §5.2)."""
    mask_bit = 0 if masking_key is None else 0x80
    length = len(payload)
    if length < 126:
        header = bytes([0x80 | opcode, mask_bit | length])
    elif length < 65536:
        header = bytes([0x80 | opcode, mask_bit | 126]) + length.to_bytes(2, "big")
    else:
        header = bytes([0x80 | opcode, mask_bit | 127]) + length.to_bytes(8, "big")
    if masking_key is None:
        return header + payload
    return header + masking_key + apply_mask(payload, masking_key)


def _layout(frame: bytes | bytearray) -> tuple[int, int]:
    """Return where the payload begins and how long it is."""
    length = frame[1] & 0x7F
    start = 2
    if length >= 126:
        start = 4 if length == 126 else 10
        length = int.from_bytes(frame[2:start], "big")
    return start + (4 if frame[1] & 0x80 else 0), length


def frame_length(frame: bytes | bytearray) -> int:
    """Return how long a frame is, from its first ``MAX_HEADER_BYTES``, or those of all of it."""
    return sum(_layout(frame))


def parse_frame(frame: bytes) -> tuple[int, bytes]:
    """Return the opcode and the unmasked payload of one whole final frame."""
    start, length = _layout(frame)
    masking_key = frame[start - 4 : start] if frame[1] & 0x80 else b""
    payload = frame[start:]
    if not frame[0] & 0x80 or frame[0] & 0x70 or len(payload) != length:
        raise ValueError("not one whole final frame")
    return frame[0] & 0x0F, apply_mask(payload, masking_key) if masking_key else payload
