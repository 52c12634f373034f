"""How messages, addresses and errors look to people."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["plain", "readable", "rows"]

_SHOWN_BYTES = 32

# What could move the cursor, recolour the screen or reorder what is read.
_not_printable = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Return text that a terminal takes for nothing but text."""
    return _not_printable.sub(lambda match: repr(match[0])[1:-1], text)


def readable(message: str | bytes) -> str:
    """Return a message as people can read it."""
    if isinstance(message, str):
        return plain(message)
    s = "" if len(message) == 1 else "s"
    shown = message[:_SHOWN_BYTES]
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in shown)
    more = " ..." if len(message) > len(shown) else ""
    dump = f": {shown.hex(' ')} |{text}|{more}" if shown else ""
    return f"binary, {len(message):,} byte{s}{dump}"


def rows(text: str, width: int) -> Iterator[str]:
    """Yield text as a terminal of this width would break it."""
    for line in text.expandtabs().split("\n"):
        row, used = "", 0
        for char in line:
            columns = 2 if unicodedata.east_asian_width(char) in "WF" else 1
            if used + columns > width:
                yield row
                row, used = "", 0
            row += char
            used += columns
        yield row
