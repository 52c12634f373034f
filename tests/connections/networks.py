"""Both layers behind one interface of coroutines, so a scenario is written once."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from connections.raw import RawClient
from fastws import aio, sync
from fastws.errors import ConnectionClosedOK

# Client, server, kind of socket, event loop.
NETWORKS = [
    ("aio", "aio", "tcp", "asyncio"),
    ("aio", "aio", "tls", "asyncio"),
    ("aio", "aio", "unix", "asyncio"),
    ("aio", "aio", "tcp", "uvloop"),
    ("aio", "aio", "tls", "uvloop"),
    ("sync", "sync", "tcp", "asyncio"),
    ("sync", "sync", "tls", "asyncio"),
    ("sync", "sync", "unix", "asyncio"),
    ("aio", "sync", "tcp", "asyncio"),
    ("sync", "aio", "tcp", "uvloop"),
]


class Blocking:
    """A connection of ``fastws.sync`` whose methods are awaited: each runs in a thread."""

    def __init__(self, connection, executor):
        self.connection = connection
        self._executor = executor

    def __getattr__(self, name):
        value = getattr(self.connection, name)
        if not callable(value):
            return value
        if name in ("respond",):
            return value

        async def call(*args, **kwargs):
            return await self._call(functools.partial(value, *args, **kwargs))

        return call

    async def _call(self, function):
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    async def recv(self, decode=None):
        return await self._call(functools.partial(self.connection.recv, decode=decode))

    async def recv_streaming(self, decode=None):
        fragments = self.connection.recv_streaming(decode)
        while (fragment := await self._call(lambda: next(fragments, None))) is not None:
            yield fragment

    async def send(self, message, text=None, **options):
        if hasattr(message, "__aiter__"):
            message = [fragment async for fragment in message]
        await self._call(functools.partial(self.connection.send, message, text, **options))

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return await self.recv()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None


class Network:
    """Which layer is the client, which the server, and what is between them."""

    def __init__(self, client, server, kind, loop_name, contexts, path):
        self.client = client
        self.server = server
        self.kind = kind
        self.loop_name = loop_name
        self.server_tls, self.client_tls = contexts
        self.path = str(path)
        self.executor = ThreadPoolExecutor(32)

    def end(self):
        self.executor.shutdown()

    def in_thread(self, function, *args, **kwargs):
        call = functools.partial(function, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(self.executor, call)

    @contextlib.asynccontextmanager
    async def serve(self, handler, **options):
        """Run a server of the layer; ``handler`` is a coroutine function for either."""
        if self.server_tls:
            options["ssl"] = self.server_tls
        start = self._serve_aio if self.server == "aio" else self._serve_sync
        async with start(handler, options) as server:
            yield server

    @contextlib.asynccontextmanager
    async def _serve_aio(self, handler, options):
        if self.kind == "unix":
            serve = aio.unix_serve(handler, self.path, **options)
        else:
            serve = aio.serve(handler, "127.0.0.1", 0, **options)
        async with serve as server:
            self.address = server.sockets[0].getsockname()
            self.shut_down = functools.partial(self._close_aio, server)
            yield server

    async def _close_aio(self, server, *args, **kwargs):
        server.close(*args, **kwargs)
        await server.wait_closed()

    @contextlib.asynccontextmanager
    async def _serve_sync(self, handler, options):
        loop = asyncio.get_running_loop()
        for name in ("process_request", "process_response"):
            if name in options:
                options[name] = self._blocking(options[name], loop)

        run_handler = self._blocking(handler, loop)
        if self.kind == "unix":
            server = sync.unix_serve(run_handler, self.path, **options)
        else:
            server = sync.serve(run_handler, "127.0.0.1", 0, **options)
        self.address = server.socket.getsockname()
        self.shut_down = functools.partial(self.in_thread, server.shutdown)
        accepting = threading.Thread(target=server.serve_forever)
        accepting.start()
        try:
            yield server
        finally:
            await self.in_thread(server.shutdown)
            await self.in_thread(accepting.join)

    def _blocking(self, function, loop):
        """A function for a thread that runs a coroutine function in the loop."""

        def call(connection, *args):
            facade = Blocking(connection, self.executor)

            async def body():
                result = function(facade, *args)
                return await result if asyncio.iscoroutine(result) else result

            return asyncio.run_coroutine_threadsafe(body(), loop).result()

        return call

    @property
    def uri(self):
        """Where the server is, whatever it listens on."""
        scheme = "wss" if self.kind == "tls" else "ws"
        if self.kind == "unix":
            return f"{scheme}://localhost"
        return f"{scheme}://127.0.0.1:{self.address[1]}"

    @contextlib.asynccontextmanager
    async def connect(self, path="/", **options):
        """Connect a client of the layer to the server."""
        connection = await self.open(path, **options)
        try:
            yield connection
        finally:
            await connection.close()

    async def open(self, path="/", **options):
        layer = aio if self.client == "aio" else sync
        if self.client_tls:
            options["ssl"] = self.client_tls
        uri = self.uri + path
        if self.kind == "unix":
            connect = functools.partial(layer.unix_connect, self.path, uri, **options)
        else:
            connect = functools.partial(layer.connect, uri, **options)
        if self.client == "aio":
            return await connect()
        return Blocking(await self.in_thread(connect), self.executor)

    async def dial(self):
        """Open a stream to the server without speaking WebSocket."""
        if self.kind == "unix":
            streams = await asyncio.open_unix_connection(self.path)
        else:
            host, port = self.address[:2]
            tls = {"ssl": self.client_tls, "server_hostname": host} if self.client_tls else {}
            streams = await asyncio.open_connection(host, port, **tls)
        return RawClient(*streams)

    @contextlib.asynccontextmanager
    async def raw(self, handshake=True, **options):
        """A client that sends and shows frames one by one."""
        client = await self.dial()
        try:
            if handshake:
                await client.handshake(**options)
            yield client
        finally:
            await client.close()

    @contextlib.asynccontextmanager
    async def dial_paused(self):
        """A client that opens a connection, and then reads nothing until told to."""
        async with self.raw(handshake=False) as client:
            sock = client.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            await client.handshake()
            client.pause()
            yield client
            client.abort()

    @contextlib.asynccontextmanager
    async def listen(self, handler):
        """A server that is no WebSocket server: ``handler(raw)`` speaks for it."""
        tasks = set()

        async def accept(reader, writer):
            task = asyncio.current_task()
            tasks.add(task)
            raw = RawClient(reader, writer, masked=False)
            try:
                await handler(raw)
            finally:
                await raw.close()
                tasks.discard(task)

        if self.kind == "unix":
            server = await asyncio.start_unix_server(accept, self.path)
        else:
            server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=self.server_tls)
            self.address = server.sockets[0].getsockname()
        try:
            yield server
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)


def free_socket():
    """A listening socket on a port that was free."""
    return socket.create_server(("127.0.0.1", 0))
