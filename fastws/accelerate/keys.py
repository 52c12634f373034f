"""Masking keys for frames that others serialize."""

from __future__ import annotations

from collections.abc import Callable

from .._kernels import new_masking_key

__all__ = ["masking_key"]


def masking_key(source: Callable[[int], bytes], usual: Callable[[int], bytes]) -> bytes:
    """Return 4 new bytes; if somebody has put another source of them in place, from there."""
    return new_masking_key() if source is usual else source(4)
