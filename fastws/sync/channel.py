"""The part of a blocking connection that every message passes: bytes to messages, and back."""

from __future__ import annotations

import threading
from collections import deque
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, Optional, Union

from .._kernels import FrameBuffer, serialize_message, split_message
from ..conversion import convert
from ..errors import ConcurrencyError
from ..frames import Role, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Buffer

    from ..frames import Fragment
    from ..prepared import PreparedMessage
    from ..protocol import Protocol
    from .fragments import FragmentStream
    from .stream import Stream

    Message = Union[str, bytes]
    Item = Union[str, bytes, Fragment]
    Sendable = Union[str, Buffer, PreparedMessage]

__all__ = ["LOOK_SECONDS", "NEVER", "TWO_RECEIVERS", "Channel"]

NEVER = float("inf")

# The longest time any wait goes on without a look at the deadlines; a plain socket blocks for it.
LOOK_SECONDS = 1.0

TWO_RECEIVERS = "another thread is receiving from this connection"

_RECEIVE_BYTES = 64 * 1024

# Frames up to this size are made where the last one was.
_FRAME_BYTES = 4 * 1024

# A payload of so many bytes is written from where it is.
_LARGE_BYTES = 16 * 1024

_NEVER = NEVER  # compiled, numbers of C
_LOOK_SECONDS = LOOK_SECONDS


class _Thread(threading.local):
    """Parsing ends before the next read begins, so a thread's connections share a buffer."""

    def __init__(self) -> None:
        self.buffer = bytearray(_RECEIVE_BYTES)


_thread = _Thread()


