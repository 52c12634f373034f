"""Sizes as people write them: ``0 B``, ``1 KiB``, ``64k``."""

from __future__ import annotations

import re

__all__ = ["KIB", "MAX_SIZE", "MIB", "format_size", "parse_size"]

KIB = 1024
MIB = 1024 * 1024

# The one-byte-at-a-time definition judges every size, so a larger one would take minutes.
MAX_SIZE = 16 * MIB

_UNITS: dict[str, int] = {"": 1, "b": 1} | {
    unit: 1024**power
    for power, letter in enumerate("kmgt", 1)
    for unit in (letter, f"{letter}b", f"{letter}ib")
}


def parse_size(text: str) -> int:
    """Return the bytes that ``text`` means; raises ValueError with a reason."""
    match = re.fullmatch(r"\s*(\d+)\s*([a-z]*)\s*", text.lower())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a size: write 125, 4KiB or 1MiB")
    size = int(match[1]) * _UNITS[match[2]]
    if size > MAX_SIZE:
        raise ValueError(f"{text.strip()} is too large: the limit is {format_size(MAX_SIZE)}")
    return size


def format_size(size: int) -> str:
    """Return ``size`` with the largest unit that divides it."""
    if size and size % MIB == 0:
        return f"{size // MIB} MiB"
    if size and size % KIB == 0:
        return f"{size // KIB} KiB"
    return f"{size} B"
