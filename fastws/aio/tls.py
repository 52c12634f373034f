"""The TLS handshake on sockets of our own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Optional

from .hot import READABLE, WRITABLE, Poller, Records, SocketTransport, Watched, Wire

if TYPE_CHECKING:
    import socket
    import ssl

    from .connection import Connection

__all__ = ["TLSHandshake"]


class TLSHandshake(Watched):
    """Shake hands on a connected socket; then give it to a ``SocketTransport``, and end.

    ``done`` is a future; a server's connections log what goes wrong.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        connection: Connection,
        context: ssl.SSLContext,
        *,
        server_hostname: Optional[str] = None,
        poller: Optional[Poller] = None,
        peername: Any = None,
        timeout: Optional[float] = None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._connection = connection
        self._poller = poller
        self._peername = peername
        self._records = Records(context, poller is not None, server_hostname)
        self._wire = Wire(sock)
        self._unsent = b""
        self._left = False  # ``done`` may be cancelled by whoever waits for it
        self.done: asyncio.Future[None] = loop.create_future()
        self._timer = None if timeout is None else loop.call_later(timeout, self._give_up)
        if poller is None:
            loop.add_reader(sock.fileno(), self.on_ready, READABLE)
        else:
            poller.register(sock.fileno(), self)
        self._go_on()

    def on_ready(self, events: int) -> bool:
        try:
            if events & WRITABLE:
                self._send(b"")
            if events & ~WRITABLE:
                self._receive()
        except (OSError, ValueError) as error:
            self._fail(error)
        return True  # signatures take long

    def _receive(self) -> None:
        buffer = self._connection._buffer
        nbytes = self._wire.receive(buffer)
        if nbytes < 0:
            return
        if nbytes == 0:
            raise ConnectionResetError("the peer closed during the TLS handshake")
        self._records.receive(buffer, nbytes)
        self._go_on()

    def _go_on(self) -> None:
        try:
            finished = self._records.shake_hands()
        except (OSError, ValueError) as error:
            self._try_to_tell()
            self._fail(error)
            return
        self._send(self._records.data_to_send())
        if finished and not self._unsent:
            self._finish()

    def _send(self, data: bytes) -> None:
        data = self._unsent + data
        self._unsent = data[self._wire.send(data) :] if data else b""
        if self._poller is not None:
            self._poller.modify(
                self._sock.fileno(), READABLE | WRITABLE if self._unsent else READABLE
            )
        elif self._unsent:
            self._loop.add_writer(self._sock.fileno(), self.on_ready, WRITABLE)
        else:
            self._loop.remove_writer(self._sock.fileno())

    def _try_to_tell(self) -> None:
        """Send the alert that says what is wrong, if the socket takes it."""
        with contextlib.suppress(OSError):  # the peer is gone, or will find out by our leaving
            self._wire.send(self._records.data_to_send())

    def _finish(self) -> None:
        self._leave()
        # If this was the last one in it, the poller is gone.
        poller = None if self._poller is None else Poller.of(self._loop)
        SocketTransport(
            self._loop, self._sock, self._connection, poller, self._peername, self._records
        )
        if not self.done.done():
            self.done.set_result(None)

    def _leave(self) -> None:
        self._left = True
        if self._timer is not None:
            self._timer.cancel()
        if self._poller is not None:
            self._poller.unregister(self._sock.fileno())
        else:
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())

    def _give_up(self) -> None:
        self._fail(TimeoutError("timed out during the TLS handshake"))

    def _fail(self, error: Exception) -> None:
        self._leave()
        self._sock.close()
        if self._poller is not None:
            self._connection.logger.info("TLS handshake failed: %s", error)
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # on a server nobody else asks

    def abort(self) -> None:
        """Give up a handshake that nobody waits for any more."""
        if not self._left:
            self._fail(ConnectionAbortedError("the TLS handshake was given up"))
