"""A WebSocket client for blocking code."""

from __future__ import annotations

import logging
import os
import socket
import ssl as ssl_module
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Optional, Union

from ..frames import State
from ..http11 import USER_AGENT
from ..options import ClientOptions, water_marks
from ..proxy import find_proxy, open_proxy, raise_proxy_error
from ..reconnect import Retries, backoff, process_exception
from ..secure import default_context
from ..uri import parse_uri
from .channel import NEVER
from .connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from types import TracebackType
    from typing import Literal

    from ..headers import HeadersLike
    from ..options import Compression, Limit

__all__ = ["ClientConnection", "connect", "reconnect", "unix_connect"]


class ClientConnection(Connection):
    """A connection that ``connect`` opened to a server."""

    def _open(self, deadline: Optional[float]) -> None:
        with self._state_lock:
            self.protocol.send_request()
        self._flush(wait=True)
        self._read_until(self._is_answered, NEVER if deadline is None else deadline)
        if self.protocol.handshake_exc is not None:
            raise self.protocol.handshake_exc
        self._open_channel()

    def _is_answered(self) -> bool:
        return self.protocol.state is not State.CONNECTING


class reconnect:
    """Connect to a server, again each time the connection ends: ``for ws in reconnect(uri)``.

    Arguments are those of ``connect``, and ``process_exception``, which decides which errors end
    the loop, and ``reconnect_delays``, which yields the seconds to wait before each try. It is also
    a context manager of one connection.
    """

    def __init__(
        self,
        uri: str,
        *,
        sock: Optional[socket.socket] = None,
        ssl: Optional[ssl_module.SSLContext] = None,
        server_hostname: Optional[str] = None,
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
        if not options.uri.secure and ssl is not None:
            raise ValueError("ssl is for wss:// addresses; this one is ws://")
        self._sock = sock
        self._ssl = ssl
        self._server_hostname = server_hostname
        self._proxy = proxy
        self._open_timeout = open_timeout
        self._process_exception = process_exception
        self._reconnect_delays = reconnect_delays
        self._logger = logger or logging.getLogger("fastws.client")
        self._connection_kwargs: dict[str, Any] = {
            "max_queue": max_queue,
            "write_timeout": write_timeout,
            "logger": self._logger,
        }
        self._create_connection = create_connection or ClientConnection
        self._kwargs = kwargs
        self._connection: ClientConnection

    def connect(self) -> ClientConnection:
        """Connect once, following redirects."""
        deadline = None
        if self._open_timeout is not None:
            deadline = time.monotonic() + self._open_timeout
        options = replace(self._options)  # redirects change it
        while True:
            try:
                sock = self._open_socket(options, deadline)
            except TimeoutError:
                raise TimeoutError("timed out while connecting") from None
            connection = self._create_connection(
                sock, options.protocol(time.monotonic()), **self._connection_kwargs
            )
            try:
                connection._open(deadline)
                self._logger.info("connection open")
                return connection
            except TimeoutError:
                connection._stream.close()
                raise TimeoutError("timed out during the opening handshake") from None
            except Exception as error:
                connection._stream.close()
                if not options.redirect(error, {**self._kwargs, "sock": self._sock}):
                    raise
            except BaseException:
                connection._stream.close()
                raise

    def _open_socket(self, options: ClientOptions, deadline: Optional[float]) -> socket.socket:
        sock = self._sock or self._open_tcp(options, deadline)
        if not options.uri.secure:
            return sock
        try:
            sock.settimeout(_left(deadline))
            context = self._ssl or default_context()
            return context.wrap_socket(
                sock, server_hostname=self._server_hostname or options.uri.host
            )
        except BaseException:
            sock.close()
            raise

    def _open_tcp(self, options: ClientOptions, deadline: Optional[float]) -> socket.socket:
        kwargs = self._kwargs.copy()
        uri = options.uri
        if kwargs.pop("unix", False):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(_left(deadline))
                sock.connect(os.fspath(kwargs["path"]))
            except BaseException:
                sock.close()
                raise
            return sock
        host, port = kwargs.pop("host", uri.host), kwargs.pop("port", uri.port)
        proxy = find_proxy(uri, self._proxy)
        if proxy is not None:
            try:
                via: socket.socket = open_proxy(proxy, "sync").connect(
                    host, port, timeout=_left(deadline)
                )
            except Exception as error:
                raise_proxy_error(error)
            return via
        kwargs.setdefault("timeout", _left(deadline))
        return socket.create_connection((host, port), **kwargs)

    def __enter__(self) -> ClientConnection:
        self._connection = self.connect()
        return self._connection

    def __exit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._connection.__exit__(exc_type, exc_value, traceback)

    def __iter__(self) -> Iterator[ClientConnection]:
        retries = Retries(self._process_exception, self._reconnect_delays, self._logger)
        while True:
            try:
                connection = self.connect()
            except Exception as error:
                time.sleep(retries.seconds_after(error))
                continue
            retries.connected()
            try:
                yield connection
            finally:
                connection.close()


def connect(uri: str, **kwargs: Any) -> ClientConnection:
    """Connect to a server: ``with connect(uri) as ws``, or ``ws = connect(uri)``.

    ``sock`` is a socket to use; for wss, ``ssl`` is an SSLContext and ``server_hostname`` the name
    to check. ``proxy`` is an address, True for what the environment says, or None.
    ``compression`` is "deflate", None or a ``Deflate``. ``max_queue`` (messages) is a high-water
    mark, or a pair of high and low. Timeouts are in seconds; None turns one off. ``reconnect``
    lists all arguments; those it does not know go to ``socket.create_connection``.

    Raises InvalidURI, ValueError or TypeError for a wrong argument, InvalidProxy, OSError,
    InvalidHandshake or TimeoutError.
    """
    return reconnect(uri, **kwargs).connect()


def unix_connect(
    path: Optional[str] = None, uri: Optional[str] = None, **kwargs: Any
) -> ClientConnection:
    """Connect to a server on a Unix socket; other arguments are as for ``connect``.

    ``uri`` names the host in the handshake, ``ws://localhost/`` by default, wss with ``ssl``.
    """
    if uri is None:
        uri = "ws://localhost/" if kwargs.get("ssl") is None else "wss://localhost/"
    return connect(uri, unix=True, path=path, **kwargs)


def _left(deadline: Optional[float]) -> Optional[float]:
    if deadline is None:
        return None
    # A socket takes 0 for "do not wait"; too late is found out by what comes next.
    return max(deadline - time.monotonic(), 0.001)
