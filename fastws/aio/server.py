"""A WebSocket server on an asyncio event loop."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import socket
import ssl as ssl_module
from typing import TYPE_CHECKING, Any, Optional, Union

from .._kernels import serialize_close
from ..frames import CloseCode, State
from ..http11 import SERVER
from ..listeners import open_unix_listener
from ..options import ServerOptions, check_port, water_marks
from .broadcast import broadcast
from .hot import run_stepped
from .lifecycle import TransportProtocol
from .listening import SocketServer, open_listeners
from .poller import can_own_sockets
from .server_connection import ServerConnection, basic_auth
from .stats import Tally

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from ..handshake import Origins
    from ..options import Compression, Limit
    from .server_connection import Handler, ProcessRequest, ProcessResponse, SelectSubprotocol
    from .stats import ServerStats

__all__ = ["Server", "ServerConnection", "basic_auth", "broadcast", "serve", "unix_serve"]


# Arguments of create_server that we know what to do with; any other needs the event loop's own.
_OWN_ARGUMENTS = {
    "backlog", "family", "flags", "path", "reuse_address", "reuse_port", "sock", "ssl",
    "ssl_handshake_timeout", "start_serving",
}  # fmt: skip

# How often a server that drains looks whose turn it is.
_DRAIN_STEP_SECONDS = 0.01


class Server:
    """A running server, as ``serve`` makes it.

    ``async with`` closes it at the end; ``serve_forever`` runs until it is cancelled.
    """

    def __init__(
        self,
        handler: Handler,
        options: ServerOptions,
        *,
        select_subprotocol: Optional[SelectSubprotocol],
        process_request: Optional[ProcessRequest],
        process_response: Optional[ProcessResponse],
        max_queue: Limit,
        write_limit: Limit,
        write_timeout: Optional[float],
        logger: Optional[logging.Logger],
        create_connection: Optional[type[ServerConnection]],
    ) -> None:
        self._handler = handler
        self._options = options
        self._select_subprotocol = select_subprotocol
        self._process_request = process_request
        self._process_response = process_response
        self._max_queue = max_queue
        self._write_limit = water_marks(write_limit, "write_limit")
        self._write_timeout = write_timeout
        self._create_connection = create_connection or ServerConnection
        self.logger = logger or logging.getLogger("fastws.server")
        # Each with the task of its handler, which the event loop itself holds only weakly.
        self._connections: dict[ServerConnection, Optional[asyncio.Task[None]]] = {}
        self._tally = Tally()
        self._empty: Optional[asyncio.Future[None]] = None
        self._close_called = asyncio.Event()
        self._closing: Optional[asyncio.Task[None]] = None
        self._server: Union[asyncio.Server, SocketServer]

    def _factory(self) -> asyncio.BaseProtocol:
        return TransportProtocol(self._create_connection(self))

    def _start(self, connection: ServerConnection, coroutine: Coroutine[Any, Any, None]) -> None:
        self._connections[connection] = run_stepped(connection.loop, coroutine)

    def _lose(self, connection: ServerConnection) -> None:
        """Forget a connection that is gone when its handler is done, too."""
        self._tally.add(connection)
        task = self._connections.get(connection)
        if task is None or task.done():
            self._forget(connection)
        else:
            task.add_done_callback(lambda task: self._forget(connection))

    def _forget(self, connection: ServerConnection) -> None:
        self._connections.pop(connection, None)
        if self._empty is not None and not self._connections and not self._empty.done():
            self._empty.set_result(None)

    @property
    def connections(self) -> set[ServerConnection]:
        """The connections that are open now."""
        return {ws for ws in self._connections if ws.state is State.OPEN}

    def stats(self) -> ServerStats:
        """Return what happened since the server was made, and how it is now."""
        return self._tally.stats(self._connections)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The sockets that listen; their ``getsockname()`` tells which port was given."""
        return tuple(self._server.sockets)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop the server runs on."""
        return self._server.get_loop()

    def is_serving(self) -> bool:
        """Whether new connections are accepted."""
        return self._server.is_serving()

    async def start_serving(self) -> None:
        """Start to accept connections, after ``serve(..., start_serving=False)``."""
        await self._server.start_serving()

    async def serve_forever(self) -> None:
        """Accept connections until ``close`` is called; close when this is cancelled."""
        try:
            await self.start_serving()
            await self._close_called.wait()
        finally:
            self.close()
            await self.wait_closed()

    def close(
        self,
        close_connections: bool = True,
        code: int = CloseCode.GOING_AWAY,
        reason: str = "",
    ) -> None:
        """Stop accepting; close every connection with ``code`` and ``reason``; return at once.

        ``close_connections=False`` lets open ones go on. ``wait_closed`` waits for the end.
        """
        if self._closing is None:
            serialize_close(code, reason)  # a wrong argument is an error here
            self._closing = self.get_loop().create_task(
                self._close(close_connections, code, reason)
            )
            self._close_called.set()

    async def _close(self, close_connections: bool, code: int, reason: str) -> None:
        self._server.close()
        # Connections accepted just now get their connection_made() first.
        await asyncio.sleep(0)
        for connection in list(self._connections):
            if connection._lost:
                continue
            if connection.state is State.CONNECTING:
                connection._refuse()
            elif close_connections:
                connection._start_closing(code, reason)
        if self._connections:
            self._empty = self.get_loop().create_future()
            await self._empty

    async def drain(
        self, seconds: float, code: int = CloseCode.GOING_AWAY, reason: str = ""
    ) -> None:
        """Stop accepting, and close one connection after the other over so many seconds.

        Clients that connect again at once then do not all do so together. Returns when all are
        closed, as after ``close`` and ``wait_closed``; ``close`` meanwhile ends it early.
        """
        serialize_close(code, reason)
        self._server.close()
        await asyncio.sleep(0)
        left = list(self.connections)
        random.shuffle(left)
        start = self.get_loop().time()
        total = len(left)
        while left and self._closing is None:
            await asyncio.sleep(min(_DRAIN_STEP_SECONDS, seconds))
            passed = (self.get_loop().time() - start) / seconds if seconds > 0 else 1.0
            due = total if passed >= 1 else int(total * passed)
            while total - len(left) < due:
                left.pop()._start_closing(code, reason)
        self.close(code=code, reason=reason)
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Wait until ``close`` was called and is done: no connection and no handler is left."""
        await self._close_called.wait()
        assert self._closing is not None
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()
        await self.wait_closed()


