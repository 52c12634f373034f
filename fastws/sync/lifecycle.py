"""The life of a blocking connection: reading, writing, deadlines, its end."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Optional, Union

from ..attributes import Attributes
from ..frames import CloseCode, Fragment, State
from ..options import water_marks
from .stream import open_stream

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ..options import Limit
    from ..protocol import Protocol
    from .fragments import FragmentStream

    Message = Union[str, bytes]

__all__ = ["Lifecycle"]

_RECEIVE_BYTES = 64 * 1024

# The longest time any wait goes on without a look at the deadlines.
_LOOK_SECONDS = 1.0


class _Thread(threading.local):
    """Parsing ends before the next read begins, so a thread's connections share a buffer."""

    def __init__(self) -> None:
        self.buffer = bytearray(_RECEIVE_BYTES)


_thread = _Thread()


class Lifecycle(Attributes):
    """What ``Connection`` does besides messages, in whichever thread is there to do it."""

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
        self._id = None
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

    def _check_written(self) -> None:
        if self._write_failed:
            self.wait_closed(self.protocol.close_timeout)
            raise self.protocol.close_exc

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
