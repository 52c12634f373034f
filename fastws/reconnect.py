"""Connecting again: after which errors, and how long to wait."""

from __future__ import annotations

import random
import traceback
from typing import TYPE_CHECKING, Optional

from .errors import InvalidHandshake, InvalidMessage, InvalidStatus

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Generator

__all__ = ["Retries", "backoff", "process_exception"]

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


class Retries:
    """What an endless ``for ws in connect(uri)`` does about an error, but for the waiting."""

    def __init__(
        self,
        process_exception: Callable[[Exception], Optional[Exception]],
        reconnect_delays: Callable[[], Generator[float, None, None]],
        logger: logging.Logger,
    ) -> None:
        self._process_exception = process_exception
        self._reconnect_delays = reconnect_delays
        self._delays: Optional[Generator[float, None, None]] = None
        self._logger = logger

    def connected(self) -> None:
        """Start over with the delays, for when the connection ends."""
        self._delays = None

    def seconds_after(self, error: Exception) -> float:
        """Return how long to wait before the next try; raise if the error is for good."""
        final = self._process_exception(error)
        if final is error:
            raise error
        if final is not None:
            raise final from error
        self._delays = self._delays or self._reconnect_delays()
        seconds = next(self._delays)
        self._logger.info(
            "connect failed; reconnecting in %.1f seconds: %s",
            seconds,
            traceback.format_exception_only(type(error), error)[0].strip(),
        )
        return seconds
