"""Bytes in and out of plain sockets; `fastws/_wire.pyx` is the twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from typing_extensions import Buffer

__all__ = ["Wire"]


class Wire:
    """Bytes in and out of a connected non-blocking socket. Errors of the system are OSError."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def receive(self, buffer: Buffer) -> int:
        """Fill a writable buffer; return how many bytes, 0 at the end, -1 if there are none yet."""
        try:
            return self._sock.recv_into(buffer)
        except BlockingIOError:
            return -1

    def send(self, data: Buffer) -> int:
        """Return how many bytes were taken, 0 for none."""
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0

    def send_both(self, first: Buffer, second: Buffer) -> int:
        """Send two pieces as one; return how many bytes were taken of both together."""
        try:
            return self._sock.sendmsg([first, second])
        except BlockingIOError:
            return 0
