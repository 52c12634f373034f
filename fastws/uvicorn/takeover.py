"""Plain TCP without the event loop's transport in between, which keeps the socket and lends it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Optional

from ..aio.hot import Poller, SocketTransport
from ..aio.poller import can_own_sockets

if TYPE_CHECKING:
    from ..aio import Connection

__all__ = ["take_over"]


class _LentSocket(socket.socket):
    """A socket that belongs to a transport, which closes it."""

    def __init__(self, transport: Any, fd: int) -> None:
        super().__init__(fileno=fd)
        self._transport = transport

    def close(self) -> None:
        self.detach()
        # It calls our connection_lost() then, as it always would.
        self._transport.close()

    def __del__(self) -> None:
        # Or the descriptor would be closed under the transport.
        self.detach()


def take_over(transport: Any, connection: Connection) -> bool:
    """Read and write the transport's socket ourselves from here on; False where that cannot be.

    TLS is the transport's business, and so is what it has not written yet.
    """
    fd = _plain_socket(transport)
    if fd is None or not can_own_sockets(connection.loop):
        return False
    transport.pause_reading()
    sock = _LentSocket(transport, fd)
    SocketTransport(connection.loop, sock, connection, Poller.of(connection.loop))
    return True


def _plain_socket(transport: Any) -> Optional[int]:
    """Return the descriptor of a transport that has nothing else to do with it."""
    sock = transport.get_extra_info("socket")
    if (
        sock is None
        or transport.get_extra_info("sslcontext") is not None
        or transport.is_closing()
        or transport.get_write_buffer_size()
    ):
        return None
    fd: int = sock.fileno()
    return fd if fd >= 0 else None
