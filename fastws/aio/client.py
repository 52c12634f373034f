"""A WebSocket client on an asyncio event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl as ssl_module
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Optional, Union

from ..frames import State
from ..http11 import USER_AGENT
from ..options import ClientOptions, water_marks
from ..proxy import find_proxy, open_proxy, raise_proxy_error
from ..reconnect import Retries, backoff, process_exception
from ..secure import default_context
from ..uri import parse_uri
from .connection import Connection, retrieve_exception
from .hot import SocketTransport
from .lifecycle import TransportProtocol
from .listening import resolve
from .poller import can_own_sockets
from .tls import TLSHandshake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Sequence
    from types import TracebackType
    from typing import Literal

    from ..headers import HeadersLike
    from ..options import Compression, Limit
    from ..protocol import Event
    from ..uri import URI

__all__ = ["ClientConnection", "connect", "unix_connect"]


# Arguments of create_connection that we know what to do with; any other needs the loop's own.
_OWN_ARGUMENTS = {"family", "host", "path", "port", "server_hostname", "sock", "ssl", "unix"}


class ClientConnection(Connection):
    """A connection that ``connect`` opened to a server."""

    __slots__ = ("_answered",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._answered: asyncio.Future[None] = self.loop.create_future()
        # Nobody asks for its exception if connecting was cancelled.
        self._answered.add_done_callback(retrieve_exception)

    def _connection_made(self, transport: asyncio.BaseTransport) -> None:
        super()._connection_made(transport)
        self.protocol.send_request()
        self._flush()

    def _handle_handshake(self, events: list[Event]) -> None:
        protocol = self.protocol
        if not self._answered.done():
            if protocol.handshake_exc is not None:
                self._answered.set_exception(protocol.handshake_exc)
            elif protocol.state is not State.CONNECTING:
                self._answered.set_result(None)
        if protocol.state is State.OPEN:
            self._open_channel()
        messages = [event for event in events if isinstance(event, (str, bytes))]
        if messages:
            self._deliver(messages)
        self._flush()
        self._set_timer()


class connect:
    """Connect to a server: ``async with connect(uri) as ws``, or ``ws = await connect(uri)``.

    ``async for ws in connect(uri)`` connects again each time the connection ends, and waits after a
    failed attempt, for the seconds that ``reconnect_delays`` yields: random, growing ones.
    ``process_exception`` decides which errors end that. ``proxy`` is an address, True for what the
    environment says, or None. ``compression`` is "deflate", None or a ``Deflate``. ``max_queue``
    (messages) and ``write_limit`` (bytes) are high-water marks, or pairs of high and low. Timeouts
    are in seconds; None turns one off. Other keyword arguments go to the event loop's
    ``create_connection``: ``ssl``, ``server_hostname``, ``sock``, ``host``, ``port``.

    Raises InvalidURI, ValueError or TypeError for a wrong argument; and, awaited or entered,
    InvalidProxy, OSError, InvalidHandshake or TimeoutError.
    """

    def __init__(
        self,
        uri: str,
        *,
        origin: Optional[str] = None,
        subprotocols: Optional[Sequence[str]] = None,
        compression: Compression = "deflate",
        additional_headers: Optional[HeadersLike] = None,
        user_agent_header: Optional[str] = USER_AGENT,
        proxy: Union[str, Literal[True], None] = True,
        process_exception: Callable[[Exception], Optional[Exception]] = process_exception,
        open_timeout: Optional[float] = 10,
        ping_interval: Optional[float] = 20,
        ping_timeout: Optional[float] = 20,
        close_timeout: Optional[float] = 10,
        write_timeout: Optional[float] = 60,
        reconnect_delays: Callable[[], Generator[float, None, None]] = backoff,
        max_size: Optional[int] = 1024 * 1024,
        max_fragments: Optional[int] = None,
        max_queue: Limit = 16,
        write_limit: Limit = 32 * 1024,
        decode: bool = True,
        logger: Optional[logging.Logger] = None,
        create_connection: Optional[type[ClientConnection]] = None,
        **kwargs: Any,
    ) -> None:
        self._options = options = ClientOptions(
            uri=parse_uri(uri),
            origin=origin,
            subprotocols=subprotocols,
            compression=compression,
            additional_headers=additional_headers,
            user_agent_header=user_agent_header,
            open_timeout=open_timeout,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            max_size=max_size,
            max_fragments=max_fragments,
            decode=decode,
        )
        water_marks(max_queue, "max_queue")
        water_marks(write_limit, "write_limit")
        if not options.uri.secure and kwargs.get("ssl") is not None:
            raise ValueError("ssl is for wss:// addresses; this one is ws://")
        if options.uri.secure and kwargs.get("ssl", True) is None:
            raise ValueError("a wss:// address needs TLS; leave ssl out, or give an SSLContext")
        self._proxy = proxy
        self._process_exception = process_exception
        self._open_timeout = open_timeout
        self._reconnect_delays = reconnect_delays
        self._logger = logger or logging.getLogger("fastws.client")
        self._connection_kwargs: dict[str, Any] = {
            "max_queue": max_queue,
            "write_limit": write_limit,
            "write_timeout": write_timeout,
            "logger": self._logger,
        }
        self._create_connection = create_connection or ClientConnection
        self._kwargs = kwargs
        self._connection: ClientConnection

    async def _open(self) -> ClientConnection:
        opening = self._follow_redirects()
        if self._open_timeout is None:
            return await opening
        try:
            return await asyncio.wait_for(opening, self._open_timeout)
        except asyncio.TimeoutError:
            raise TimeoutError("timed out during the opening handshake") from None

    async def _follow_redirects(self) -> ClientConnection:
        options = replace(self._options)  # redirects change it
        while True:
            connection = await self._open_tcp(options)
            try:
                await connection._answered
                connection.logger.info("connection open")
                return connection
            except asyncio.CancelledError:
                connection._abort()
                raise
            except Exception as error:
                connection._abort()
                if not options.redirect(error, self._kwargs):
                    raise

    async def _open_tcp(self, options: ClientOptions) -> ClientConnection:
        loop = asyncio.get_running_loop()
        uri = options.uri
        kwargs = self._kwargs.copy()
        connection = self._create_connection(
            options.protocol(loop.time()), **self._connection_kwargs
        )

        def factory() -> TransportProtocol:
            return TransportProtocol(connection)

        if uri.secure:
            if kwargs.setdefault("ssl", True) is True:
                kwargs["ssl"] = default_context()
            kwargs.setdefault("server_hostname", uri.host)
        else:
            # After a redirect from wss, which a client must not follow, or none at all.
            kwargs.pop("ssl", None)
        if can_own_sockets(loop) and set(kwargs) <= _OWN_ARGUMENTS:
            await self._open_own(loop, connection, uri, **kwargs)
            return connection
        if kwargs.pop("unix", False):
            await loop.create_unix_connection(factory, **kwargs)
            return connection
        proxy = None if "sock" in kwargs else find_proxy(uri, self._proxy)
        if proxy is not None:
            host, port = kwargs.pop("host", uri.host), kwargs.pop("port", uri.port)
            kwargs["sock"] = await _connect_proxy(proxy, host, port)
        elif "sock" not in kwargs:
            kwargs.setdefault("host", uri.host)
            kwargs.setdefault("port", uri.port)
        await loop.create_connection(factory, **kwargs)
        return connection

    async def _open_own(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: ClientConnection,
        uri: URI,
        *,
        ssl: Optional[ssl_module.SSLContext] = None,
        server_hostname: Optional[str] = None,
        **kwargs: Any,
    ) -> None:
        sock = await self._connect_socket(loop, uri, **kwargs)
        if ssl is None:
            SocketTransport(loop, sock, connection)
            return
        if not isinstance(ssl, ssl_module.SSLContext):
            sock.close()
            raise TypeError(f"ssl must be an ssl.SSLContext or True, not {ssl!r}")
        handshake = TLSHandshake(loop, sock, connection, ssl, server_hostname=server_hostname)
        try:
            await handshake.done
        except BaseException:
            handshake.abort()
            connection._abort()  # it may have been done just before this was cancelled
            raise

    async def _connect_socket(
        self,
        loop: asyncio.AbstractEventLoop,
        uri: URI,
        *,
        sock: Optional[socket.socket] = None,
        unix: bool = False,
        path: Optional[str] = None,
        host: Optional[str] = None,
        port: Optional[int] = None,
        family: int = socket.AF_UNSPEC,
    ) -> socket.socket:
        if sock is not None:
            sock.setblocking(False)
            return sock
        if unix:
            if path is None:
                raise ValueError("give a path, or sock")
            return await _connect_to(loop, socket.AF_UNIX, 0, os.fspath(path))
        host, port = host or uri.host, port or uri.port
        proxy = find_proxy(uri, self._proxy)
        if proxy is not None:
            return await _connect_proxy(proxy, host, port)
        errors: list[OSError] = []
        for info in await resolve(loop, host, port, family=family):
            try:
                return await _connect_to(loop, info[0], info[2], info[4])
            except OSError as error:
                errors.append(error)
        if len({type(error) for error in errors}) == 1:
            raise errors[0]
        raise OSError(f"cannot connect to {host} port {port}: {'; '.join(map(str, errors))}")

    def __await__(self) -> Generator[Any, None, ClientConnection]:
        return self._open().__await__()

    async def __aenter__(self) -> ClientConnection:
        self._connection = await self._open()
        return self._connection

    async def __aexit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self._connection.__aexit__(exc_type, exc_value, traceback)

    async def __aiter__(self) -> AsyncIterator[ClientConnection]:
        retries = Retries(self._process_exception, self._reconnect_delays, self._logger)
        while True:
            try:
                connection = await self._open()
            except Exception as error:
                await asyncio.sleep(retries.seconds_after(error))
                continue
            retries.connected()
            try:
                yield connection
            finally:
                await connection.close()


def unix_connect(path: Optional[str] = None, uri: Optional[str] = None, **kwargs: Any) -> connect:
    """Connect to a server on a Unix socket; other arguments are as for ``connect``.

    ``uri`` names the host in the handshake, ``ws://localhost/`` by default, wss with ``ssl``.
    """
    if uri is None:
        uri = "ws://localhost/" if kwargs.get("ssl") is None else "wss://localhost/"
    return connect(uri, unix=True, path=path, **kwargs)


async def _connect_to(
    loop: asyncio.AbstractEventLoop, family: int, proto: int, address: Any
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM, proto)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _connect_proxy(address: str, host: str, port: int) -> socket.socket:
    proxy = open_proxy(address, "async_.asyncio")
    try:
        sock: socket.socket = await proxy.connect(host, port)
    except Exception as error:
        raise_proxy_error(error)
    return sock
