"""A WebSocket server for blocking code: a thread for each connection."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import ssl as ssl_module
import threading
import time
from typing import TYPE_CHECKING, Any, Optional

from .._kernels import serialize_close
from ..errors import ConnectionClosed
from ..frames import CloseCode, State
from ..http11 import SERVER
from ..listeners import open_unix_listener
from ..options import ServerOptions, check_port, water_marks
from .server_connection import ServerConnection, basic_auth

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

    from ..handshake import Origins
    from ..options import Compression, Limit
    from .server_connection import Handler, ProcessRequest, ProcessResponse, SelectSubprotocol

__all__ = ["Server", "ServerConnection", "basic_auth", "serve", "unix_serve"]

# A signal that comes just before accepting falls asleep, or to another thread, does not wake it.
SIGNAL_SECONDS = 1.0


class Server:
    """A server, as ``serve`` makes it; its methods are those of ``socketserver.BaseServer``.

    ``with`` shuts it down at the end.
    """

    def __init__(
        self,
        listener: socket.socket,
        handler: Handler,
        options: ServerOptions,
        *,
        ssl: Optional[ssl_module.SSLContext],
        select_subprotocol: Optional[SelectSubprotocol],
        process_request: Optional[ProcessRequest],
        process_response: Optional[ProcessResponse],
        max_queue: Limit,
        write_timeout: Optional[float],
        logger: Optional[logging.Logger],
        create_connection: Optional[type[ServerConnection]],
    ) -> None:
        self.socket = listener
        self.logger = logger or logging.getLogger("fastws.server")
        self._handler = handler
        self._options = options
        self._ssl = ssl
        self._select_subprotocol = select_subprotocol
        self._process_request = process_request
        self._process_response = process_response
        self._max_queue = max_queue
        self._write_timeout = write_timeout
        self._create_connection = create_connection or ServerConnection
        # A signal handler may shut the server down while its thread is in here.
        self._lock = threading.RLock()
        self._opening: set[socket.socket] = set()
        self._connections: set[ServerConnection] = set()
        self._threads: set[threading.Thread] = set()
        self._stopped = False
        self._stopped_by_signal = False
        self._acceptor: Optional[threading.Thread] = None  # who is in serve_forever()
        self._idle = threading.Event()  # nobody is
        self._idle.set()
        self._wake_reader, self._wake_writer = socket.socketpair()
        listener.setblocking(False)

    @property
    def connections(self) -> set[ServerConnection]:
        """The connections that are open now."""
        with self._lock:
            return {ws for ws in self._connections if ws.state is State.OPEN}

    def fileno(self) -> int:
        """Return the file descriptor of the listening socket."""
        return self.socket.fileno()

    def serve_forever(self) -> None:
        """Accept connections until ``shutdown`` is called, in another thread or by a signal."""
        with self._lock:
            if self._stopped:
                return
            self._acceptor = threading.current_thread()
            self._idle.clear()
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self.socket, selectors.EVENT_READ)
                selector.register(self._wake_reader, selectors.EVENT_READ)
                while not self._stopped:
                    for key, _ in selector.select(SIGNAL_SECONDS):
                        if key.fileobj is self.socket:
                            self._accept()
        except (OSError, ValueError):
            if not self._stopped:  # shutdown() closed the socket
                raise
        finally:
            with self._lock:
                self._acceptor = None
                if self._stopped:
                    self._close_wakers()
            self._idle.set()
        if self._stopped_by_signal:
            self._wait_for_handlers()

    def _close_wakers(self) -> None:
        self._wake_reader.close()
        self._wake_writer.close()

    def _accept(self) -> None:
        try:
            sock, _ = self.socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # gone again
        except OSError as error:
            if self._stopped:
                return
            self.logger.error("cannot accept a connection", exc_info=error)
            time.sleep(1)  # out of file descriptors, most likely: some may be closed by then
            return
        thread = threading.Thread(target=self._run, args=(sock,), name="fastws connection")
        try:
            with self._lock:
                thread.start()
                self._threads.add(thread)
        except RuntimeError as error:
            self.logger.error("cannot start a thread for a connection", exc_info=error)
            sock.close()

    def _run(self, sock: socket.socket) -> None:
        """Serve one connection, in its own thread."""
        try:
            connection = self._open(sock)
            if connection is not None:
                self._serve(connection)
        except Exception as error:
            self.logger.error("error in a WebSocket connection", exc_info=error)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _open(self, sock: socket.socket) -> Optional[ServerConnection]:
        if self._ssl is not None:
            tls = self._open_tls(sock, self._ssl)
            if tls is None:
                return None
            sock = tls
        try:
            return self._make_connection(sock)
        except BaseException:
            sock.close()
            raise

    def _open_tls(
        self, sock: socket.socket, context: ssl_module.SSLContext
    ) -> Optional[ssl_module.SSLSocket]:
        try:
            with self._lock:
                tls = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                self._opening.add(tls)
                stopped = self._stopped
        except OSError as error:  # gone again
            self.logger.info("TLS handshake failed: %s", error)
            sock.close()
            return None
        try:
            tls.settimeout(0.001 if stopped else self._options.open_timeout)
            tls.do_handshake()
        except BaseException as error:
            tls.close()
            if not isinstance(error, (OSError, ValueError)):
                raise
            self.logger.info("TLS handshake failed: %s", error)
            return None
        finally:
            with self._lock:
                self._opening.discard(tls)
        return tls

    def _make_connection(self, sock: socket.socket) -> ServerConnection:
        holder: list[ServerConnection] = []
        select = self._select_subprotocol
        protocol = self._options.protocol(
            time.monotonic(), None if select is None else lambda offered: select(holder[0], offered)
        )
        connection = self._create_connection(
            sock,
            protocol,
            max_queue=self._max_queue,
            write_timeout=self._write_timeout,
            logger=self.logger,
        )
        holder.append(connection)
        return connection

    def _serve(self, connection: ServerConnection) -> None:
        with self._lock:
            self._connections.add(connection)
            stopped = self._stopped
        try:
            if stopped:
                connection._stream.close()
                return
            if connection._open(self._process_request, self._process_response):
                code = CloseCode.NORMAL_CLOSURE
                try:
                    self._handler(connection)
                except (Exception, SystemExit) as error:
                    code = CloseCode.INTERNAL_ERROR
                    if isinstance(error, ConnectionClosed) and connection.state is not State.OPEN:
                        self.logger.info("connection closed: %s", error)
                    else:
                        self.logger.error("connection handler failed", exc_info=error)
                connection._start_closing(code, "")
            connection.wait_closed()
        finally:
            connection._stream.close()
            with self._lock:
                self._connections.discard(connection)

    def shutdown(
        self,
        close_connections: bool = True,
        code: int = CloseCode.GOING_AWAY,
        reason: str = "",
    ) -> None:
        """Stop accepting; close every connection with ``code`` and ``reason``; wait for handlers.

        ``close_connections=False`` lets open ones go on, and waits for them. Called by a signal's
        handler in the thread of ``serve_forever``, it is that which waits.
        """
        serialize_close(code, reason)  # a wrong argument is an error before anything is done
        with self._lock:
            first, self._stopped = not self._stopped, True
            connections = list(self._connections)
            if first:
                self._wake_writer.send(b"\0")
                self.socket.close()
                if self._acceptor is None:
                    self._close_wakers()
            for sock in self._opening:
                # Wakes the thread that waits in the TLS handshake.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for connection in connections:
            if connection.state is State.CONNECTING:
                connection._answer(connection.respond(503, "The server is shutting down.\n"))
            elif close_connections:
                connection._start_closing(code, reason)
        if self._acceptor is threading.current_thread():
            # In a signal's handler: what it interrupted may hold what the threads wait for.
            self._stopped_by_signal = True
            return
        self._wait_for_handlers()
        self._idle.wait()

    def _wait_for_handlers(self) -> None:
        while True:
            with self._lock:
                threads = self._threads - {threading.current_thread()}
            if not threads:
                break
            for thread in threads:
                thread.join()

    def close(self, code: int = CloseCode.GOING_AWAY, reason: str = "") -> None:
        """Shut down, with the close code and reason that clients get."""
        self.shutdown(code=code, reason=reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.shutdown()


def serve(
    handler: Handler,
    host: Optional[str] = None,
    port: Optional[int] = None,
    *,
    sock: Optional[socket.socket] = None,
    ssl: Optional[ssl_module.SSLContext] = None,
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
    decode: bool = True,
    logger: Optional[logging.Logger] = None,
    create_connection: Optional[type[ServerConnection]] = None,
    **kwargs: Any,
) -> Server:
    """Make a server: ``with serve(handler, host, port) as server: server.serve_forever()``.

    ``handler(ws)`` runs in a thread for each connection, which is closed when it returns.
    ``process_request(ws, request)`` may return a ``Response`` instead of the WebSocket connection
    (``ws.respond`` makes one); ``process_response(ws, request, response)`` may change or replace
    the answer. ``select_subprotocol(ws, offered)`` chooses one, or None. ``compression`` is
    "deflate", None or a ``Deflate``. ``max_queue`` (messages) is a high-water mark, or a pair of
    high and low. Timeouts are in seconds; None turns one off. Other keyword arguments go to
    ``socket.create_server``: ``backlog``, ``reuse_port``, ``dualstack_ipv6``.

    Raises OSError when it cannot listen there, ValueError or TypeError for a wrong argument.
    """
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
    return Server(
        _listen(host, port, sock=sock, **kwargs),
        handler,
        options,
        ssl=ssl,
        select_subprotocol=select_subprotocol,
        process_request=process_request,
        process_response=process_response,
        max_queue=max_queue,
        write_timeout=write_timeout,
        logger=logger,
        create_connection=create_connection,
    )


def _listen(
    host: Optional[str],
    port: Optional[int],
    *,
    sock: Optional[socket.socket],
    unix: bool = False,
    path: Optional[str] = None,
    backlog: int = 128,
    reuse_port: bool = False,
    dualstack_ipv6: bool = False,
) -> socket.socket:
    if sock is not None:
        return sock
    if unix:
        listener = open_unix_listener(path)
        try:
            listener.listen(backlog)
        except BaseException:
            listener.close()
            raise
        return listener
    if port is None:
        raise ValueError("give a port, or sock; port 0 takes any that is free")
    family = socket.AF_INET6 if host and ":" in host else socket.AF_INET
    return socket.create_server(
        (host or "", port),
        family=family,
        backlog=backlog,
        reuse_port=reuse_port,
        dualstack_ipv6=dualstack_ipv6,
    )


def unix_serve(handler: Handler, path: Optional[str] = None, **kwargs: Any) -> Server:
    """Make a server on a Unix socket; other arguments are as for ``serve``."""
    return serve(handler, unix=True, path=path, **kwargs)
