"""A message received fragment by fragment in blocking code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from ..conversion import FragmentConverter
from ..errors import ConcurrencyError
from ..frames import Fragment

if TYPE_CHECKING:
    from typing_extensions import Self

    from .connection import Connection

__all__ = ["FragmentStream"]


class FragmentStream:
    """What ``recv_streaming`` returns; no generator, which would hold a lock for too long."""

    def __init__(self, connection: Connection, decode: Optional[bool]) -> None:
        self._connection = connection
        self._convert = FragmentConverter(decode)
        self._begun = self._ended = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Union[str, bytes]:
        connection = self._connection
        if self._ended:
            raise StopIteration
        with connection._receiving():
            if not self._begun:
                connection._skip_rest(None)
            elif connection._incoming is not self:
                raise ConcurrencyError("the rest of this message was left out by another receive")
            connection._reader.fragments = True
            try:
                part = connection._next(None)
                self._begun = True
                self._ended = not isinstance(part, Fragment) or part.fin
                connection._incoming = None if self._ended else self
            finally:
                connection._reader.fragments = connection._incoming is not None
        data = part.data if isinstance(part, Fragment) else part
        return self._convert(data, final=self._ended)

    def close(self) -> None:
        """Take no more; the next receive leaves out the rest of the message."""
        self._ended = True
