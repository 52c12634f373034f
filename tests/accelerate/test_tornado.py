"""Accelerated tornado over real sockets: its server and its client."""

import asyncio
import contextlib

import pytest

from fastws.accelerate import restore

pytest.importorskip("tornado.websocket")
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

TEXT = "Grüße, 世界 🌍"
MESSAGES = [
    "",
    "x",
    TEXT,
    TEXT * 20_000,
    "x" * 300_000,
    b"",
    b"\xff\0" * 300,
    bytes(40_000),
    bytes(3_000_000),
]


class Echo(WebSocketHandler):
    def get_compression_options(self):
        return {} if self.settings["deflate"] else None

    def open(self):
        self.settings["streams"].append(self.ws_connection.stream)

    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))

    def on_ping(self, data):
        self.settings["pings"].append(data)


@contextlib.asynccontextmanager
async def connected(deflate=False, **settings):
    """A client of an echo server, and what that server was told by pings."""
    pings, streams = [], []
    application = Application(
        [("/", Echo)], deflate=deflate, pings=pings, streams=streams, **settings
    )
    serving = HTTPServer(application)
    [listening] = bind_sockets(0, "127.0.0.1")
    serving.add_sockets([listening])
    client = await websocket_connect(
        f"ws://127.0.0.1:{listening.getsockname()[1]}/",
        compression_options={} if deflate else None,
    )
    streams.append(client.protocol.stream)
    try:
        yield client, pings
    finally:
        client.close()
        while not all(stream.closed() for stream in streams):
            await asyncio.sleep(0.001)
        serving.stop()
        await serving.close_all_connections()


def run(main):
    asyncio.run(asyncio.wait_for(main(), 30))


async def send(client, message):
    await client.write_message(message, binary=isinstance(message, bytes))


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_server_and_client_exchange_messages(accelerated, deflate):
    accelerated("tornado")

    async def main():
        async with connected(deflate) as (client, pings):
            for message in MESSAGES:
                await send(client, message)
                assert await client.read_message() == message
            # Many at once, with pings between them.
            for message in MESSAGES:
                client.ping(b"between")
                await send(client, message)
            for message in MESSAGES:
                assert await client.read_message() == message
            assert pings == [b"between"] * len(MESSAGES)

    run(main)


@pytest.mark.parametrize("on", [False, True], ids=["original", "accelerated"])
@pytest.mark.parametrize(
    ("size", "settings"),
    [
        (300_001, {"websocket_max_message_size": 300_000}),
        (2_000_000, {"websocket_max_message_size": 2**30}),
    ],
    ids=["of the message", "of the stream"],
)
def test_limits_are_what_they_were(accelerated, monkeypatch, on, size, settings):
    from tornado.iostream import BaseIOStream

    if on:
        accelerated("tornado")
    initialize = BaseIOStream.__init__
    monkeypatch.setattr(
        BaseIOStream,
        "__init__",
        lambda self, *args, **options: initialize(
            self, *args, **{**options, "max_buffer_size": 1_000_000}
        ),
    )

    async def main():
        async with connected(**settings) as (client, _):
            await send(client, bytes(size))
            assert await client.read_message() is None

    run(main)


def test_a_connection_that_waits_survives_restoring(accelerated):
    accelerated("tornado")

    async def main():
        async with connected() as (client, pings):
            await send(client, "first")
            assert await client.read_message() == "first"
            restore()
            client.ping(b"after")
            for message in ("second", bytes(200_000)):
                await send(client, message)
                assert await client.read_message() == message
            assert pings == [b"after"]

    run(main)
