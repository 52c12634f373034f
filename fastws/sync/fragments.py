"""A message received fragment by fragment in blocking code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from ..conversion import IncomingFragments
from .channel import NEVER

if TYPE_CHECKING:
    from typing_extensions import Self

    from .connection import Connection

__all__ = ["FragmentStream"]


class FragmentStream(IncomingFragments):
    """What ``recv_streaming`` returns; no generator, which would hold a lock for too long."""

    _connection: Connection

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Union[str, bytes]:
        if self._ended:
            raise StopIteration
        connection = self._connection
        with connection._receiving():
            if not self._begun:
                connection._skip_rest(NEVER)
            self._expect()
            try:
                return self._take(connection._next(NEVER))
            finally:
                self._settle()

    def close(self) -> None:
        """Take no more; the next receive leaves out the rest of the message."""
        self._ended = True
