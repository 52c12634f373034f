"""A WebSocket connection on an asyncio event loop, of either role."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from typing import TYPE_CHECKING, Any, Optional, Union

from ..attributes import Attributes
from ..conversion import convert, join_fragments
from ..errors import ConcurrencyError, ConnectionClosedOK
from ..frames import CloseCode, Fragment, State
from ..options import water_marks
from ..prepared import PreparedMessage, is_fragments
from .fragments import FragmentStream
from .hot import Channel, Waiter, suspend

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable
    from types import TracebackType

    from typing_extensions import Buffer, Self

    from ..options import Limit
    from ..protocol import Event, Protocol

    Message = Union[str, bytes]
    Sendable = Union[str, Buffer, PreparedMessage]

__all__ = ["Connection"]

# What one read can bring. It is parsed before the next read begins, so connections share it.
_RECEIVE_BYTES = 256 * 1024

_receive_buffers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = (
    weakref.WeakKeyDictionary()
)


def _receive_buffer(loop: asyncio.AbstractEventLoop) -> memoryview:
    if hasattr(loop, "_proactor"):
        # A proactor fills the buffer while other connections are parsed.
        return memoryview(bytearray(_RECEIVE_BYTES // 4))
    buffer = _receive_buffers.get(loop)
    if buffer is None:
        buffer = _receive_buffers[loop] = memoryview(bytearray(_RECEIVE_BYTES))
    return buffer


class _TransportProtocol(asyncio.BufferedProtocol):
    """What a transport calls: the connection's own methods, without a layer between."""

    def __init__(self, connection: Connection) -> None:
        self.connection_made = connection._connection_made  # type: ignore[method-assign]
        self.get_buffer = connection._get_buffer  # type: ignore[method-assign]
        self.buffer_updated = connection._buffer_updated  # type: ignore[method-assign]
        self.eof_received = connection._eof_received  # type: ignore[method-assign]
        self.connection_lost = connection._connection_lost  # type: ignore[method-assign]
        self.pause_writing = connection._pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection._resume_writing  # type: ignore[method-assign]


