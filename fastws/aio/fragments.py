"""A message received fragment by fragment on an asyncio event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from ..conversion import IncomingFragments

if TYPE_CHECKING:
    from typing_extensions import Self

    from .connection import Connection

__all__ = ["FragmentStream"]


class FragmentStream(IncomingFragments):
    """What ``recv_streaming`` returns; no generator, which would end some time after its loop."""

    _connection: Connection

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Union[str, bytes]:
        if self._ended:
            raise StopAsyncIteration
        if not self._begun:
            await self._connection._skip_rest()
        self._expect()
        try:
            return self._take(await self._connection._next())
        finally:
            self._settle()

    async def aclose(self) -> None:
        """Take no more; the next receive leaves out the rest of the message."""
        self._ended = True
