"""Maskers that go on where they stopped, under the names of wsaccel."""

from __future__ import annotations

from ..._kernels import apply_mask

__all__ = ["XorMaskerNull", "XorMaskerSimple", "createXorMasker"]


class XorMaskerNull:
    """Masks nothing, and counts."""

    def __init__(self, mask: bytes | None = None) -> None:
        self._at = 0

    def pointer(self) -> int:
        """Return how many bytes were processed since the last reset."""
        return self._at

    def reset(self) -> None:
        self._at = 0

    def process(self, data: bytes) -> bytes:
        self._at += len(data)
        return data


class XorMaskerSimple(XorMaskerNull):
    """Masks the bytes of one frame, in pieces.

    Raises ValueError for a mask that is not 4 bytes.
    """

    def __init__(self, mask: bytes) -> None:
        super().__init__()
        if mask is None or len(mask) != 4:
            raise ValueError("mask should be 4byte.")
        self._mask = bytes(memoryview(mask))

    def process(self, data: bytes) -> bytes:
        """Return the next bytes masked: any contiguous buffer of bytes."""
        masked = apply_mask(data, self._mask, self._at & 3)
        self._at += len(masked)
        return masked


def createXorMasker(mask: bytes, length: int | None = None) -> XorMaskerSimple:
    """Return a masker; ``length`` was a hint, and is not needed."""
    return XorMaskerSimple(mask)
