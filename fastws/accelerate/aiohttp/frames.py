"""Where in a stream of frames a reader is that cannot be asked."""

from __future__ import annotations

__all__ = ["Position"]


class Position:
    """Follows the headers of frames, so as to know when one message is over and none has begun."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._left = 0
        self._fragmented = False
        self.compressed = False  # whether any frame had RSV1 set

    @property
    def between_messages(self) -> bool:
        return not (self._head or self._left or self._fragmented)

    def advance(self, data: bytes) -> None:
        """Go on by these bytes, which are not judged."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            need = 2 if len(self._head) < 2 else _header_length(self._head[1])
            step = min(need - len(self._head), len(data) - at)
            self._head += data[at : at + step]
            at += step
            if len(self._head) >= 2 and len(self._head) == _header_length(self._head[1]):
                self._start()

    def _start(self) -> None:
        """The header is complete (RFC 6455 §5.2)."""
        first, second = self._head[:2]
        self.compressed = self.compressed or first & 0x40 != 0
        if first & 0x08 == 0:
            self._fragmented = first & 0x80 == 0
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(self._head[2 : 4 if length == 126 else 10], "big")
        self._left = length
        self._head.clear()


def _header_length(second: int) -> int:
    length = 2 + (4 if second & 0x80 else 0)
    return length + {126: 2, 127: 8}.get(second & 0x7F, 0)
