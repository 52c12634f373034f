"""Sockets of our own under asyncio: we call recv and send, the event loop only tells when."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Optional, Union

from .hot import READABLE, WRITABLE, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._kernels import FrameBuffer
    from .poller import Poller
    from .records import Records

__all__ = ["SocketTransport", "Watched"]

# One connection's share of a turn: with more than this waiting, the others come first.
_READS_PER_TURN = 4

# Compiled, these are numbers of C.
_READ = READABLE
_WRITE = WRITABLE


class Watched:
    """Something with a descriptor that a ``Poller`` watches."""

    def on_ready(self, events: int) -> bool:
        """Act on readiness: READABLE, WRITABLE, or what else the system tells.

        Return whether it was so much that others may have to wait.
        """
        raise NotImplementedError


class SocketTransport(Watched):
    """A transport, as asyncio's, of one connection over a non-blocking socket.

    ``records`` encrypt and decrypt, after the TLS handshake.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        connection: Any,  # a Lifecycle; compiled, only its Channel is seen
        poller: Optional[Poller] = None,
        peername: Any = None,
        records: Optional[Records] = None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._connection = connection
        self._poller = poller
        self._wire = Wire(sock)
        self._records = records
        self._undecrypted = False  # something was left when reading paused
        self._backlog: Optional[deque[Union[bytes, memoryview]]] = None
        self._backlog_bytes = 0
        self._high = 64 * 1024
        self._low = 16 * 1024
        self._writing_paused = False
        self._events = _READ
        self._closing = False
        self._eof_wanted = False
        self._sockname: Any = None
        self._peername = peername
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if poller is None:
            loop.add_reader(self._fd, self._read_ready)
        else:
            poller.register(self._fd, self)
        connection._foreign = False
        connection._connection_made(self)
        if records is not None:
            # What came with the end of the handshake will not be told of again.
            self._decrypt(records)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "socket":
            return self._sock
        if name == "sockname":
            return self._sockname or self._ask(self._sock.getsockname)
        if name == "peername":
            return self._peername or self._ask(self._sock.getpeername)
        if self._records is not None:
            return self._records.get_extra_info(name) or default
        return default

    def _ask(self, name: Callable[[], Any]) -> Any:
        try:
            return name()
        except OSError:
            return None

    def on_ready(self, events: int) -> bool:
        much = False
        if events & ~_WRITE:  # errors and hang-ups show when reading
            if self._events & _READ:
                much = self._read_ready()
            elif not events & (_READ | _WRITE):
                self._lose(None)
        if events & _WRITE and self._events & _WRITE:
            self._write_ready()
        return much

    def _read_ready(self) -> bool:
        """Read this connection's share of a turn; return whether it filled a buffer."""
        reads = _READS_PER_TURN
        full = False
        while reads > 0:
            reads -= 1
            buffer: Any = self._buffer()
            try:
                nbytes = self._wire.receive(buffer)
            except OSError as error:
                self._lose(error)
                break
            if nbytes < 0:
                break
            full = nbytes == len(buffer)
            if self._records is not None:
                self._records.receive(buffer, nbytes)
                self._decrypt(self._records)
            elif nbytes == 0:
                self._end_stream()
            else:
                self._take(nbytes)
            # What was closed meanwhile may be somebody else's descriptor by now.
            if not full or self._fd < 0 or not self._events & _READ:
                break
        return full

    def _buffer(self) -> Any:
        # Encrypted bytes are copied from there before the connection needs it.
        return self._connection.get_buffer() if self._records is None else self._connection._buffer

    def _decrypt(self, records: Records) -> None:
        """Give the connection what can be decrypted."""
        try:
            while self._fd >= 0 and not self._closing:
                if not self._events & _READ:
                    self._undecrypted = True
                    break
                nbytes = records.decrypt(self._connection.get_buffer())
                if nbytes < 0:
                    break
                if nbytes == 0:
                    self._end_stream()
                    break
                self._take(nbytes)
        except OSError as error:
            self._lose(error)
            return
        reply = records.data_to_send()
        if reply:
            self._write(reply)

    def _take(self, nbytes: int) -> None:
        """Tell the connection what arrived in its buffer, and write what it answers."""
        self._connection.buffer_updated(nbytes)
        frames = self._connection._frames
        if frames.filler is self._connection:
            self._connection._sent_bytes += frames.length
            self.write_frames(frames)
            frames.clear()

    def _end_stream(self) -> None:
        if not self._connection._eof_received():
            self.close()
        elif not self._closing:
            self.pause_reading()

    def _watch(self, events: int) -> None:
        """Ask to be told of these events only."""
        if events == self._events or self._fd < 0:
            return
        changed = events ^ self._events
        self._events = events
        if self._poller is not None:
            self._poller.modify(self._fd, events)
            return
        if changed & _READ:
            if events & _READ:
                self._loop.add_reader(self._fd, self._read_ready)
            else:
                self._loop.remove_reader(self._fd)
        if changed & _WRITE:
            if events & _WRITE:
                self._loop.add_writer(self._fd, self._write_ready)
            else:
                self._loop.remove_writer(self._fd)

    def pause_reading(self) -> None:
        self._watch(self._events & ~_READ)

    def resume_reading(self) -> None:
        if not self._closing:
            self._watch(self._events | _READ)
            if self._undecrypted:
                self._undecrypted = False
                self._loop.call_soon(self._decrypt_rest)

    def _decrypt_rest(self) -> None:
        if self._records is not None:
            self._decrypt(self._records)

    def is_reading(self) -> bool:
        return bool(self._events & _READ)

    def write(self, data: Any) -> None:
        """Send what the socket takes at once; keep the rest."""
        if self._fd < 0:
            return
        if self._records is not None:
            self._encrypt(self._records, data)
        else:
            self._write(data)

    def _encrypt(self, records: Records, data: Any) -> None:
        try:
            data = records.encrypt(data)
        except OSError as error:
            self._lose(error)
            return
        self._write(data)

    def _write(self, data: Any) -> None:
        sent = 0
        if not self._backlog:
            try:
                sent = self._wire.send(data)
            except OSError as error:
                self._lose(error)
                return
            if sent == len(data):
                return
        self._keep(memoryview(data)[sent:] if sent else data)

    def write_frames(self, frames: FrameBuffer) -> None:
        """As ``write``, from a buffer that is used again right after."""
        if self._fd < 0:
            return
        if self._records is not None:
            self._encrypt(self._records, frames)
            return
        sent = 0
        if not self._backlog:
            try:
                sent = self._wire.send(frames)  # type: ignore[arg-type]
            except OSError as error:
                self._lose(error)
                return
            if sent == frames.length:
                return
        self._keep(bytes(frames)[sent:])  # type: ignore[call-overload]

    def write_both(self, head: bytes, payload: Any) -> None:
        """As ``write(head + payload)``, without making one of them."""
        if self._backlog or self._fd < 0 or self._records is not None:
            self.write(head)
            self.write(payload)
            return
        try:
            sent = self._wire.send_both(head, payload)
        except OSError as error:
            self._lose(error)
            return
        sent -= len(head)
        if sent < 0:
            self._keep(head[sent:])
            sent = 0
        size = memoryview(payload).nbytes
        if sent < size:
            self._keep(memoryview(payload)[sent:] if sent else memoryview(payload))

    def _keep(self, data: Any) -> None:
        """Write this when the socket takes more."""
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append(data)
        self._backlog_bytes += len(data)
        self._watch(self._events | _WRITE)
        if self._backlog_bytes > self._high and not self._writing_paused:
            self._writing_paused = True
            self._connection._pause_writing()

    def _write_ready(self) -> None:
        backlog: Any = self._backlog
        try:
            while backlog:
                data = backlog[0]
                sent = self._wire.send(data)
                self._backlog_bytes -= sent
                if sent < len(data):
                    backlog[0] = memoryview(data)[sent:]
                    break
                backlog.popleft()
        except OSError as error:
            self._lose(error)
            return
        if not backlog:
            self._backlog = None
            self._watch(self._events & ~_WRITE)
        if self._writing_paused and self._backlog_bytes <= self._low:
            self._writing_paused = False
            self._connection._resume_writing()
        if not self._backlog:
            if self._closing:
                self._lose(None)
            elif self._eof_wanted:
                self._shutdown()

    def get_write_buffer_size(self) -> int:
        return self._backlog_bytes

    def set_write_buffer_limits(
        self, high: Optional[int] = None, low: Optional[int] = None
    ) -> None:
        self._high = 64 * 1024 if high is None else high
        self._low = self._high // 4 if low is None else low

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._say_goodbye()
        self._eof_wanted = True
        if not self._backlog:
            self._shutdown()

    def _shutdown(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                self._lose(error)

    def _say_goodbye(self) -> None:
        if self._records is not None and self._fd >= 0:
            goodbye = self._records.goodbye()
            if goodbye:
                self._write(goodbye)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Close when everything is written."""
        if self._closing:
            return
        self._say_goodbye()
        self._closing = True
        if not self._backlog:
            self._lose(None)
        else:
            self._watch(_WRITE)

    def abort(self) -> None:
        self._lose(None)

    def _lose(self, error: Optional[Exception]) -> None:
        """Close now, whatever waits to be written."""
        if self._fd < 0:
            return
        self._closing = True
        if self._poller is not None:
            self._poller.unregister(self._fd)
        else:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
        self._fd = -1
        self._backlog = None
        self._backlog_bytes = 0
        # Who the other side was is asked for later, too.
        self._sockname = self.get_extra_info("sockname")
        self._peername = self.get_extra_info("peername")
        self._sock.close()
        # Nothing can be sent from here on; whoever tries without ever waiting must hear of it.
        self._connection._handle_eof()
        # Not at once: whoever is on the stack must not find the connection gone under its feet.
        self._loop.call_soon(self._connection._connection_lost, error)
