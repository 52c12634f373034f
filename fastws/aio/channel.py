"""The part of a connection that every message passes: bytes to messages, messages to bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

from .._kernels import serialize_message, split_message
from ..errors import ConcurrencyError
from ..frames import Role, State

if TYPE_CHECKING:
    import asyncio

    from typing_extensions import Buffer

    from .._kernels import FrameBuffer
    from ..frames import Fragment
    from ..protocol import Protocol
    from .waiter import Waiter

    Item = Union[str, bytes, Fragment]

__all__ = ["BURST_MESSAGES", "Channel"]

# After so many messages sent without a break the event loop gets a turn.
BURST_MESSAGES = 256

# A payload of so many bytes is written from where it is.
_LARGE_BYTES = 16 * 1024

_BURST_MESSAGES = BURST_MESSAGES  # compiled, a number of C

_CLOSED = State.CLOSED


class Channel:
    """What ``Connection`` does for each message; anything rarer is in ``Connection`` itself."""

    def __init__(
        self,
        protocol: Protocol,
        loop: asyncio.AbstractEventLoop,
        buffer: memoryview,
        frames: FrameBuffer,
        high: float,
        low: float,
        waiter: Waiter,
    ) -> None:
        self.protocol = protocol
        self.loop = loop
        self._reader = protocol.reader
        self._buffer = buffer
        self._direct = False
        self._transport: Any = None
        self._foreign = True  # the transport is the event loop's, not our own
        self._opened = False
        self._can_send = False
        self._incoming: Any = None  # what receives a message in fragments that is not complete
        self._messages: list[Any] = []
        self._taken = 0
        self._high = high
        self._low = low
        self._reading_paused = False
        self._waiter = waiter
        self._write_paused = False
        self._corked = False
        self._frames = frames
        self._masked = protocol.role is Role.CLIENT
        self._threshold = 0  # messages of so many bytes need more than the short way
        self._compresses = False
        self._in_fragments = False
        self._burst = 0
        self._received = 0  # messages
        self._sent = 0
        self._sent_bytes = 0  # on the wire, as far as we see it: before TLS
        # The protocol's own queues, which never become other lists.
        self._out = protocol._out
        self._urgent = protocol._urgent
        self._pongs = protocol._pongs
        self._handshake_out = protocol._handshake_out

    def _open_channel(self) -> None:
        """Take the short ways from here on: the opening handshake is done."""
        extension = self.protocol.extension
        self._opened = self._can_send = True
        self._compresses = extension is not None
        self._threshold = 1 << 62 if extension is None else extension.threshold

    def take(self) -> Optional[Item]:
        """Return the next message that has arrived, or None."""
        messages = self._messages
        taken = self._taken
        if taken >= len(messages):
            return None
        message: Item = messages[taken]
        messages[taken] = None
        taken += 1
        self._taken = taken
        if self._reading_paused and len(messages) - taken <= self._low:
            self._resume_reading()
        return message

    def wait(self) -> Waiter:
        """Return what to wait for when there is no message."""
        # Whatever arrived last is taken: closing is the only other thing to hear of.
        if not self._can_send and self.protocol.state is _CLOSED:
            raise self.protocol.close_exc
        if not self._waiter.begin():
            raise ConcurrencyError("another task is receiving from this connection")
        return self._waiter

    def _put_back(self, items: list[Any]) -> None:
        """Undo ``take`` for these, the last ones taken."""
        self._messages[: self._taken] = items
        self._taken = 0

    def _waiting(self) -> int:
        """How many messages wait to be taken."""
        return len(self._messages) - self._taken

    def get_buffer(self) -> Buffer:
        buffer = self._reader.get_buffer()
        if buffer is None:
            self._direct = False
            return self._buffer
        self._direct = True
        # TLS reads record after record into slices of it, which must not be copies.
        return memoryview(buffer)

    def buffer_updated(self, nbytes: int) -> None:
        try:
            self._burst = 0
            if not self._opened:
                self._receive_handshake(nbytes)
                return
            reader = self._reader
            if self._direct:
                events: Any = reader.buffer_updated(nbytes)
            else:
                events = reader.receive(self._buffer, nbytes)
            if reader.has_control:
                self._receive_control(events)
            elif events:
                self.deliver(events)
            # Our own transport takes what there is in the frame buffer itself.
            if self._foreign or self._out or self._handshake_out or self._urgent or self._pongs:
                self.flush()
        except Exception as error:
            self._fail(error)

    def deliver(self, events: list[Any]) -> None:
        """Give messages to whoever waits; cork what is sent meanwhile."""
        self._received += len(events)
        if self._taken == len(self._messages):
            self._messages = events
        else:
            self._messages = self._messages[self._taken :] + events
        self._taken = 0
        if self._waiter.waiting:
            self._corked = True
            try:
                self._waiter.wake()
            finally:
                self._corked = False
        if len(self._messages) - self._taken > self._high:
            self._limit_queue()

    def send_now(self, message: Any) -> int:
        """Send a plain message the short way; 0 if it cannot go that way.

        Else 1 when all is done, 2 to wait after it, 3 to let the event loop have a turn.
        """
        kind = type(message)
        if (
            not self._can_send
            or (kind is not bytes and kind is not str)
            or len(message) >= self._threshold
            # The threshold counts bytes.
            or (self._compresses and kind is str and not message.isascii())
            or self._in_fragments
        ):
            return 0
        self._burst += 1
        self._sent += 1
        frames = self._frames
        if self._write_paused or len(message) >= _LARGE_BYTES:
            self._send_large(message)
        elif (
            (frames.filler is None or frames.filler is self)
            and not self._out
            and not self._handshake_out
        ):
            if not frames.add(message, self._masked):
                self.flush()
                frames.add(message, self._masked)
            frames.filler = self
            if self._corked:
                return 1
            self.flush()
        else:
            # Others go first; or another connection's frames are in there, corked.
            self._out.append(serialize_message(message, self._masked))
            self.flush()
        if self._write_paused:
            return 2
        return 3 if self._burst >= _BURST_MESSAGES else 1

    def _send_prepared(self, frames: bytes, size: float, count: int) -> bool:
        """Write frames made for many, the largest with so many bytes' payload.

        False, and nothing is done, if they cannot go from here as they are.
        """
        if (
            not self._can_send
            or self._masked
            or self._foreign
            or self._write_paused
            or self._in_fragments
            or (self._compresses and size >= self._threshold)
            or self._out
            or self._frames.filler is not None
        ):
            return False
        self._sent += count
        self._sent_bytes += len(frames)
        self._transport.write(frames)
        return True

    def _send_large(self, message: Any) -> None:
        if self._masked or self._foreign or self._write_paused:
            self._out.append(serialize_message(message, self._masked))
            self.flush()
            return
        self.flush()
        if self._write_paused or self._transport is None:
            self._out.append(serialize_message(message, False))
        else:
            head, payload = split_message(message)
            self._sent_bytes += len(head) + memoryview(payload).nbytes
            self._transport.write_both(head, payload)

    def flush(self) -> None:
        """Write what waits to be written, unless enough is on its way already."""
        frames = self._frames
        if frames.filler is self and (self._urgent or self._pongs):
            # Control frames go first, as ever.
            self._out.insert(0, bytes(frames))  # type: ignore[call-overload]
            frames.clear()
        if frames.filler is self:
            self._sent_bytes += frames.length
            try:
                if self._transport is None or self._transport.is_closing():
                    pass
                elif self._foreign:
                    self._transport.write(bytes(frames))  # type: ignore[call-overload]
                else:
                    self._transport.write_frames(frames)
            finally:
                frames.clear()
        if self._write_paused or self._transport is None:
            return
        if self._foreign and self._transport.is_closing():
            # It would refuse, and some refuse with an exception.
            self.protocol.data_to_send()
            self._handle_eof()
            return
        out = self._out
        waiting: Any
        data: Any
        if self._handshake_out or self._urgent or self._pongs:
            waiting = self.protocol.data_to_send()
        elif out:
            waiting = out[:]
            out.clear()
        else:
            return
        data = waiting[0] if len(waiting) == 1 else b"".join(waiting)
        self._sent_bytes += len(data)
        self._transport.write(data)
        # A transport of the event loop tells of a failed write only in its next turn.
        if self._foreign and self._transport.is_closing():
            self._handle_eof()

    # Compiled, those above are out of Python's sight: it would look for an override at each call.

    def _take(self) -> Optional[Item]:
        return self.take()

    def _wait(self) -> Waiter:
        return self.wait()

    def _get_buffer(self, sizehint: int) -> Buffer:
        return self.get_buffer()

    def _buffer_updated(self, nbytes: int) -> None:
        self.buffer_updated(nbytes)

    def _deliver(self, events: list[Any]) -> None:
        self.deliver(events)

    def _flush_messages(self) -> None:
        self.flush()

    # What a connection adds.

    def _receive_handshake(self, nbytes: int) -> None:
        raise NotImplementedError

    def _receive_control(self, events: list[Any]) -> None:
        raise NotImplementedError

    def _limit_queue(self) -> None:
        raise NotImplementedError

    def _resume_reading(self) -> None:
        raise NotImplementedError

    def _fail(self, error: Exception) -> None:
        raise NotImplementedError

    def _handle_eof(self) -> None:
        raise NotImplementedError
