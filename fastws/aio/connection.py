"""A WebSocket connection on an asyncio event loop, of either role."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Optional, Union

from ..conversion import convert, join_fragments
from ..errors import ConcurrencyError
from ..frames import CloseCode, Fragment, State
from ..prepared import PreparedMessage, is_fragments
from .channel import BURST_MESSAGES
from .fragments import FragmentStream
from .lifecycle import Lifecycle
from .suspend import suspend

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable
    from types import TracebackType

    from typing_extensions import Buffer, Self

    Message = Union[str, bytes]
    Sendable = Union[str, Buffer, PreparedMessage]

__all__ = ["Connection"]


class Connection(Lifecycle):
    """A WebSocket connection: ``send``, ``recv``, ``ping``, ``close``, and ``async for``.

    Iteration ends when the connection is closed with 1000, 1001 or no code, and raises
    ``ConnectionClosedError`` otherwise. One task may receive at a time; any number may send. All
    methods must be called in the thread of the event loop.
    """

    async def _recv_slowly(self, decode: Optional[bool]) -> Message:
        if self._incoming is not None:
            await self._skip_rest()
        item = await self._next()
        message = await self._join(item) if isinstance(item, Fragment) else item
        return message if decode is None else convert(message, decode)

    def recv_streaming(self, decode: Optional[bool] = None) -> AsyncIterator[Message]:
        """Return an iterator over the fragments of the next message, as they arrive.

        Each is ``str`` for text, ``bytes`` for binary; ``decode`` is as in ``recv``. If it is not
        taken to its end, the next receive leaves out the rest of the message.
        """
        return FragmentStream(self, decode)

    async def _skip_rest(self) -> None:
        """Leave out the rest of a message that was received in part."""
        while self._incoming is not None:
            part = await self._next()
            if not isinstance(part, Fragment) or part.fin:
                self._incoming = None
                self._reader.fragments = False

    async def _next(self) -> Union[Message, Fragment]:
        item = self._take()
        while item is None:
            await suspend(self._wait())
            item = self._take()
        return item

    async def _join(self, first: Fragment) -> Message:
        """Put a message together that began to arrive in fragments."""
        parts = [first]
        try:
            while not parts[-1].fin:
                part = await self._next()
                assert isinstance(part, Fragment)
                parts.append(part)
        except BaseException:
            self._put_back(parts)
            raise
        return join_fragments(parts)

    async def _send_slowly(
        self, message: Any, text: Optional[bool], compress: Optional[bool]
    ) -> None:
        while self._fragments_done is not None:
            if self._fragments_task is asyncio.current_task():
                raise ConcurrencyError("this task is sending a message in fragments")
            await asyncio.shield(self._fragments_done)
        if isinstance(message, (str, bytes)):
            self.protocol.send_message(message, text=text, compress=compress)
        elif hasattr(message, "__aiter__"):
            await self._send_fragments(message, text, compress)
            return
        elif is_fragments(message):
            await self._send_fragments(_aiter(message), text, compress)
            return
        else:
            self.protocol.send_message(message, text=text, compress=compress)
        self._flush()
        self._burst += 1
        self._sent += 1
        if self._write_paused:
            await self._drain()
        elif self._burst >= BURST_MESSAGES:
            await self._yield()

    async def _yield(self) -> None:
        """Let the event loop have a turn: whoever only sends must not keep all others waiting."""
        self._burst = 0
        await asyncio.sleep(0)
        if self.protocol.state is State.CLOSED:
            raise self.protocol.close_exc

    async def _send_fragments(
        self, fragments: AsyncIterable[Any], text: Optional[bool], compress: Optional[bool]
    ) -> None:
        done = self._fragments_done = self.loop.create_future()
        self._in_fragments = True
        self._fragments_task = asyncio.current_task()
        started = False
        try:
            held: Any = None
            async for fragment in fragments:
                if held is not None:
                    self._send_fragment(held, False, text, compress)
                    started = True
                    if self._write_paused:
                        await self._drain()
                held = fragment
            if held is not None:
                self._send_fragment(held, True, text, compress)
                self._sent += 1
        except BaseException:
            if started and self.protocol.state is State.OPEN:
                # Half a message is on the wire: it cannot be taken back, nor another one begun.
                self.protocol.fail(
                    CloseCode.INTERNAL_ERROR, "error in a fragmented message", self.loop.time()
                )
                self._flush()
                self._set_timer()
            raise
        finally:
            self._fragments_done = self._fragments_task = None
            self._in_fragments = False
            done.set_result(None)
        if self._write_paused:
            await self._drain()

    def _send_fragment(
        self, fragment: Any, fin: bool, text: Optional[bool], compress: Optional[bool]
    ) -> None:
        self.protocol.send_fragment(fragment, fin=fin, text=text, compress=compress)
        self._flush()

    async def ping(self, data: Union[str, Buffer, None] = None) -> asyncio.Future[float]:
        """Send a ping; return a future that the pong resolves, with the seconds between them.

        ``data`` is at most 125 bytes, random by default. Raises ConnectionClosed when nothing can
        be sent any more, ConcurrencyError while a ping with the same data waits for its pong.
        """
        waiter: asyncio.Future[float] = self.loop.create_future()
        # Nobody may be waiting for it when the connection closes; that is no error.
        waiter.add_done_callback(retrieve_exception)

        def on_pong(latency: float) -> None:
            if self._pong_waiters is not None:
                self._pong_waiters.discard(waiter)
            if not waiter.done():
                waiter.set_result(latency)

        self.protocol.send_ping(data, now=self.loop.time(), on_pong=on_pong)
        if self._pong_waiters is None:
            self._pong_waiters = set()
        self._pong_waiters.add(waiter)
        self._flush()
        return waiter

    async def pong(self, data: Union[str, Buffer] = b"") -> None:
        """Send a pong that nobody asked for; ``data`` is at most 125 bytes."""
        self.protocol.send_pong(data)
        self._flush()

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection and wait until it is; do nothing if it is closed.

        Messages that arrived before can still be received. Raises ValueError for a code or reason
        that cannot be sent.
        """
        self._start_closing(code, reason)
        await self.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.close(CloseCode.NORMAL_CLOSURE if exc_type is None else CloseCode.INTERNAL_ERROR)


async def _aiter(fragments: Iterable[Any]) -> AsyncIterator[Any]:
    for fragment in fragments:
        yield fragment


def retrieve_exception(future: asyncio.Future[Any]) -> None:
    """Ask for a future's exception, which nobody else may do."""
    if not future.cancelled():
        future.exception()
