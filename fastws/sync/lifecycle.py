"""The life of a blocking connection: reading, writing, deadlines, its end."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Optional

from ..attributes import Attributes
from ..frames import CloseCode, Fragment, State
from ..options import water_marks
from .channel import LOOK_SECONDS, NEVER
from .hot import Channel, new_lock
from .stream import open_stream

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ..options import Limit
    from ..protocol import Protocol

__all__ = ["Lifecycle"]


class Lifecycle(Channel, Attributes):
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
        super().__init__(protocol, open_stream(sock), new_lock)
        self.socket = sock
        self._id = None
        self.logger = logger or logging.getLogger("fastws")
        self._high, self._low = water_marks(max_queue, "max_queue")
        self._write_timeout = write_timeout
        self._addresses = {"sockname": sock.getsockname()}
        try:
            self._addresses["peername"] = sock.getpeername()
        except OSError:  # gone already
            self._addresses["peername"] = None
        self._note_state()
        self._eof_sent = False
        if protocol.state is State.OPEN:  # there is no handshake
            self._open_channel()

    def _address(self, name: str) -> Any:
        return self._addresses[name]

    def _note_state(self) -> None:
        """Know without asking what the protocol has come to; only for who is in it."""
        deadline = self.protocol.next_deadline
        self._deadline = NEVER if deadline is None else deadline
        self._can_send = self._can_send and self.protocol.state is State.OPEN

    def _read_until(self, ready: Callable[[], bool], deadline: float) -> None:
        """Read and process until something is so; raise TimeoutError past the deadline."""
        while not ready():
            seconds = min(LOOK_SECONDS, deadline - time.monotonic())
            # Another thread that reads may bring what this one waits for.
            if not self._read_lock.acquire(timeout=max(seconds, 0)):
                if time.monotonic() >= deadline:
                    raise TimeoutError("timed out while waiting")
                continue
            try:
                if ready():
                    return
                if not self._read_once(deadline) and seconds <= 0:
                    raise TimeoutError("timed out while waiting")
            finally:
                self._read_lock.release()

    def _in_handshake(self) -> bool:
        return self.protocol.state is State.CONNECTING or self.protocol.refused

    def _receive_handshake(self, buffer: Any, nbytes: int) -> list[Any]:
        with self._state_lock:
            data = memoryview(buffer)[:nbytes]
            events = self.protocol.receive_data(data, time.monotonic())
            self._note_state()
        return self._act(events)

    def _receive_control(self, events: list[Any]) -> list[Any]:
        """Take events that are not only messages, or those of a connection that is not open."""
        with self._state_lock:
            if self._reader.has_control:
                self.protocol.handle_control(events, time.monotonic())
            self._note_state()
        return self._act(events)

    def _act(self, events: list[Any]) -> list[Any]:
        """Take the messages among events and write what these brought about; none are left."""
        self._messages.extend(
            event for event in events if isinstance(event, (str, bytes, Fragment))
        )
        self._flush()
        self._finish()
        return []

    def _check_time(self) -> None:
        """Do what the protocol has to do by now."""
        now = time.monotonic()
        if now < self._deadline:
            return
        with self._state_lock:
            unread = len(self._messages)
            self.protocol.handle_timeout(now, reading_paused=unread > self._high, unread=unread)
            self._note_state()
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
            except BaseException as error:
                self._give_up_writing(error)
            finally:
                self._write_lock.release()
            if self._write_failed:
                return
            # Frames queued since then by a thread that saw the lock taken are ours to write.
            with self._state_lock:
                if not protocol.queued_bytes and (self._eof_sent or not protocol.eof_to_send):
                    return

    def _give_up_writing(self, error: BaseException) -> None:
        """Write nothing any more; raise again what does not say that the socket is gone."""
        self._write_failed = True
        # The last words of the peer may still be there to be read.
        self._stream.abort()
        # ValueError: another thread closed the socket. Others interrupt, perhaps amid a frame.
        if not isinstance(error, (OSError, ValueError)):
            raise error

    def _write_rest(self, view: memoryview) -> None:
        """Write what the system did not take at once."""
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
                self._read_once(0.0)
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
                self._note_state()
            raise OSError("write timeout")

    def _start_closing(self, code: int, reason: str) -> None:
        with self._state_lock:
            self.protocol.send_close(code, reason, time.monotonic())
            self._note_state()
        self._flush()

    def wait_closed(self, timeout: Optional[float] = None) -> bool:
        """Wait until the connection is closed, by either side; False if ``timeout`` is over."""
        deadline = NEVER if timeout is None else time.monotonic() + timeout
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
            self._note_state()
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
