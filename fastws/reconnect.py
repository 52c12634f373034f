"""Connecting again: after which errors, and how long to wait."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Optional

from .errors import InvalidHandshake, InvalidMessage, InvalidStatus

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["backoff", "process_exception"]

_RETRYABLE_STATUS = (500, 502, 503, 504)


def process_exception(exc: Exception) -> Optional[Exception]:
    """Tell whether connecting again may help: None if so, else the exception to raise.

    The network, a timeout, a connection lost in the opening handshake and HTTP 500, 502, 503 and
    504 pass; anything else is for good.
    """
    if isinstance(exc, (OSError, InvalidMessage)):  # TimeoutError is an OSError
        return None
    if type(exc) is InvalidHandshake:  # lost before there was an answer
        return None
    if isinstance(exc, InvalidStatus) and exc.response.status_code in _RETRYABLE_STATUS:
        return None
    return exc


def backoff() -> Generator[float, None, None]:
    """Yield the seconds to wait before each try: few at first, then more, up to about 90.

    They are random, so the clients of a server that restarts do not come back all at once.
    """
    yield random.random() * 5
    seconds = 3.0
    while True:
        yield seconds * (0.5 + random.random())
        seconds = min(seconds * 1.6, 60.0)
