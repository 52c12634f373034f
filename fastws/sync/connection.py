"""A WebSocket connection for blocking code, of either role; no thread of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Optional, Union

from ..attributes import Attributes
from ..conversion import convert, join_fragments
from ..errors import ConcurrencyError, ConnectionClosedOK
from ..frames import CloseCode, Fragment, State
from ..options import water_marks
from ..prepared import PreparedMessage, is_fragments
from .fragments import FragmentStream
from .stream import open_stream

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from typing_extensions import Buffer, Self

    from ..options import Limit
    from ..protocol import Protocol

    Message = Union[str, bytes]
    Sendable = Union[str, Buffer, PreparedMessage]

__all__ = ["Connection"]

_RECEIVE_BYTES = 64 * 1024

# The longest time any wait goes on without a look at the deadlines.
_LOOK_SECONDS = 20.0


_TWO_RECEIVERS = "another thread is receiving from this connection"


class _Thread(threading.local):
    """Parsing ends before the next read begins, so a thread's connections share a buffer."""

    def __init__(self) -> None:
        self.buffer = bytearray(_RECEIVE_BYTES)


_thread = _Thread()


class Connection(Attributes):
    """A WebSocket connection: ``send``, ``recv``, ``ping``, ``close``, and ``for``.

    One thread may receive at a time, and any number may send. Pings are answered, and keepalive is
    kept, while some thread is in ``recv``, in a blocked ``send`` or in ``close``. Iteration ends
    when the connection is closed with 1000, 1001 or no code, and raises ``ConnectionClosedError``
    otherwise.
    """

    def __init__(
        self,
        sock: socket.socket,
        protocol: Protocol,
        *,
        max_queue: Limit = 16,
        write_timeout: Optional[float] = 60,
        logger: Optional[logging.Logger] = None,
    ) -> None:
        self.protocol = protocol
        self.socket = sock
        self.logger = logger or logging.getLogger("fastws")
        self._stream = open_stream(sock)
        self._reader = protocol.reader
        self._incoming: Optional[FragmentStream] = None  # of a message that is not complete
        self._messages: deque[Union[Message, Fragment]] = deque()
        self._high, self._low = water_marks(max_queue, "max_queue")
        self._write_timeout = write_timeout
        self._addresses = {"sockname": sock.getsockname()}
        try:
            self._addresses["peername"] = sock.getpeername()
        except OSError:  # gone already
            self._addresses["peername"] = None
        self._deadline = self._next_deadline()
        self._eof_sent = False
        self._eof_read = False
        self._write_failed = False
        self._in_fragments = False
        # Each lock may be taken while holding those above it, never one above.
        self._recv_lock = threading.Lock()  # one receiver
        self._message_lock = threading.RLock()  # one sender of a message, whole or in fragments
        self._read_lock = threading.Lock()  # who reads the socket
        self._write_lock = threading.Lock()  # who writes to it
        self._state_lock = threading.Lock()  # who is in the protocol

    def _address(self, name: str) -> Any:
        return self._addresses[name]

    def _next_deadline(self) -> float:
        deadline = self.protocol.next_deadline
        return float("inf") if deadline is None else deadline

    # ----------------------------------------------------------------------------- receiving

    def recv(self, timeout: Optional[float] = None, decode: Optional[bool] = None) -> Message:
        """Return the next message: ``str`` for text, ``bytes`` for binary.

        ``timeout`` is in seconds; 0 takes what is there already. ``decode`` true gives ``str`` and
        false ``bytes`` in either case. Raises TimeoutError, ConnectionClosed when no more will
        come, ConcurrencyError while another thread receives. A time-out loses no message.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._recv_lock.acquire(blocking=False):
            raise ConcurrencyError(_TWO_RECEIVERS)
        try:
            if self._incoming is not None:
                self._skip_rest(deadline)
            item = self._next(deadline)
            message = self._join(item, deadline) if isinstance(item, Fragment) else item
        finally:
            self._recv_lock.release()
        return message if decode is None else convert(message, decode)

    def recv_streaming(self, decode: Optional[bool] = None) -> Iterator[Message]:
        """Return an iterator over the fragments of the next message, as they arrive.

        Each is ``str`` for text, ``bytes`` for binary; ``decode`` is as in ``recv``. If it is not
        taken to its end, the next receive leaves out the rest of the message.
        """
        return FragmentStream(self, decode)

    @contextlib.contextmanager
    def _receiving(self) -> Iterator[None]:
        if not self._recv_lock.acquire(blocking=False):
            raise ConcurrencyError(_TWO_RECEIVERS)
        try:
            yield
        finally:
            self._recv_lock.release()

    def _skip_rest(self, deadline: Optional[float]) -> None:
        """Leave out the rest of a message that was received in part."""
        while self._incoming is not None:
            part = self._next(deadline)
            if not isinstance(part, Fragment) or part.fin:
                self._incoming = None
                self._reader.fragments = False

    def __iter__(self) -> Iterator[Message]:
        try:
            while True:
                yield self.recv()
        except ConnectionClosedOK:
            return

    def _next(self, deadline: Optional[float]) -> Union[Message, Fragment]:
        messages = self._messages
        if not messages:
            self._read_until(self._has_message, deadline)
            if not messages:
                raise self.protocol.close_exc
        return messages.popleft()

    def _has_message(self) -> bool:
        return bool(self._messages) or self._eof_read

    def _join(self, first: Fragment, deadline: Optional[float]) -> Message:
        """Put a message together that began to arrive in fragments."""
        parts = [first]
        try:
            while not parts[-1].fin:
                part = self._next(deadline)
                assert isinstance(part, Fragment)
                parts.append(part)
        except BaseException:
            self._messages.extendleft(reversed(parts))
            raise
        return join_fragments(parts)

    def _read_until(self, ready: Callable[[], bool], deadline: Optional[float]) -> None:
        """Read and process until something is so; raise TimeoutError past the deadline."""
        while not ready():
            seconds = _LOOK_SECONDS
            if deadline is not None:
                seconds = min(seconds, deadline - time.monotonic())
            # Another thread that reads may bring what this one waits for.
            if not self._read_lock.acquire(timeout=max(seconds, 0)):
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimeoutError("timed out while waiting")
                continue
            try:
                if ready():
                    return
                if not self._read_once(seconds) and seconds <= 0:
                    raise TimeoutError("timed out while waiting")
            finally:
                self._read_lock.release()

    def _read_once(self, seconds: float) -> bool:
        """Wait for bytes or a deadline and do what they ask for; False if there were none."""
        seconds = min(seconds, max(self._deadline - time.monotonic(), 0))
        buffer = self._reader.get_buffer()
        direct = buffer is not None
        if buffer is None:
            buffer = _thread.buffer
        try:
            nbytes = self._stream.recv_into(buffer, seconds)  # type: ignore[arg-type]
        except (OSError, ValueError) as error:  # ValueError: another thread closed the socket
            self._lose(error)
            return True
        if nbytes is None:
            self._check_time()
            return False
        if nbytes == 0:
            self._lose(None)
            return True
        self._process(buffer, nbytes, direct)  # type: ignore[arg-type]
        return True

    def _process(self, buffer: bytearray, nbytes: int, direct: bool) -> None:
        reader = self._reader
        protocol = self.protocol
        events: Any
        handshake = protocol.state is State.CONNECTING or protocol.refused
        with self._state_lock:
            if handshake:
                events = protocol.receive_data(memoryview(buffer)[:nbytes], time.monotonic())
            elif direct:
                events = reader.buffer_updated(nbytes)
            else:
                events = reader.receive(buffer, nbytes)
            control = reader.has_control or handshake
            if control and not handshake:
                protocol.handle_control(events, time.monotonic())
            if control or protocol.state is not State.OPEN:
                events = [event for event in events if isinstance(event, (str, bytes, Fragment))]
                self._deadline = self._next_deadline()
        self._messages.extend(events)
        if control or protocol.state is not State.OPEN:
            self._flush()
            self._finish()
        if time.monotonic() >= self._deadline:
            self._check_time()

    def _check_time(self) -> None:
        """Do what the protocol has to do by now."""
        now = time.monotonic()
        if now < self._deadline:
            return
        with self._state_lock:
            self.protocol.handle_timeout(now, reading_paused=len(self._messages) > self._high)
            self._deadline = self._next_deadline()
        self._flush()
        self._finish()

    def _lose(self, error: Optional[Exception]) -> None:
        """Take the end of the stream."""
        with self._state_lock:
            self.protocol.receive_eof(time.monotonic())
            self._deadline = float("inf")
        self._eof_read = True
        self._finish()

    # ------------------------------------------------------------------------------- sending

    def send(
        self,
        message: Union[Sendable, Iterable[Union[str, Buffer]]],
        text: Optional[bool] = None,
        *,
        compress: Optional[bool] = None,
    ) -> None:
        """Send a message: ``str`` as text, bytes-like as binary, unless ``text`` says otherwise.

        An iterable of these is sent in fragments. Returns when the operating system has all of it.
        ``compress`` overrides the negotiated threshold. Raises ConnectionClosed when nothing can be
        sent any more.
        """
        with self._message_lock:
            if self._in_fragments:
                raise ConcurrencyError("this thread is sending a message in fragments")
            if is_fragments(message):
                self._send_fragments(message, text, compress)  # type: ignore[arg-type]
                return
            with self._state_lock:
                self.protocol.send_message(message, text=text, compress=compress)
            self._flush(wait=True)
            self._check_written()

    def _send_fragments(
        self, fragments: Iterable[Any], text: Optional[bool], compress: Optional[bool]
    ) -> None:
        started = False
        self._in_fragments = True
        try:
            held: Any = None
            for fragment in fragments:
                if held is not None:
                    self._send_fragment(held, False, text, compress)
                    started = True
                held = fragment
            if held is not None:
                self._send_fragment(held, True, text, compress)
        except BaseException:
            if started and self.protocol.state is State.OPEN:
                # Half a message is on the wire: it cannot be taken back, nor another one begun.
                self._fail(CloseCode.INTERNAL_ERROR, "error in a fragmented message")
            raise
        finally:
            self._in_fragments = False

    def _send_fragment(
        self, fragment: Any, fin: bool, text: Optional[bool], compress: Optional[bool]
    ) -> None:
        with self._state_lock:
            self.protocol.send_fragment(fragment, fin=fin, text=text, compress=compress)
        self._flush(wait=True)
        self._check_written()

    def _check_written(self) -> None:
        if self._write_failed:
            self.wait_closed(self.protocol.close_timeout)
            raise self.protocol.close_exc

    def ping(
        self, data: Union[str, Buffer, None] = None, *, ack_on_close: bool = False
    ) -> threading.Event:
        """Send a ping; return an event that its pong sets, with ``ack_on_close`` the end does too.

        Some thread must be receiving for the pong to be seen. ``data`` is at most 125 bytes, random
        by default. Raises ConnectionClosed when nothing can be sent any more, ConcurrencyError
        while a ping with the same data waits for its pong.
        """
        answered = threading.Event()

        def on_pong(latency: float) -> None:
            if ack_on_close or not self._eof_read:
                answered.set()

        with self._state_lock:
            self.protocol.send_ping(data, now=time.monotonic(), on_pong=on_pong)
        self._flush()
        return answered

    def pong(self, data: Union[str, Buffer] = b"") -> None:
        """Send a pong that nobody asked for; ``data`` is at most 125 bytes."""
        with self._state_lock:
            self.protocol.send_pong(data)
        self._flush()

    def _flush(self, wait: bool = False) -> None:
        """Write what the protocol has to send, or leave it to the thread that is writing.

        With ``wait``, return only when everything is written.
        """
        protocol = self.protocol
        while True:
            if not self._write_lock.acquire(blocking=wait):
                return
            try:
                with self._state_lock:
                    frames = protocol.data_to_send()
                if frames:
                    self._write(frames[0] if len(frames) == 1 else b"".join(frames))
                elif protocol.eof_to_send and not self._eof_sent:
                    self._eof_sent = True
                    self._stream.send_eof()
            except (OSError, ValueError):  # ValueError: another thread closed the socket
                # The last words of the peer may still be there to be read.
                self._write_failed = True
                self._stream.abort()
                return
            except BaseException:  # interrupted, perhaps in the middle of a frame
                self._write_failed = True
                self._stream.abort()
                raise
            finally:
                self._write_lock.release()
            # Frames queued since then by a thread that saw the lock taken are ours to write.
            with self._state_lock:
                if not protocol.queued_bytes and (self._eof_sent or not protocol.eof_to_send):
                    return

    def _write(self, data: bytes) -> None:
        sent = self._stream.send(data)
        if sent == len(data):
            return
        view = memoryview(data)[sent:]
        give_up = None if self._write_timeout is None else time.monotonic() + self._write_timeout
        while view:
            self._wait_writable(give_up)
            sent = self._stream.send(view)
            if sent:
                view = view[sent:]
                if self._write_timeout is not None:
                    give_up = time.monotonic() + self._write_timeout

    def _wait_writable(self, give_up: Optional[float]) -> None:
        """Wait until the peer takes more, and take what it sends: it may wait for us likewise."""
        seconds = 1.0 if give_up is None else min(1.0, give_up - time.monotonic())
        read = len(self._messages) <= self._high and self._read_lock.acquire(blocking=False)
        if not read:
            self._stream.wait(seconds, write=True)
        else:
            try:
                self._stream.wait(seconds, read=True, write=True)
                self._read_once(0)
            finally:
                self._read_lock.release()
        if self._eof_read or self.protocol.aborted:
            raise OSError("the connection is closed")
        if give_up is not None and time.monotonic() >= give_up:
            with self._state_lock:
                self.protocol.fail(
                    CloseCode.INTERNAL_ERROR,
                    f"write timeout: the peer took no data for {self._write_timeout:g} s",
                    time.monotonic(),
                )
            raise OSError("write timeout")

    # ------------------------------------------------------------------------------- closing

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection and wait until it is; do nothing if it is closed.

        Messages that arrived before can still be received. Raises ValueError for a code or reason
        that cannot be sent.
        """
        self._start_closing(code, reason)
        self.wait_closed()

    def _start_closing(self, code: int, reason: str) -> None:
        with self._state_lock:
            self.protocol.send_close(code, reason, time.monotonic())
            self._deadline = self._next_deadline()
        self._flush()

    def wait_closed(self, timeout: Optional[float] = None) -> bool:
        """Wait until the connection is closed, by either side; False if ``timeout`` is over."""
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            self._read_until(self._is_closed, deadline)
        except TimeoutError:
            return False
        return True

    def _is_closed(self) -> bool:
        # Whoever closes takes no more: what the peer sends on its way out must not pile up.
        while len(self._messages) > self._high and self.protocol.state is State.CLOSING:
            self._messages.pop()
        return self._eof_read

    def _fail(self, code: int, reason: str) -> None:
        with self._state_lock:
            self.protocol.fail(code, reason, time.monotonic())
            self._deadline = self._next_deadline()
        self._flush()

    def _finish(self) -> None:
        """Close the socket once the protocol is done with it."""
        if self.protocol.aborted and not self._eof_read:
            self._lose(None)
        if not self._eof_read:
            return
        self._stream.close()
        with self._state_lock:
            pings = self.protocol.forget_pings()
        for on_pong in pings:
            on_pong(0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close(CloseCode.NORMAL_CLOSURE if exc_type is None else CloseCode.INTERNAL_ERROR)