class Connection(Channel, Attributes):
    """A WebSocket connection: ``send``, ``recv``, ``ping``, ``close``, and ``async for``.

    Iteration ends when the connection is closed with 1000, 1001 or no code, and raises
    ``ConnectionClosedError`` otherwise. One task may receive at a time; any number may send. All
    methods must be called in the thread of the event loop.
    """

    def __init__(
        self,
        protocol: Protocol,
        *,
        max_queue: Limit = 16,
        write_limit: Limit = 32 * 1024,
        write_timeout: Optional[float] = 60,
        logger: Optional[logging.Logger] = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        high, low = water_marks(max_queue, "max_queue")
        super().__init__(protocol, loop, _receive_buffer(loop), high, low, Waiter(loop))
        self.logger: Union[logging.Logger, logging.LoggerAdapter[Any]]
        self.logger = logger or logging.getLogger("fastws")
        self.skipped_messages = 0  # broadcasts that were not queued here, for want of room
        self._timer: Optional[asyncio.TimerHandle] = None
        self._timer_at: Optional[float] = None

        self._write_limit = water_marks(write_limit, "write_limit")
        self._write_timeout = write_timeout
        self._write_deadline: Optional[float] = None
        self._write_left = 0
        self._drain_waiters: list[asyncio.Future[None]] = []
        self._fragments_done: Optional[asyncio.Future[None]] = None
        self._fragments_task: Optional[asyncio.Task[Any]] = None
        self._eof_sent = False
        self._closed: asyncio.Future[None] = self.loop.create_future()
        self._pong_waiters: set[asyncio.Future[float]] = set()

    # --------------------------------------------------------------------------------- facts

    @property
    def transport(self) -> Optional[asyncio.Transport]:
        """The event loop's transport under the connection."""
        return self._transport

    def _address(self, name: str) -> Any:
        return None if self._transport is None else self._transport.get_extra_info(name)

    # ----------------------------------------------------------------------------- receiving

    async def recv(self, decode: Optional[bool] = None) -> Message:
        """Return the next message: ``str`` for text, ``bytes`` for binary.

        ``decode`` true gives ``str`` and false ``bytes`` in either case. Raises ConnectionClosed
        when no more will come, ConcurrencyError while another task receives. No message is lost
        when this is cancelled.
        """
        if self._incoming is not None:
            await self._skip_rest()
        item = self._take()
        while item is None:
            await suspend(self._wait())
            item = self._take()
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

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        # Like recv(), in one coroutine: this is the way of nearly all messages.
        if self._incoming is not None:
            await self._skip_rest()
        item = self._take()
        while item is None:
            try:
                waiter = self._wait()
            except ConnectionClosedOK:
                raise StopAsyncIteration from None
            await suspend(waiter)
            item = self._take()
        return await self._join(item) if isinstance(item, Fragment) else item

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

    def _receive_control(self, events: list[Event]) -> None:
        # Messages first: what the application answers at once goes out before our close frame.
        messages = [event for event in events if isinstance(event, (str, bytes, Fragment))]
        if messages:
            self._deliver(messages)
        self.protocol.handle_control(events, self.loop.time())
        if self.protocol.state is not State.OPEN:
            # All that can still come is the end of the stream.
            self._resume_reading()
        self._set_timer()
        self._flush()

    def _receive_handshake(self, nbytes: int) -> None:
        self._handle_handshake(self.protocol.receive_data(self._buffer[:nbytes], self.loop.time()))
        self._flush()

    def _handle_handshake(self, events: list[Event]) -> None:
        raise NotImplementedError

    def _limit_queue(self) -> None:
        if self.protocol.state is State.OPEN:
            self._pause_reading()
        else:
            # We asked to close, so nobody may be left to take these.
            while self._waiting() > self._high:
                self._messages.pop()

    def _pause_reading(self) -> None:
        if not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()

    # ------------------------------------------------------------------------------- sending

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
        if text is None and compress is None:
            sent = self._send_now(message)
            if sent == 1:
                return
            if sent == 2:
                await self._drain()
                return
        while self._fragments_done is not None:
            if self._fragments_task is asyncio.current_task():
                raise ConcurrencyError("this task is sending a message in fragments")
            await asyncio.shield(self._fragments_done)
        if isinstance(message, (str, bytes)):
            self.protocol.send_message(message, text=text, compress=compress)
        elif hasattr(message, "__aiter__"):
            await self._send_fragments(message, text, compress)  # type: ignore[arg-type]
            return
        elif is_fragments(message):
            await self._send_fragments(_aiter(message), text, compress)  # type: ignore[arg-type]
            return
        else:
            self.protocol.send_message(message, text=text, compress=compress)
        self._flush()
        if self._write_paused:
            await self._drain()

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

    async def _drain(self) -> None:
        waiter = self.loop.create_future()
        self._drain_waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._drain_waiters:
                self._drain_waiters.remove(waiter)
        if self.protocol.state is State.CLOSED:
            raise self.protocol.close_exc

    async def ping(self, data: Union[str, Buffer, None] = None) -> asyncio.Future[float]:
        """Send a ping; return a future that the pong resolves, with the seconds between them.

        ``data`` is at most 125 bytes, random by default. Raises ConnectionClosed when nothing can
        be sent any more, ConcurrencyError while a ping with the same data waits for its pong.
        """
        waiter: asyncio.Future[float] = self.loop.create_future()
        # Nobody may be waiting for it when the connection closes; that is no error.
        waiter.add_done_callback(_retrieve_exception)

        def on_pong(latency: float) -> None:
            self._pong_waiters.discard(waiter)
            if not waiter.done():
                waiter.set_result(latency)

        self.protocol.send_ping(data, now=self.loop.time(), on_pong=on_pong)
        self._pong_waiters.add(waiter)
        self._flush()
        return waiter

    async def pong(self, data: Union[str, Buffer] = b"") -> None:
        """Send a pong that nobody asked for; ``data`` is at most 125 bytes."""
        self.protocol.send_pong(data)
        self._flush()

    def _flush(self) -> None:
        """Write what the protocol has to send, unless enough waits to be written already."""
        protocol = self.protocol
        if protocol.state is not State.OPEN:
            self._can_send = False
        if protocol.eof_to_send:
            # Nothing more is taken: `Protocol` knows better than `MessageReader` alone.
            self._opened = False
        self._flush_messages()
        transport = self._transport
        if protocol.eof_to_send and not (self._eof_sent or self._write_paused or transport is None):
            self._send_eof(transport)

    def _send_eof(self, transport: asyncio.Transport) -> None:
        self._eof_sent = True
        self._resume_reading()
        if self.protocol.state is not State.CLOSED and transport.can_write_eof():
            # Only that direction: closing with input unread would reset the connection, and the
            # peer might never see our last words.
            with contextlib.suppress(OSError):  # the peer has left; reading finds out
                transport.write_eof()
        else:
            transport.close()

    def _pause_writing(self) -> None:
        self._write_paused = True
        self._watch_writing()

    def _watch_writing(self) -> None:
        """Give up if what waits to be written does not get less for too long."""
        if self._write_timeout is not None:
            self._write_deadline = self.loop.time() + self._write_timeout
            self._write_left = self._unwritten()
            self._set_timer()

    def _resume_writing(self) -> None:
        self._write_paused = False
        self._write_deadline = None
        self._flush()
        if not self._write_paused:
            self._wake_senders()

    def _wake_senders(self) -> None:
        for waiter in self._drain_waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _backlog(self) -> int:
        """Bytes that wait to be written, here and in the transport."""
        return self._unwritten() + self.protocol.queued_bytes

    def _unwritten(self) -> int:
        try:
            return 0 if self._transport is None else self._transport.get_write_buffer_size()
        except AttributeError:  # asyncio's TLS transport when it is closed
            return 0

    # ------------------------------------------------------------------------------- closing

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection and wait until it is; do nothing if it is closed.

        Messages that arrived before can still be received. Raises ValueError for a code or reason
        that cannot be sent.
        """
        self._start_closing(code, reason)
        await self.wait_closed()

    def _start_closing(self, code: int, reason: str) -> None:
        self.protocol.send_close(code, reason, self.loop.time())
        # The peer's close frame may be behind messages that nobody takes.
        self._resume_reading()
        self._flush()
        self._set_timer()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed, by either side."""
        await asyncio.shield(self._closed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.close(CloseCode.NORMAL_CLOSURE if exc_type is None else CloseCode.INTERNAL_ERROR)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: Exception) -> None:
        """Close after a mistake of ours: no exception may reach the event loop."""
        self.logger.error("error in a WebSocket connection", exc_info=error)
        try:
            self.protocol.fail(CloseCode.INTERNAL_ERROR, "internal error", self.loop.time())
            self._flush()
            self._set_timer()
        except Exception:
            self._abort()

    # ---------------------------------------------------------------------------- the transport

    def _connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        high, low = self._write_limit
        # uvloop counts in a C int.
        most = 2**31 - 1
        self._transport.set_write_buffer_limits(int(min(high, most)), int(min(low, most)))  # type: ignore[union-attr]
        self._set_timer()

    def _eof_received(self) -> Optional[bool]:
        self._handle_eof()
        return None  # the transport closes itself, after what waits to be written

    def _handle_eof(self) -> None:
        protocol = self.protocol
        if protocol.state is State.CLOSED:
            return
        self._can_send = False
        try:
            events = protocol.receive_eof(self.loop.time())
            if events:
                self._handle_handshake(events)
            if self._unwritten():
                self._watch_writing()
        except Exception as error:
            self.logger.error("error in a WebSocket connection", exc_info=error)

    def _connection_lost(self, exc: Optional[Exception]) -> None:
        self._handle_eof()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._write_paused = False
        if not self._closed.done():
            self._closed.set_result(None)
        self._wake_senders()
        for pong in self._pong_waiters:
            if not pong.done():
                pong.set_exception(self.protocol.close_exc)
        self._pong_waiters.clear()
        self._waiter.wake()

    # ---------------------------------------------------------------------------------- time

    def _set_timer(self) -> None:
        """Have ``_on_timer`` called at the next deadline of the protocol or of writing."""
        deadline = self.protocol.next_deadline
        if self._write_deadline is not None and (
            deadline is None or self._write_deadline < deadline
        ):
            deadline = self._write_deadline
        if deadline == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline is not None and not self._closed.done():
            self._timer = self.loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = self._timer_at = None
        try:
            now = self.loop.time()
            if self._write_deadline is not None and now >= self._write_deadline:
                self._check_writing(now)
            events = self.protocol.handle_timeout(now, reading_paused=self._reading_paused)
            if events:
                self._handle_handshake(events)
            self._flush()
            if self.protocol.aborted:
                self._abort()
            self._set_timer()
        except Exception as error:
            self._fail(error)

    def _check_writing(self, now: float) -> None:
        """Give up on a peer that took nothing since the last look."""
        left = self._unwritten()
        if left < self._write_left:
            self._write_left = left
            assert self._write_timeout is not None
            self._write_deadline = now + self._write_timeout
            return
        self._write_deadline = None
        self.protocol.fail(
            CloseCode.INTERNAL_ERROR,
            f"write timeout: the peer took no data for {self._write_timeout:g} s",
            now,
        )
        self._abort()


async def _aiter(fragments: Iterable[Any]) -> AsyncIterator[Any]:
    for fragment in fragments:
        yield fragment


def _retrieve_exception(future: asyncio.Future[float]) -> None:
    if not future.cancelled():
        future.exception()
