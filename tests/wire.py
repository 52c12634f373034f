"""Frames written from the text of RFC 6455 §5.2 and §5.3 alone: what the tests compare with."""

from itertools import cycle, islice
from operator import xor

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

KEY = b"\x37\xfa\x21\x3d"


def masked(data, masking_key, offset=0):
    """One byte at a time: octet i of the result is octet i XORed with octet i mod 4 of the key."""
    return bytes(map(xor, data, islice(cycle(masking_key), offset % 4, None)))


def frame(opcode, payload=b"", *, fin=True, rsv=0, key=None, length_bytes=None, announce=None):
    """A frame, which may break any rule: ``length_bytes`` is 0, 2 or 8, ``announce`` any length."""
    length = len(payload) if announce is None else announce
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65536 else 8
    length_field = {0: length, 2: 126, 8: 127}[length_bytes]
    head = bytes([fin << 7 | rsv << 4 | opcode, (key is not None) << 7 | length_field])
    if length_bytes:
        head += length.to_bytes(length_bytes, "big")
    if key is None:
        return head + bytes(payload)
    return head + key + masked(payload, key)