class Channel:
    """What ``Connection`` does for each message; anything rarer is in ``Connection`` itself."""

    def __init__(
        self, protocol: Protocol, stream: Stream, new_lock: Callable[[], threading.Lock]
    ) -> None:
        self.protocol = protocol
        self._stream = stream
        self._wire = stream.wire
        self._reader = protocol.reader
        self._buffer: Any = None
        self._thread = 0  # whose buffer that is
        self._incoming: Optional[FragmentStream] = None  # of a message that is not complete
        self._messages: deque[Item] = deque()
        self._partial = False  # the last read brought no message
        self._deadline = _NEVER
        self._can_send = False
        self._eof_read = False
        self._write_failed = False
        self._in_fragments = False
        self._frames = FrameBuffer(_FRAME_BYTES)
        self._masked = protocol.role is Role.CLIENT
        self._threshold = 0  # messages of so many bytes need more than the short way
        self._compresses = False
        # The protocol's own queues, which never become other lists.
        self._out = protocol._out
        self._urgent = protocol._urgent
        self._pongs = protocol._pongs
        self._handshake_out = protocol._handshake_out
        # Each lock may be taken while holding those above it, never one above.
        self._recv_lock = new_lock()  # one receiver
        self._message_lock = threading.RLock()  # one sender of a message, whole or in fragments
        self._read_lock = new_lock()  # who reads the socket
        self._write_lock = new_lock()  # who writes to it
        self._state_lock = threading.Lock()  # who is in the protocol

    def _open_channel(self) -> None:
        """Take the short ways from here on: the opening handshake is done."""
        extension = self.protocol.extension
        self._can_send = self.protocol.state is State.OPEN
        self._compresses = extension is not None
        self._threshold = 1 << 62 if extension is None else extension.threshold

    def recv(self, timeout: Optional[float] = None, decode: Optional[bool] = None) -> Message:
        """Return the next message: ``str`` for text, ``bytes`` for binary.

        ``timeout`` is in seconds; 0 takes what is there already. ``decode`` true gives ``str`` and
        false ``bytes`` in either case. Raises TimeoutError, ConnectionClosed when no more will
        come, ConcurrencyError while another thread receives. A time-out loses no message.
        """
        deadline = _NEVER if timeout is None else monotonic() + timeout
        if not self._recv_lock.acquire(False):
            raise ConcurrencyError(TWO_RECEIVERS)
        try:
            if self._incoming is not None:
                self._skip_rest(deadline)
            message: Any = self.next(deadline)
            kind = type(message)
            if kind is not bytes and kind is not str:
                message = self._join(message, deadline)
        finally:
            self._recv_lock.release()
        return message if decode is None else convert(message, decode)

    def next(self, deadline: float) -> Item:
        """Return the next message, or fragment, when it has arrived."""
        waiting = self._messages
        if not waiting:
            if self._read_lock.acquire(False):
                try:
                    # Another thread may have read meanwhile.
                    if not waiting and not self._eof_read:
                        messages = self.read_once(deadline)
                        if messages is not None:
                            if len(messages) == 1:
                                item: Item = messages[0]
                                return item
                            waiting.extend(messages)
                finally:
                    self._read_lock.release()
            if not waiting:
                self._read_until(self._has_message, deadline)
                if not waiting:
                    raise self.protocol.close_exc
        return waiting.popleft()

    def read_once(self, until: float) -> Optional[list[Any]]:
        """Wait for bytes or a deadline and do what they ask for; None if there were none.

        Only for who has the read lock. Returns messages that are to be put behind those waiting.
        """
        now = monotonic()
        due = now >= self._deadline
        seconds = min(min(until, self._deadline) - now, _LOOK_SECONDS)
        reader = self._reader
        # Only what is not complete yet can be large.
        buffer = reader.get_buffer() if self._partial else None
        direct = buffer is not None
        if buffer is None:
            buffer = self.thread_buffer()
        try:
            if self._wire is not None and seconds >= _LOOK_SECONDS:
                nbytes = self._wire.wait(buffer)
            else:
                nbytes = self._stream.recv_into(buffer, seconds)
        except (OSError, ValueError) as error:  # ValueError: another thread closed the socket
            self._lose(error)
            return []
        if nbytes < 0:
            self._check_time()
            return None
        if nbytes == 0:
            self._lose(None)
            return []
        messages: Any
        if not self._can_send and self._in_handshake():
            messages = self._receive_handshake(buffer, nbytes)
        else:
            messages = reader.buffer_updated(nbytes) if direct else reader.receive(buffer, nbytes)
            self._partial = not messages
            if reader.has_control or not self._can_send:
                messages = self._receive_control(messages)
        if due:
            # They are there before others can see that the connection has come to its end.
            self._messages.extend(messages)
            messages = []
            self._check_time()
        taken: list[Any] = messages
        return taken

    def thread_buffer(self) -> Buffer:
        """Return where this thread receives."""
        thread = get_ident()
        if thread != self._thread:
            self._buffer = _thread.buffer
            self._thread = thread
        buffer: Buffer = self._buffer
        return buffer

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
        if text is not None or compress is not None or not self.send_now(message):
            self._send_slowly(message, text, compress)

    def send_now(self, message: Any) -> bool:
        """Send a plain message the short way; False if it cannot go that way."""
        kind = type(message)
        if (
            (kind is not bytes and kind is not str)
            or len(message) >= self._threshold
            # The threshold counts bytes.
            or (self._compresses and kind is str and not message.isascii())
            or not self._write_lock.acquire(False)
        ):
            return False
        try:
            # Now nobody else can write, so nothing comes between these frames and this one.
            if self._in_fragments or self.something_waits():
                return False
            self.write_message(message)
        finally:
            self._write_lock.release()
        if self._write_failed:
            self._check_written()
        elif self.something_waits():
            # Others left it to this thread, which was writing.
            self._flush()
        return True

    def something_waits(self) -> bool:
        """Whether there is something to write, or the connection is not open."""
        return (
            not self._can_send
            or len(self._out) > 0
            or len(self._urgent) > 0
            or len(self._handshake_out) > 0
            or bool(self._pongs)
        )

    def write_message(self, message: Message) -> None:
        """Write a message as one frame; only for who has the write lock."""
        if self._wire is not None and not self._masked and len(message) >= _LARGE_BYTES:
            head, payload = split_message(message)
            try:
                sent = self._wire.send_both(head, payload)
                if sent < len(head):
                    self._write_rest(memoryview(head)[sent:])
                    sent = len(head)
                if sent < len(head) + len(payload):  # type: ignore[arg-type]
                    self._write_rest(memoryview(payload)[sent - len(head) :])
            except BaseException as error:
                self._give_up_writing(error)
            return
        frames = self._frames
        if frames.add(message, self._masked):
            try:
                self.write(frames, frames.length)
            finally:
                frames.clear()
        else:
            frame = serialize_message(message, self._masked)
            self.write(frame, len(frame))

    def write(self, data: Any, length: int) -> None:
        """Write all of some frames; only for who has the write lock."""
        try:
            sent = self._stream.send(data) if self._wire is None else self._wire.send(data)
            if sent < length:
                # A copy of frames that are in a buffer, which could not be cleared else.
                self._write_rest(memoryview(bytes(data))[sent:])
        except BaseException as error:
            self._give_up_writing(error)

    # Compiled, those above are out of Python's sight: it would look for an override at each call.

    def _next(self, deadline: float) -> Item:
        return self.next(deadline)

    def _read_once(self, until: float) -> bool:
        messages = self.read_once(until)
        if messages is None:
            return False
        self._messages.extend(messages)
        return True

    def _write(self, data: bytes) -> None:
        self.write(data, len(data))

    # What a connection adds.

    def _has_message(self) -> bool:
        raise NotImplementedError

    def _skip_rest(self, deadline: float) -> None:
        raise NotImplementedError

    def _join(self, first: Fragment, deadline: float) -> Message:
        raise NotImplementedError

    def _read_until(self, ready: Callable[[], bool], deadline: float) -> None:
        raise NotImplementedError

    def _in_handshake(self) -> bool:
        raise NotImplementedError

    def _receive_handshake(self, buffer: Buffer, nbytes: int) -> list[Any]:
        raise NotImplementedError

    def _receive_control(self, events: list[Any]) -> list[Any]:
        raise NotImplementedError

    def _check_time(self) -> None:
        raise NotImplementedError

    def _lose(self, error: Optional[Exception]) -> None:
        raise NotImplementedError

    def _send_slowly(self, message: Any, text: Optional[bool], compress: Optional[bool]) -> None:
        raise NotImplementedError

    def _flush(self, wait: bool = False) -> None:
        raise NotImplementedError

    def _check_written(self) -> None:
        raise NotImplementedError

    def _write_rest(self, view: memoryview) -> None:
        raise NotImplementedError

    def _give_up_writing(self, error: BaseException) -> None:
        raise NotImplementedError
