"""How much of an opening handshake is read."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import SecurityError

__all__ = ["DEFAULT_LIMITS", "Limits", "line_too_long"]


@dataclass(frozen=True)
class Limits:
    """How much of a handshake is read; line ends count, except for ``max_line_length``."""

    max_line_length: int = 8192
    max_headers: int = 128
    max_head_length: int = 65536
    max_body_length: int = 1 << 20


DEFAULT_LIMITS = Limits()


def line_too_long(limits: Limits) -> SecurityError:
    """Return the error for a line that is longer than the limits allow."""
    return SecurityError(f"line of more than {limits.max_line_length} bytes")
