"""The masker of wsproto, which goes on where the last chunk ended."""

from __future__ import annotations

from typing import Any

from ..._kernels import apply_mask_inplace

__all__ = ["XorMaskerBytes", "XorMaskerSimple"]


class XorMaskerSimple:
    """Masks the chunks of one frame, as wsproto's class of this name does it."""

    def __init__(self, masking_key: bytes | bytearray) -> None:
        self._masking_key = masking_key

    def process(self, data: bytes | bytearray) -> bytearray:
        """Return the next chunk masked."""
        masked = bytearray(data)
        if masked:
            key = self._masking_key
            if len(key) != 4:
                _, _, _, _ = key  # whatever this says of another length
            apply_mask_inplace(masked, key)
            rotation = len(masked) % 4
            self._masking_key = key[rotation:] + key[:rotation]
        return masked


class XorMaskerBytes(XorMaskerSimple):
    """The same of wsproto before 1.3, where chunks were bytes."""

    def process(self, data: bytes | bytearray) -> Any:
        """Return the next chunk masked."""
        return bytes(super().process(data)) if data else data
