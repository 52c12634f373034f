"""uvicorn with our class on a port of its own, in the loop of the test."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from connections.raw import RawClient

# With its submodule: "uvicorn" alone might be the directory of these tests.
pytest.importorskip("uvicorn.config", reason="uvicorn is not installed")
import uvicorn

WS = "fastws.uvicorn:WebSocketProtocol"


@contextlib.asynccontextmanager
async def serving(app, sock=None, **options):
    """Run an app; give a ``Site`` to reach it; shut down as uvicorn does when it gets a signal."""
    options = {"ws": WS, "lifespan": "off", "log_config": None, "log_level": "trace", **options}
    config = uvicorn.Config(app, **options)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with contextlib.closing(sock or socket.create_server(("127.0.0.1", 0))) as sock:
        await server.startup(sockets=[sock])
        await server.on_tick(0)  # the headers that every response gets
        site = Site(server, sock.getsockname())
        try:
            yield site
        finally:
            await site.stop()
    assert not server.server_state.connections
    assert not server.server_state.tasks


class Site:
    """Where an app can be reached."""

    def __init__(self, server, address):
        self.server = server
        self.address = address
        self._stopping = None

    def url(self, path="/", scheme="ws"):
        return f"{scheme}://127.0.0.1:{self.address[1]}{path}"

    @contextlib.asynccontextmanager
    async def client(self, **options):
        """Connect a peer that does what the test says, frame by frame."""
        if isinstance(self.address, str):
            streams = await asyncio.open_unix_connection(self.address)
        else:
            streams = await asyncio.open_connection(*self.address, **options)
        client = RawClient(*streams)
        try:
            yield client
        finally:
            await client.close()

    @contextlib.asynccontextmanager
    async def opened(self, path="/", headers=(), **options):
        async with self.client(**options) as client:
            client.headers = await client.handshake(path, headers)
            yield client

    def stop(self):
        """Shut down, once."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self.server.shutdown())
        return self._stopping


async def accept(receive, send, **event):
    """What every app begins with."""
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", **event})


async def standstill(number):
    """Wait until ``number()`` has begun to grow and no longer does; return it."""
    before, now = 0, number()
    while now == 0 or now != before:
        await asyncio.sleep(0.05)
        before, now = now, number()
    return now


async def echo(scope, receive, send):
    """Send back what comes, until the peer goes."""
    await accept(receive, send)
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


class Recorder:
    """An app that accepts and notes every event, and how it ended."""

    def __init__(self):
        self.events = []
        self.ended = asyncio.Event()

    async def __call__(self, scope, receive, send):
        await accept(receive, send)
        while not self.events or self.events[-1]["type"] != "websocket.disconnect":
            self.events.append(await receive())
        self.ended.set()

    async def disconnect(self):
        """Return the last event."""
        await asyncio.wait_for(self.ended.wait(), 5)
        return self.events[-1]
