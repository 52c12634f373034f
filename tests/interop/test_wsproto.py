"""wsproto, which is no server and no client; the sockets around it are the simplest."""

from __future__ import annotations

import asyncio

import pytest

from interop.conversations import MESSAGES, hear_close, our_echo, talk_to_echo

wsproto = pytest.importorskip("wsproto")

from wsproto import events  # noqa: E402
from wsproto.connection import ConnectionType  # noqa: E402
from wsproto.extensions import PerMessageDeflate  # noqa: E402


class Stream:
    """wsproto over asyncio's streams."""

    def __init__(self, kind, reader, writer):
        self.protocol = wsproto.WSConnection(kind)
        self.reader = reader
        self.writer = writer

    async def send(self, event):
        self.writer.write(self.protocol.send(event))
        await self.writer.drain()

    async def events(self):
        while True:
            data = await self.reader.read(65536)
            self.protocol.receive_data(data or None)
            for event in self.protocol.events():
                yield event
            if not data:
                return

    async def close(self):
        self.writer.close()
        await self.writer.wait_closed()


async def serve_one(reader, writer, compression):
    stream = Stream(ConnectionType.SERVER, reader, writer)
    async for event in stream.events():
        if isinstance(event, events.Request):
            extensions = [PerMessageDeflate()] if compression else []
            await stream.send(events.AcceptConnection(extensions=extensions))
            if event.target == "/close":
                await stream.send(events.CloseConnection(4002, "their reason é"))
        elif isinstance(event, (events.TextMessage, events.BytesMessage)):
            await stream.send(type(event)(event.data, event.frame_finished, event.message_finished))
        elif isinstance(event, events.Ping):
            await stream.send(event.response())
        elif isinstance(event, events.CloseConnection):
            if stream.protocol.state is wsproto.connection.ConnectionState.REMOTE_CLOSING:
                await stream.send(event.response())
            break
    await stream.close()


@pytest.mark.parametrize("compression", [True, False])
async def test_our_client_talks_to_their_server(compression):
    tasks = []

    async def accept(reader, writer):
        tasks.append(asyncio.current_task())
        await serve_one(reader, writer, compression)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        ws = await talk_to_echo(uri)
        assert (ws.protocol.extension is not None) is compression
        await hear_close(f"{uri}/close", 4002, "their reason é")
    finally:
        server.close()
        await asyncio.gather(*tasks)


@pytest.mark.parametrize("compression", [True, False])
async def test_their_client_talks_to_our_server(compression):
    async with our_echo() as (uri, ends):
        port = int(uri.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stream = Stream(ConnectionType.CLIENT, reader, writer)
        extensions = [PerMessageDeflate()] if compression else []
        await stream.send(events.Request(host="localhost", target="/", extensions=extensions))
        waiting = iter(MESSAGES)
        expected, got = None, []
        async for event in stream.events():
            if isinstance(event, events.Message):
                got.append(event.data)
                if not event.message_finished:
                    continue
                assert type(expected)().join(map(type(expected), got)) == expected
                got = []
            if isinstance(event, (events.AcceptConnection, events.Message)):
                expected = next(waiting, None)
                if expected is None:
                    await stream.send(events.CloseConnection(4001, "our reason é"))
                elif isinstance(expected, str):
                    await stream.send(events.TextMessage(expected))
                else:
                    await stream.send(events.BytesMessage(expected))
            if isinstance(event, events.CloseConnection):
                break
        await stream.close()
    assert ends == [(4001, "our reason é")]
