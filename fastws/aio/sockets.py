"""Plain sockets of our own under asyncio: we call recv and send, the event loop only tells when.

A loop's server connections are registered in one epoll (or kqueue) object, and that one object in
the event loop, so a turn of the loop serves every connection that is ready.
"""

from __future__ import annotations

import asyncio
import errno
import select
import socket
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Optional, Union

if TYPE_CHECKING:
    from collections.abc import Callable

    from .channel import Channel

__all__ = ["Poller", "SocketTransport", "can_own_sockets"]

# One connection's share of a turn: with more than this waiting, the others come first.
_READS_PER_TURN = 4

# How often a turn looks for more connections that are ready.
_ROUNDS_PER_TURN = 4

_READ = 1
_WRITE = 4


def can_own_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this loop tells when a descriptor is ready, and the system has epoll or so."""
    return not hasattr(loop, "_proactor") and (
        hasattr(select, "epoll") or hasattr(select, "kqueue")
    )


class _Kqueue:
    """What we use of ``select.epoll``, with kqueue."""

    def __init__(self) -> None:
        self._queue = select.kqueue()  # type: ignore[attr-defined]
        self._events: dict[int, int] = {}

    def fileno(self) -> int:
        return int(self._queue.fileno())

    def close(self) -> None:
        self._queue.close()

    def register(self, fd: int, events: int) -> None:
        self._events[fd] = 0
        self.modify(fd, events)

    def modify(self, fd: int, events: int) -> None:
        changed = self._events[fd] ^ events
        self._events[fd] = events
        kq: Any = select
        for bit, kind in ((_READ, kq.KQ_FILTER_READ), (_WRITE, kq.KQ_FILTER_WRITE)):
            if changed & bit:
                flag = kq.KQ_EV_ADD if events & bit else kq.KQ_EV_DELETE
                self._queue.control([kq.kevent(fd, kind, flag)], 0)

    def unregister(self, fd: int) -> None:
        self.modify(fd, 0)
        del self._events[fd]

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        kq: Any = select
        return [
            (event.ident, _READ if event.filter == kq.KQ_FILTER_READ else _WRITE)
            for event in self._queue.control(None, 256, timeout)
        ]


class Poller:
    """The one object that a loop's server connections are registered in."""

    _pollers: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Poller]] = (
        weakref.WeakKeyDictionary()
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._poll: Any = select.epoll() if hasattr(select, "epoll") else _Kqueue()
        self._ready: dict[int, Callable[[int], None]] = {}
        loop.add_reader(self._poll.fileno(), self._serve_ready)

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Poller:
        """Return the loop's poller; it goes when its last file descriptor does."""
        poller = cls._pollers.get(loop)
        if poller is None:
            poller = cls._pollers[loop] = Poller(loop)
        return poller

    def register(self, fd: int, ready: Callable[[int], None]) -> None:
        """Have ``ready(events)`` called when there is something to read."""
        self._ready[fd] = ready
        self._poll.register(fd, _READ)

    def modify(self, fd: int, events: int) -> None:
        self._poll.modify(fd, events)

    def unregister(self, fd: int) -> None:
        del self._ready[fd]
        self._poll.unregister(fd)
        if not self._ready:
            del self._pollers[self._loop]
            if not self._loop.is_closed():
                self._loop.remove_reader(self._poll.fileno())
            self._poll.close()

    def _serve_ready(self) -> None:
        ready = self._ready
        for _ in range(_ROUNDS_PER_TURN):
            batch = self._poll.poll(0)
            for fd, events in batch:
                # One that is ready may have closed another that was.
                callback = ready.get(fd)
                if callback is not None:
                    callback(events)
            # While some were served others became ready, most likely: asking costs less than a turn
            # of the loop. What else the loop has to do waits for a few rounds at most.
            if not batch or not ready:
                return


class SocketTransport:
    """A transport, as asyncio's, of one connection over a plain non-blocking socket."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        connection: Channel,
        poller: Optional[Poller] = None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._connection = connection
        self._poller = poller
        self._recv_into = sock.recv_into
        self._send = sock.send
        self._backlog: deque[Union[bytes, memoryview]] = deque()
        self._backlog_bytes = 0
        self._high = 64 * 1024
        self._low = 16 * 1024
        self._writing_paused = False
        self._events = _READ
        self._closing = False
        self._eof_wanted = False
        self._extra = {"socket": sock, "sockname": sock.getsockname()}
        try:
            self._extra["peername"] = sock.getpeername()
        except OSError:
            self._extra["peername"] = None
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if poller is None:
            loop.add_reader(self._fd, self._read_ready)
        else:
            poller.register(self._fd, self._on_ready)
        connection._foreign = False
        connection._connection_made(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._extra.get(name, default)

    def _on_ready(self, events: int) -> None:
        if events & ~_WRITE:  # errors and hang-ups show when reading
            if self._events & _READ:
                self._read_ready()
            elif not events & (_READ | _WRITE):
                self._lose(None)
        if events & _WRITE and self._events & _WRITE:
            self._write_ready()

    def _read_ready(self) -> None:
        for _ in range(_READS_PER_TURN):
            buffer: Any = self._connection._get_buffer(-1)
            try:
                nbytes = self._recv_into(buffer)
            except BlockingIOError:
                return
            except OSError as error:
                self._lose(error)
                return
            if nbytes == 0:
                if not self._connection._eof_received():
                    self.close()
                elif not self._closing:
                    self.pause_reading()
                return
            full = nbytes == len(buffer)
            self._connection._buffer_updated(nbytes)
            if not full or not self._events & _READ:
                return

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

    def is_reading(self) -> bool:
        return bool(self._events & _READ)

    def write(self, data: Any) -> None:
        """Send what the socket takes at once; keep the rest."""
        if self._fd < 0:
            return
        if not self._backlog:
            try:
                sent = self._send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._lose(error)
                return
            if sent == len(data):
                return
            data = memoryview(data)[sent:]
            self._watch(self._events | _WRITE)
        self._backlog.append(data)
        self._backlog_bytes += len(data)
        if self._backlog_bytes > self._high and not self._writing_paused:
            self._writing_paused = True
            self._connection._pause_writing()

    def _write_ready(self) -> None:
        backlog = self._backlog
        try:
            while backlog:
                data = backlog[0]
                sent = self._send(data)
                self._backlog_bytes -= sent
                if sent < len(data):
                    backlog[0] = memoryview(data)[sent:]
                    break
                backlog.popleft()
        except BlockingIOError:
            pass
        except OSError as error:
            self._lose(error)
            return
        if not backlog:
            self._watch(self._events & ~_WRITE)
        if self._writing_paused and self._backlog_bytes <= self._low:
            self._writing_paused = False
            self._connection._resume_writing()
        if not backlog:
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
        self._eof_wanted = True
        if not self._backlog:
            self._shutdown()

    def _shutdown(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                self._lose(error)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Close when everything is written."""
        if self._closing:
            return
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
        self._backlog.clear()
        self._backlog_bytes = 0
        self._sock.close()
        # Nothing can be sent from here on; whoever tries without ever waiting must hear of it.
        self._connection._handle_eof()
        # Not at once: whoever is on the stack must not find the connection gone under its feet.
        self._loop.call_soon(self._connection._connection_lost, error)
