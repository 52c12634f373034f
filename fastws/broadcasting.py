"""What a broadcast begins and ends with, the same for asyncio and blocking code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Optional, Union

from .prepared import PreparedMessage, is_fragments

if TYPE_CHECKING:
    import logging

    from typing_extensions import Buffer

    Logger = Union[logging.Logger, logging.LoggerAdapter[Any]]

__all__ = ["Failures", "prepare"]


def prepare(message: Union[str, Buffer, PreparedMessage], text: Optional[bool]) -> PreparedMessage:
    """Return a message made ready for many connections; TypeError if it is in fragments."""
    if isinstance(message, PreparedMessage):
        return message
    if is_fragments(message):
        raise TypeError("a broadcast cannot be fragmented: give one str or bytes-like object")
    return PreparedMessage(message, text=text)


class Failures:
    """The connections that a broadcast could not be sent on: logged, or raised at the end."""

    def __init__(self, raise_exceptions: bool) -> None:
        self._raise_exceptions = raise_exceptions
        self._errors: list[Exception] = []

    def add(self, error: Exception, logger: Logger) -> None:
        """Take note of a failure; the others still get the message."""
        if self._raise_exceptions:
            self._errors.append(error)
        else:
            logger.warning("skipped broadcast: failed to write message: %s", error)

    def raise_together(self) -> None:
        """Raise an ExceptionGroup of all that is to be raised; the first one on Python 3.10."""
        if not self._errors:
            return
        if sys.version_info >= (3, 11):
            raise ExceptionGroup("skipped broadcast", self._errors)
        raise self._errors[0]