class serve:
    """Start a server: ``async with serve(handler, host, port) as server``, or ``await serve(...)``.

    ``handler(ws)`` runs for each connection, which is closed when it returns. ``process_request(ws,
    request)`` may return a ``Response`` instead of the WebSocket connection (``ws.respond`` makes
    one); ``process_response(ws, request, response)`` may change or replace the answer.
    ``select_subprotocol(ws, offered)`` chooses one, or None. ``compression`` is "deflate", None or
    a ``Deflate``. ``max_queue`` (messages) and ``write_limit`` (bytes) are high-water marks, or
    pairs of high and low. Timeouts are in seconds; None turns one off. Other keyword arguments go
    to the event loop's ``create_server``: ``ssl``, ``sock``, ``reuse_port``, ``backlog``, ...

    Raises ValueError or TypeError for a wrong argument; and, awaited or entered, OSError when it
    cannot listen there.
    """

    def __init__(
        self,
        handler: Handler,
        host: Union[str, Sequence[str], None] = None,
        port: Optional[int] = None,
        *,
        origins: Optional[Origins] = None,
        subprotocols: Optional[Sequence[str]] = None,
        select_subprotocol: Optional[SelectSubprotocol] = None,
        compression: Compression = "deflate",
        process_request: Optional[ProcessRequest] = None,
        process_response: Optional[ProcessResponse] = None,
        server_header: Optional[str] = SERVER,
        open_timeout: Optional[float] = 10,
        ping_interval: Optional[float] = 20,
        ping_timeout: Optional[float] = 20,
        close_timeout: Optional[float] = 10,
        write_timeout: Optional[float] = 60,
        max_size: Optional[int] = 1024 * 1024,
        max_fragments: Optional[int] = None,
        max_queue: Limit = 16,
        write_limit: Limit = 32 * 1024,
        decode: bool = True,
        logger: Optional[logging.Logger] = None,
        create_connection: Optional[type[ServerConnection]] = None,
        **kwargs: Any,
    ) -> None:
        options = ServerOptions(
            origins=origins,
            subprotocols=subprotocols,
            compression=compression,
            server_header=server_header,
            open_timeout=open_timeout,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            max_size=max_size,
            max_fragments=max_fragments,
            decode=decode,
        )
        check_port(port)
        water_marks(max_queue, "max_queue")
        water_marks(write_limit, "write_limit")
        self._host = host
        self._port = port
        self._unix = kwargs.pop("unix", False)
        if kwargs.get("ssl") is not None and open_timeout is not None:
            kwargs.setdefault("ssl_handshake_timeout", open_timeout)
        self._kwargs = kwargs
        self._make_server = functools.partial(
            Server,
            handler,
            options,
            select_subprotocol=select_subprotocol,
            process_request=process_request,
            process_response=process_response,
            max_queue=max_queue,
            write_limit=write_limit,
            write_timeout=write_timeout,
            logger=logger,
            create_connection=create_connection,
        )
        self._server: Optional[Server] = None

    async def _start(self) -> Server:
        loop = asyncio.get_running_loop()
        server = self._make_server()
        kwargs = self._kwargs.copy()
        if can_own_sockets(loop) and set(kwargs) <= _OWN_ARGUMENTS:
            server._server = await self._listen(server, loop, **kwargs)
        elif self._unix:
            server._server = await loop.create_unix_server(server._factory, **kwargs)
        else:
            server._server = await loop.create_server(
                server._factory, self._host, self._port, **kwargs
            )
        for sock in server._server.sockets:
            server.logger.info("server listening on %s", sock.getsockname())
        return server

    async def _listen(
        self,
        server: Server,
        loop: asyncio.AbstractEventLoop,
        *,
        sock: Optional[socket.socket] = None,
        path: Optional[str] = None,
        backlog: int = 100,
        ssl: Optional[ssl_module.SSLContext] = None,
        ssl_handshake_timeout: Optional[float] = None,
        start_serving: bool = True,
        **kwargs: Any,
    ) -> SocketServer:
        if ssl is not None and not isinstance(ssl, ssl_module.SSLContext):
            raise TypeError(f"ssl must be an ssl.SSLContext, not {ssl!r}")
        if sock is not None:
            if sock.type != socket.SOCK_STREAM:
                raise ValueError(f"sock must be a stream socket, not {sock!r}")
            sockets = [sock]
        elif self._unix:
            sockets = [open_unix_listener(path)]
        else:
            sockets = await open_listeners(loop, self._host, self._port, **kwargs)
        listening = SocketServer(
            loop, sockets, lambda: server._create_connection(server), backlog, server.logger,
            ssl, ssl_handshake_timeout,
        )  # fmt: skip
        if start_serving:
            await listening.start_serving()
        return listening

    def __await__(self) -> Generator[Any, None, Server]:
        return self._start().__await__()

    async def __aenter__(self) -> Server:
        self._server = await self._start()
        return self._server

    async def __aexit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        assert self._server is not None
        await self._server.__aexit__(exc_type, exc_value, traceback)


def unix_serve(handler: Handler, path: Optional[str] = None, **kwargs: Any) -> serve:
    """Start a server on a Unix socket; other arguments are as for ``serve``."""
    return serve(handler, unix=True, path=path, **kwargs)
