"""Names of rooms: which are allowed, and what brokers get to see of them."""

from __future__ import annotations

import re

__all__ = ["MAX_NAME_BYTES", "check_namespace", "name_of", "token"]

MAX_NAME_BYTES = 200

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def token(room: str) -> str:
    """Return a room's name as letters, digits, ``_``, ``-`` and ``%`` alone; raise if it is none.

    Brokers give meaning to dots, stars, braces and spaces; none of them is left.
    """
    if not isinstance(room, str):
        raise TypeError(f"the name of a room must be a str, not {type(room).__name__}")
    if _PLAIN.fullmatch(room) and len(room) <= MAX_NAME_BYTES:
        return room
    if not room:
        raise ValueError("the name of a room must not be empty")
    if _CONTROL.search(room):
        raise ValueError(f"the name of a room must have no control characters: {room!r}")
    try:
        encoded = room.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the name of a room must be valid Unicode: {room!r}") from None
    if len(encoded) > MAX_NAME_BYTES:
        raise ValueError(
            f"the name of a room must have at most {MAX_NAME_BYTES} bytes in UTF-8, "
            f"not {len(encoded)}: {room[:40]!r}..."
        )
    return "".join(chr(byte) if _PLAIN.match(chr(byte)) else f"%{byte:02X}" for byte in encoded)


def name_of(token: str) -> str:
    """Return the name that a token was made of."""
    raw = re.sub(
        rb"%([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), token.encode("latin-1")
    )
    return raw.decode()


def check_namespace(namespace: str) -> str:
    """Return what the names of all channels and keys begin with; ValueError if it cannot."""
    if not isinstance(namespace, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", namespace):
        raise ValueError(
            f"namespace must be 1 to 64 letters, digits, '_' or '-', not {namespace!r}"
        )
    return namespace
