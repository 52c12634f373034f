"""A validator of UTF-8 that comes in pieces, under the name of wsaccel."""

from __future__ import annotations

from ..._kernels import Utf8Validator as _Validator

__all__ = ["Utf8Validator"]

_ACCEPT = 0
_REJECT = 1

# States of the automaton by Björn Höhrmann that all these validators follow, by their first byte:
# after it, and by how many bytes are to come later.
_AFTER_LEAD = {
    **dict.fromkeys(range(0xC2, 0xE0), 2),
    **dict.fromkeys(range(0xE1, 0xF0), 3),
    0xE0: 4,
    0xED: 5,
    0xF0: 6,
    **dict.fromkeys(range(0xF1, 0xF4), 7),
    0xF4: 8,
}
_MISSING = {2: 1, 3: 2, 4: 2, 5: 2, 6: 3, 7: 3, 8: 3}
_BY_MISSING = {1: 2, 2: 3}

# How many bits of a first byte belong to the code point.
_LEAD_BITS = {2: 0x1F, 3: 0x0F, 4: 0x0F, 5: 0x0F, 6: 0x07, 7: 0x07, 8: 0x07}


class Utf8Validator:
    """Validates a text piece by piece, and knows of the first bad byte when it comes."""

    UTF8_ACCEPT = _ACCEPT
    UTF8_REJECT = _REJECT

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start a new text."""
        self._validator = _Validator()
        self._tail = b""
        self.codepoint = 0

    @property
    def i(self) -> int:
        """How many good bytes there were in all pieces."""
        return self._validator.position

    @property
    def state(self) -> int:
        """Where the automaton is: 0 between code points, 1 after a bad byte."""
        if not self._validator.valid:
            return _REJECT
        if self._validator.complete:
            return _ACCEPT
        lead = max(i for i, byte in enumerate(self._tail) if byte >= 0xC0)
        state = _AFTER_LEAD[self._tail[lead]]
        followers = len(self._tail) - 1 - lead
        return _BY_MISSING[_MISSING[state] - followers] if followers else state

    def validate(self, ba: bytes) -> tuple[bool, bool, int, int]:
        """Take the next piece: return whether all is valid, whether it ends with a code point,
        and the index of the first bad byte, or of the end, in this piece and in the whole text.
        """
        before = self._validator.position
        valid = self._validator.receive(ba)
        self._tail = (self._tail + bytes(ba[-3:]))[-3:]
        total = self._validator.position
        return valid, self._validator.complete, total - before, total

    def decode(self, b: int) -> int:
        """Take one byte; return the state. ``codepoint`` is complete when that is 0."""
        before = self.state
        self.validate(bytes((b,)))
        after = self.state
        if before == _ACCEPT:
            self.codepoint = b & _LEAD_BITS.get(after, 0x7F)
        else:
            self.codepoint = b & 0x3F | self.codepoint << 6
        return after
