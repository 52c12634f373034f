"""RFC 6455 one byte at a time: slow, obvious, and the judge of every result before it is timed."""

from __future__ import annotations

__all__ = ["apply_mask", "parse_frame", "serialize_frame"]


def apply_mask(data: bytes | bytearray, masking_key: bytes) -> bytes:
    """Return ``data`` XORed with the repeated key (RFC 6455 §5.3)."""
    return bytes(byte ^ masking_key[i % 4] for i, byte in enumerate(data))


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


def parse_frame(frame: bytes) -> tuple[int, bytes]:
    """Return the opcode and the unmasked payload of one whole final frame."""
    length = frame[1] & 0x7F
    start = 2
    if length >= 126:
        start = 4 if length == 126 else 10
        length = int.from_bytes(frame[2:start], "big")
    masking_key = b""
    if frame[1] & 0x80:
        masking_key = frame[start : start + 4]
        start += 4
    payload = frame[start:]
    if not frame[0] & 0x80 or frame[0] & 0x70 or len(payload) != length:
        raise ValueError("not one whole final frame")
    return frame[0] & 0x0F, apply_mask(payload, masking_key) if masking_key else payload
