"""Bytes in and out of a blocking socket, with time limits, for one reader and one writer thread."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import sys
import threading
from typing import TYPE_CHECKING, Any, Union

from .channel import LOOK_SECONDS
from .hot import BlockingWire

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Stream", "open_stream"]


class Stream:
    """A socket that never blocks; waiting is done with ``select``, which gevent replaces too."""

    wire: Any = None  # what may be used for ``recv_into`` of the longest time, and for ``send``

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)

    def recv_into(self, buffer: Buffer, seconds: float) -> int:
        """Return how many bytes came, 0 at the end of the stream, or -1 if none came in time."""
        try:
            return self.sock.recv_into(buffer)
        except BlockingIOError:
            pass
        if not self.wait(seconds, read=True):
            return -1
        try:
            return self.sock.recv_into(buffer)
        except BlockingIOError:
            return -1

    def send(self, data: Union[bytes, memoryview]) -> int:
        """Return how many bytes were taken, 0 if none can be now."""
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    def wait(self, seconds: float, *, read: bool = False, write: bool = False) -> bool:
        """Wait for the socket to be ready; False if the time passed first."""
        seconds = max(seconds, 0)
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(
                self.sock, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0)
            )
            return bool(poll.poll(min(seconds, 86400) * 1000))
        readable, writable, failed = select.select(
            [self.sock] if read else [],
            [self.sock] if write else [],
            [self.sock] if write else [],
            min(seconds, 86400),
        )
        return bool(readable or writable or failed)

    def send_eof(self) -> None:
        """Close our direction; go on reading."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """End both directions; what has arrived can still be read, then comes the end."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, and wake a thread that waits in ``recv_into``."""
        self.abort()
        self.sock.close()


class BlockingStream(Stream):
    """A plain socket that blocks in ``recv`` itself, which saves a system call per message."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(True)
        seconds = struct.pack("@ll", int(LOOK_SECONDS), 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)
        if BlockingWire is not None:
            self.wire = BlockingWire(sock)

    def recv_into(self, buffer: Buffer, seconds: float) -> int:
        if seconds < LOOK_SECONDS and not self.wait(seconds, read=True):
            return -1
        try:
            return self.sock.recv_into(buffer)
        except BlockingIOError:
            return -1

    def send(self, data: Union[bytes, memoryview]) -> int:
        try:
            return self.sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0


class TLSStream(Stream):
    """A TLS socket: OpenSSL allows one thread at a time, so no call may block inside it."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock)
        self._lock = threading.Lock()

    def recv_into(self, buffer: Buffer, seconds: float) -> int:
        for attempt in (True, False):
            try:
                with self._lock:
                    return self.sock.recv_into(buffer)
            except ssl.SSLWantReadError:
                ready = attempt and self.wait(seconds, read=True)
            except ssl.SSLWantWriteError:
                ready = attempt and self.wait(seconds, write=True)
            except ssl.SSLEOFError:
                return 0
            except RuntimeError as error:
                raise _unnamed(error) from error
            if not ready:
                break
        return -1

    def send(self, data: Union[bytes, memoryview]) -> int:
        try:
            with self._lock:
                return self.sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except RuntimeError as error:
            raise _unnamed(error) from error

    def abort(self) -> None:
        # Not SSLSocket.shutdown(), after which it would hand out what is still encrypted.
        with contextlib.suppress(OSError):
            super(ssl.SSLSocket, self.sock).shutdown(socket.SHUT_RDWR)  # type: ignore[misc]

    def send_eof(self) -> None:
        # TLS says goodbye with close_notify; the peer's own is read as the end of its stream.
        try:
            with self._lock:
                self.sock.unwrap()  # type: ignore[attr-defined]
        except (OSError, ValueError, RuntimeError):  # RuntimeError: see _unnamed
            pass


def _unnamed(error: RuntimeError) -> OSError:
    """Return what PyPy's ssl meant: it fails to name the system's errors on a broken connection."""
    return ConnectionResetError(f"connection reset: {error}")


def open_stream(sock: socket.socket) -> Stream:
    """Return the fastest kind of stream that is right for a socket."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        # A message is sent when it is there, not when the last one was acknowledged.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if isinstance(sock, ssl.SSLSocket):
        return TLSStream(sock)
    # Under gevent, socket.socket is another class, whose recv() must not block the thread.
    patched = socket.socket.__module__ != "socket" or type(sock).__module__ != "socket"
    if patched or sys.platform == "win32" or not hasattr(socket, "MSG_DONTWAIT"):
        return Stream(sock)
    return BlockingStream(sock)
