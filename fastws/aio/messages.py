"""``recv``, ``send`` and iteration, each a coroutine; `_messages.pyx` is the twin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

from ..errors import ConnectionClosedOK
from ..frames import Fragment
from .channel import Channel
from .suspend import suspend

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable

    from typing_extensions import Buffer, Self

    from ..prepared import PreparedMessage

    Message = Union[str, bytes]
    Sendable = Union[str, Buffer, PreparedMessage]

__all__ = ["Messages"]


class Messages(Channel):
    """What is done with each message; `Connection` has what is done with some."""

    async def recv(self, decode: Optional[bool] = None) -> Message:
        """Return the next message: ``str`` for text, ``bytes`` for binary.

        ``decode`` true gives ``str`` and false ``bytes`` in either case. Raises ConnectionClosed
        when no more will come, ConcurrencyError while another task receives. No message is lost
        when this is cancelled.
        """
        if decode is not None or self._incoming is not None:
            return await self._recv_slowly(decode)
        item = self.take()
        while item is None:
            await suspend(self.wait())
            item = self.take()
        return await self._join(item) if isinstance(item, Fragment) else item

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.recv()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None

    async def send(
        self,
        message: Union[Sendable, Iterable[Union[str, Buffer]], AsyncIterable[Union[str, Buffer]]],
        text: Optional[bool] = None,
        *,
        compress: Optional[bool] = None,
    ) -> None:
        """Send a message: ``str`` as text, bytes-like as binary, unless ``text`` says otherwise.

        An iterable or asynchronous iterable of these is sent in fragments. Waits while more than
        ``write_limit`` bytes wait to be written. ``compress`` overrides the negotiated threshold.
        Raises ConnectionClosed when nothing can be sent any more.
        """
        sent = self.send_now(message) if text is None and compress is None else 0
        if sent == 2:
            await self._drain()
        elif sent == 3:
            await self._yield()
        elif not sent:
            await self._send_slowly(message, text, compress)

    # What a connection adds.

    async def _recv_slowly(self, decode: Optional[bool]) -> Message:
        raise NotImplementedError

    async def _join(self, first: Fragment) -> Message:
        raise NotImplementedError

    async def _send_slowly(
        self, message: Any, text: Optional[bool], compress: Optional[bool]
    ) -> None:
        raise NotImplementedError

    async def _drain(self) -> None:
        raise NotImplementedError

    async def _yield(self) -> None:
        raise NotImplementedError
