"""Listening sockets of our own under asyncio, with the interface of ``asyncio.Server``."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import sys
from typing import TYPE_CHECKING, Any, Optional, Union

from .hot import Poller, SocketTransport, Watched
from .tls import TLSHandshake

if TYPE_CHECKING:
    import logging
    import ssl
    from collections.abc import Callable, Iterable, Sequence

    from .connection import Connection

__all__ = ["SocketServer", "open_listeners", "resolve"]

# Accepted in one turn of the loop; the rest waits until connections that are open had their turn.
_ACCEPTS_PER_TURN = 64


class _Listener(Watched):
    def __init__(self, server: SocketServer, sock: socket.socket) -> None:
        self._server = server
        self.accept = sock.accept
        self._others = select.poll()
        self._others.register(sock, select.POLLIN)

    def on_ready(self, events: int) -> bool:
        self._server.accept(self)
        return False

    def has_more(self) -> bool:
        """Whether others wait. To accept when nobody does costs a good part of a handshake."""
        return bool(self._others.poll(0))


class SocketServer:
    """Accept connections, and give each one a ``SocketTransport``."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: Sequence[socket.socket],
        make_connection: Callable[[], Connection],
        backlog: int,
        logger: logging.Logger,
        context: Optional[ssl.SSLContext] = None,
        handshake_timeout: Optional[float] = None,
    ) -> None:
        self._loop = loop
        self._sockets = list(sockets)
        self._make_connection = make_connection
        self._backlog = backlog
        self._logger = logger
        self._context = context
        self._handshake_timeout = handshake_timeout
        self._handshakes: set[TLSHandshake] = set()
        self._serving = False
        self._poller: Optional[Poller] = None
        self._paused: Optional[asyncio.TimerHandle] = None

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        return tuple(self._sockets)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def is_serving(self) -> bool:
        return self._serving

    async def start_serving(self) -> None:
        if self._serving:
            return
        self._serving = True
        for sock in self._sockets:
            sock.setblocking(False)
            sock.listen(self._backlog)
        self._watch()

    async def serve_forever(self) -> None:
        await self.start_serving()
        await self._loop.create_future()  # until cancelled

    def close(self) -> None:
        self._unwatch()
        if self._paused is not None:
            self._paused.cancel()
        self._serving = False
        for sock in self._sockets:
            sock.close()
        self._sockets = []
        for handshake in list(self._handshakes):
            handshake.abort()

    def _watch(self) -> None:
        self._paused = None
        self._poller = Poller.of(self._loop)
        for sock in self._sockets:
            self._poller.register(sock.fileno(), _Listener(self, sock))

    def _unwatch(self) -> None:
        if self._poller is not None:
            for sock in self._sockets:
                self._poller.unregister(sock.fileno())
            self._poller = None

    def accept(self, listener: _Listener) -> None:
        """Accept who waits at one of the sockets."""
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, peername = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Out of file descriptors or memory: accepting would fail at once again.
                self._logger.error("cannot accept connections for a second", exc_info=error)
                self._unwatch()
                self._paused = self._loop.call_later(1, self._watch)
                return
            try:
                sock.setblocking(False)
                assert self._poller is not None
                self._begin(sock, peername)
            except Exception as error:
                self._logger.error("cannot serve a connection", exc_info=error)
                sock.close()
            if self._poller is None or not listener.has_more():
                return

    def _begin(self, sock: socket.socket, peername: Any) -> None:
        connection = self._make_connection()
        if self._context is None:
            SocketTransport(self._loop, sock, connection, self._poller, peername)
        else:
            handshake = TLSHandshake(
                self._loop, sock, connection, self._context,
                poller=self._poller, peername=peername, timeout=self._handshake_timeout,
            )  # fmt: skip
            self._handshakes.add(handshake)
            handshake.done.add_done_callback(lambda _: self._handshakes.discard(handshake))


async def resolve(
    loop: asyncio.AbstractEventLoop, host: Optional[str], port: Optional[int], **kwargs: int
) -> list[Any]:
    """Return what ``getaddrinfo`` says; for a numeric address without a thread of the loop's."""
    kwargs.setdefault("type", socket.SOCK_STREAM)
    flags = kwargs.pop("flags", 0)
    if host:
        with contextlib.suppress(OSError):
            numeric = flags | socket.AI_NUMERICHOST
            return list(socket.getaddrinfo(host, port, flags=numeric, **kwargs))
    return await loop.getaddrinfo(host or None, port, flags=flags, **kwargs)


async def open_listeners(
    loop: asyncio.AbstractEventLoop,
    host: Union[str, Iterable[str], None],
    port: Optional[int],
    *,
    family: int = socket.AF_UNSPEC,
    flags: int = socket.AI_PASSIVE,
    reuse_address: Optional[bool] = None,
    reuse_port: Optional[bool] = None,
) -> list[socket.socket]:
    """Return sockets bound to every address of the host or hosts; None is all interfaces."""
    hosts = [host] if host is None or isinstance(host, str) else list(host)
    addresses: dict[Any, None] = {}
    for name in hosts:
        for info in await resolve(loop, name, port, family=family, flags=flags):
            addresses[(info[0], info[2], info[4])] = None
    listeners: list[socket.socket] = []
    try:
        for kind, proto, address in addresses:
            try:
                listener = socket.socket(kind, socket.SOCK_STREAM, proto)
            except OSError:
                continue  # the host knows an address family that the system does not
            listeners.append(listener)
            if reuse_address or (reuse_address is None and sys.platform != "win32"):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if kind == socket.AF_INET6:
                # Or "all interfaces" could not have a socket for IPv4 too.
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                listener.bind(address)
            except OSError as error:
                raise OSError(
                    error.errno,
                    f"cannot listen on {address[0]} port {address[1]}: {error.strerror}",
                ) from None
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    if not listeners:
        raise OSError(f"no address of {host!r} can be listened on")
    return listeners
