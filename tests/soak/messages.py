"""Messages that say which one they are, so that either side can tell what is wrong with one."""

from __future__ import annotations

import random

__all__ = ["MAX_SIZE", "Sequence", "Violation", "numbered", "random_kind"]

# Kind, number and size: "b0000001200004096".
_HEAD = 17
# A wide character takes up to 4 bytes, and a message of 1 MiB is the most a server takes.
MAX_SIZE = {"a": 1 << 20, "w": 1 << 18, "b": 1 << 20}


def _fillers() -> dict[str, str | bytes]:
    chosen = random.Random("the same in every process")
    words = "".join(chosen.choices("abcdefgh \n", k=4096))  # compresses, as text does
    return {
        "a": words * (2 * MAX_SIZE["a"] // len(words)),
        "w": "Zürich, 漢字, 🙂 and so on; " * (2 * MAX_SIZE["w"] // 23),
        "b": chosen.randbytes(2 * MAX_SIZE["b"]),  # does not compress
    }


_FILLERS = _fillers()


class Violation(Exception):
    """Something that must not happen, happened."""


def random_kind(chosen: random.Random) -> str:
    """Return one of "a" for ASCII text, "w" for text with wide characters, "b" for binary."""
    return chosen.choice("awb")


def numbered(number: int, size: int, kind: str) -> str | bytes:
    """Return message ``number`` of a connection: ``size`` characters or bytes, 17 at least."""
    size = max(_HEAD, min(size, MAX_SIZE[kind]))
    head = f"{kind}{number:08d}{size:08d}"
    start = number * 7919 % MAX_SIZE[kind]
    body = _FILLERS[kind][start : start + size - _HEAD]
    return head.encode() + body if isinstance(body, bytes) else head + body


class Sequence:
    """The messages that arrive at one end of a connection: whole, once, and in order."""

    def __init__(self, where: str) -> None:
        self.received = 0
        self._where = where

    def check(self, message: str | bytes) -> None:
        """Take the next message; raise Violation if it is another one, or is not what was sent."""
        head = message[:_HEAD] if isinstance(message, str) else message[:_HEAD].decode("latin-1")
        try:
            number, size = int(head[1:9]), int(head[9:])
        except ValueError:
            raise Violation(f"{self._where}: a message began with {head!r}") from None
        if number != self.received:
            raise Violation(f"{self._where}: message {number} came instead of {self.received}")
        if message != numbered(number, size, head[0]):
            raise Violation(
                f"{self._where}: message {number} of {size} is not what was sent: {len(message)} "
                f"of {type(message).__name__}, {message[:60]!r}"
            )
        self.received += 1

    def expect(self, count: int) -> None:
        """Raise Violation unless this many messages arrived."""
        if self.received != count:
            raise Violation(f"{self._where}: {self.received} messages of {count} arrived")
