"""A message received fragment by fragment on an asyncio event loop."""

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
    """What ``recv_streaming`` returns; no generator, which would end some time after its loop."""

    def __init__(self, connection: Connection, decode: Optional[bool]) -> None:
        self._connection = connection
        self._convert = FragmentConverter(decode)
        self._begun = self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Union[str, bytes]:
        connection = self._connection
        if self._ended:
            raise StopAsyncIteration
        if not self._begun:
            await connection._skip_rest()
        elif connection._incoming is not self:
            raise ConcurrencyError("the rest of this message was left out by another receive")
        connection._reader.fragments = True
        try:
            part = await connection._next()
            self._begun = True
            self._ended = not isinstance(part, Fragment) or part.fin
            connection._incoming = None if self._ended else self
        finally:
            connection._reader.fragments = connection._incoming is not None
        data = part.data if isinstance(part, Fragment) else part
        return self._convert(data, final=self._ended)

    async def aclose(self) -> None:
        """Take no more; the next receive leaves out the rest of the message."""
        self._ended = True
