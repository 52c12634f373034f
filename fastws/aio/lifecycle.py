"""The life of a connection under asyncio: its transport, its timer, its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from typing import TYPE_CHECKING, Any, Optional, Union

from .._kernels import FrameBuffer
from ..attributes import Attributes
from ..frames import CloseCode, Fragment, State
from ..options import water_marks
from .hot import Messages, Waiter
from .timers import Timers

if TYPE_CHECKING:
    from ..options import Limit
    from ..protocol import Event, Protocol
    from .timers import Timed

__all__ = ["Lifecycle", "TransportProtocol"]

# What one read can bring. It is parsed before the next read begins, so connections share it.
_RECEIVE_BYTES = 256 * 1024

_buffers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[memoryview, FrameBuffer]] = (
    weakref.WeakKeyDictionary()
)


def _shared_buffers(loop: asyncio.AbstractEventLoop) -> tuple[memoryview, FrameBuffer]:
    """Where a loop's connections receive, and where they put what they send, one at a time."""
    buffers = _buffers.get(loop)
    if buffers is None:
        buffers = _buffers[loop] = memoryview(bytearray(_RECEIVE_BYTES)), FrameBuffer()
    if hasattr(loop, "_proactor"):
        # A proactor fills the buffer while other connections are parsed.
        return memoryview(bytearray(_RECEIVE_BYTES // 4)), buffers[1]
    return buffers


class TransportProtocol(asyncio.BufferedProtocol):
    """What a transport calls: the connection's own methods, without a layer between."""

    def __init__(self, connection: Lifecycle) -> None:
        self.connection_made = connection._connection_made  # type: ignore[method-assign]
        self.get_buffer = connection._get_buffer  # type: ignore[method-assign]
        self.buffer_updated = connection._buffer_updated  # type: ignore[method-assign]
        self.eof_received = connection._eof_received  # type: ignore[method-assign]
        self.connection_lost = connection._connection_lost  # type: ignore[method-assign]
        self.pause_writing = connection._pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection._resume_writing  # type: ignore[method-assign]


class Lifecycle(Messages, Attributes):
    """What ``Connection`` does besides messages, called by a transport or a timer."""

    # A dict for each connection would be most of what an idle one costs.
    __slots__ = (
        "_closed",
        "_drain_waiters",
        "_eof_sent",
        "_fragments_done",
        "_fragments_task",
        "_id",
        "_lost",
        "_pong_waiters",
        "_timer",
        "_timer_at",
        "_timers",
        "_write_deadline",
        "_write_left",
        "_write_limit",
        "_write_timeout",
        "logger",
        "skipped_messages",
    )

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
        super().__init__(protocol, loop, *_shared_buffers(loop), high, low, Waiter(loop))
        self.logger: Union[logging.Logger, logging.LoggerAdapter[Any]]
        self.logger = logger or logging.getLogger("fastws")
        self._id = None
        self.skipped_messages = 0  # broadcasts that were not queued here, for want of room
        self._timers = Timers.of(loop)
        self._timer: Optional[list[Timed]] = None
        self._timer_at = 0.0

        self._write_limit = water_marks(write_limit, "write_limit")
        self._write_timeout = write_timeout
        self._write_deadline: Optional[float] = None
        self._write_left = 0
        self._drain_waiters: Optional[list[asyncio.Future[None]]] = None
        self._fragments_done: Optional[asyncio.Future[None]] = None
        self._fragments_task: Optional[asyncio.Task[Any]] = None
        self._eof_sent = False
        self._lost = False
        self._closed: Optional[asyncio.Future[None]] = None  # for those who wait for it
        self._pong_waiters: Optional[set[asyncio.Future[float]]] = None

    def _address(self, name: str) -> Any:
        return None if self._transport is None else self._transport.get_extra_info(name)

    @property
    def transport(self) -> Optional[asyncio.Transport]:
        """The event loop's transport under the connection."""
        transport: Optional[asyncio.Transport] = self._transport
        return transport

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

    def _handle_handshake(self, events: list[Event]) -> None:
        raise NotImplementedError

    def _limit_queue(self) -> None:
        protocol = self.protocol
        if protocol.state is State.OPEN:
            self._pause_reading()
        elif protocol.close_rcvd is None and not protocol.eof_to_send:
            # We asked to close, so nobody may be left to take these. Those that came together with
            # the handshake and the peer's end are wanted, and no more will follow.
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
        for waiter in self._drain_waiters or ():
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

    async def _drain(self) -> None:
        waiter = self.loop.create_future()
        if self._drain_waiters is None:
            self._drain_waiters = []
        self._drain_waiters.append(waiter)
        try:
            await waiter
        finally:
            self._drain_waiters.remove(waiter)
        if self.protocol.state is State.CLOSED:
            raise self.protocol.close_exc

    def _start_closing(self, code: int, reason: str) -> None:
        self.protocol.send_close(code, reason, self.loop.time())
        # The peer's close frame may be behind messages that nobody takes.
        self._resume_reading()
        self._flush()
        self._set_timer()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed, by either side."""
        if not self._lost:
            await asyncio.shield(self._closed_future())

    def _closed_future(self) -> asyncio.Future[None]:
        """Return what is done when the connection is closed, while it is not."""
        if self._closed is None:
            self._closed = self.loop.create_future()
        return self._closed

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

    def _connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        high, low = self._write_limit
        # uvloop counts in a C int.
        most = 2**31 - 1
        # asyncio's TLS transport would pause at zero with nothing to write.
        high = max(1, min(high, most))
        self._transport.set_write_buffer_limits(int(high), int(min(low, high)))
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
        if self._frames.filler is self:
            # An interrupt left them there; others need the room.
            self._frames.clear()
        if self._foreign and self._transport is not None:
            # A TLS transport of Python 3.10 that nobody closed calls that a leak.
            self._transport.close()
        self._lost = True
        self._set_timer()
        self._write_paused = False
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        self._wake_senders()
        for pong in self._pong_waiters or ():
            if not pong.done():
                pong.set_exception(self.protocol.close_exc)
        self._pong_waiters = None
        self._waiter.wake()

    def _set_timer(self) -> None:
        """Have ``_on_timer`` called at the next deadline of the protocol or of writing."""
        deadline = self.protocol.next_deadline
        if self._write_deadline is not None and (
            deadline is None or self._write_deadline < deadline
        ):
            deadline = self._write_deadline
        if self._timer is not None:
            # Deadlines move back more often than they come: then the timer finds nothing to do yet.
            if deadline is not None and self._timer_at <= deadline and not self._lost:
                return
            self._timers.remove(self, self._timer)
            self._timer = None
        if deadline is not None and not self._lost:
            self._timer = self._timers.add(self, deadline, self.loop.time())
            self._timer_at = deadline

    def _on_timer(self) -> None:
        self._timer = None
        try:
            now = self.loop.time()
            if self._write_deadline is not None and now >= self._write_deadline:
                self._check_writing(now)
            events = self.protocol.handle_timeout(
                now, reading_paused=self._reading_paused, unread=self._waiting()
            )
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
