"""The websockets package: asyncio and blocking, both directions."""

from __future__ import annotations

import pytest

import fastws.sync
from interop.conversations import MESSAGES, hear_close, our_echo, talk_to_echo

websockets = pytest.importorskip("websockets", minversion="14")

from websockets.asyncio.client import connect  # noqa: E402
from websockets.asyncio.server import serve  # noqa: E402
from websockets.sync.client import connect as blocking_connect  # noqa: E402
from websockets.sync.server import serve as blocking_serve  # noqa: E402


async def echo(ws):
    if ws.request.path == "/close":
        await ws.close(4002, "their reason é")
    async for message in ws:
        await ws.send(message)


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_our_client_talks_to_their_server(compression):
    async with serve(echo, "127.0.0.1", 0, max_size=None, compression=compression) as server:
        uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ws = await talk_to_echo(uri)
        assert (ws.protocol.extension is not None) is (compression == "deflate")
        await hear_close(f"{uri}/close", 4002, "their reason é")


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_their_client_talks_to_our_server(compression):
    async with our_echo() as (uri, ends):
        async with connect(uri, max_size=None, compression=compression) as ws:
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["frag", "men", "ted"])
            assert await ws.recv() == "fragmented"
            await (await ws.ping())
            await ws.close(4001, "our reason é")
        async with connect(f"{uri}/close") as ws:
            with pytest.raises(websockets.ConnectionClosed) as caught:
                await ws.recv()
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4002, "their reason é")
    assert (4001, "our reason é") in ends


def test_blocking_code_talks_to_blocking_code(thread):
    def their_echo(ws):
        for message in ws:
            ws.send(message)

    def our_echo(ws):
        for message in ws:
            ws.send(message)

    options = {"max_size": None}
    with blocking_serve(their_echo, "127.0.0.1", 0, **options) as server:
        thread(server.serve_forever)
        uri = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        with fastws.sync.connect(uri, **options) as ws:
            for message in [*MESSAGES, ["frag", "mented"]]:
                ws.send(message)
                assert ws.recv() == ("fragmented" if isinstance(message, list) else message)
        server.shutdown()
    with fastws.sync.serve(our_echo, "127.0.0.1", 0, **options) as server:
        thread(server.serve_forever)
        uri = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        with blocking_connect(uri, **options) as ws:
            for message in [*MESSAGES, ["frag", "mented"]]:
                ws.send(message)
                assert ws.recv() == ("fragmented" if isinstance(message, list) else message)
