"""Validators of UTF-8 in Python: all but the bytes around a cut is checked at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._kernels import is_utf8

__all__ = ["TEXTS", "faster", "observe"]

_ACCEPT = 0

_Quad = tuple[bool, bool, int, int]

_GOOD = "aé世🌍\u0800\ud7ff\ue000\U0010ffff".encode()
_BAD = ("80", "c080", "e08080", "eda080", "f0808080", "f4908080", "f5", "ff", "c328", "e28228")
TEXTS = (
    b"",
    b"hello" * 20,
    _GOOD,
    *(_GOOD * 3 + bytes.fromhex(bad) + b"tail" for bad in _BAD),
)


def faster(original: Callable[[Any, bytes], _Quad], *, counts_to_last: bool) -> Any:
    """Return a ``validate`` for a class that keeps ``state`` and ``i``, as its own one does it.

    ``counts_to_last``: at the end of a piece it counts to the last byte, not behind it.
    """

    def validate(self: Any, ba: bytes) -> _Quad:
        """Validate a piece of a text."""
        start = self.i
        # A code point under way, then whole ones, then one that is cut.
        first = _followers(ba) if self.state != _ACCEPT else 0
        last = _whole(ba)
        for begin, end in ((0, first), (first, last), (max(first, last), len(ba))):
            piece = ba[begin:end]
            if self.state == _ACCEPT and is_utf8(piece):
                continue
            if piece:
                valid, _, at, _ = original(self, piece)
                if not valid:
                    self.i = start + begin + at
                    return False, False, begin + at, self.i
        length = max(len(ba) - 1, 0) if counts_to_last else len(ba)
        self.i = start + length
        return True, self.state == _ACCEPT, length, self.i

    return validate


def _followers(text: bytes) -> int:
    """How many bytes at the start belong to a code point that began before."""
    at = 0
    while at < len(text) and at < 3 and text[at] & 0xC0 == 0x80:
        at += 1
    # With none, its first byte is bad, and the original shall say so.
    return at or min(1, len(text))


def _whole(text: bytes) -> int:
    """The length without a code point that is cut at the end."""
    for back in range(1, min(3, len(text)) + 1):
        byte = text[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(text) - back if back < length else len(text)
        if byte < 0x80:
            break
    return len(text)


def observe(validator: type) -> list[Any]:
    """Return what a validator says of texts in pieces, and its state between them."""
    seen: list[Any] = []
    for text in TEXTS:
        for step in (1, 2, 3, 5, 16, len(text) + 1):
            subject: Any = validator()
            for at in range(0, len(text) + 1, step):
                seen.append(subject.validate(text[at : at + step]))
                seen.append(getattr(subject, "state", None))
                # After a bad byte nobody goes on with that text.
                if not seen[-2][0]:
                    break
            subject.reset()
            seen.append(subject.validate(b"again"))
    return seen
