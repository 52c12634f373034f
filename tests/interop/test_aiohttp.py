"""aiohttp, both directions."""

from __future__ import annotations

import pytest

from interop.conversations import MESSAGES, hear_close, our_echo, talk_to_echo

aiohttp = pytest.importorskip("aiohttp")

from aiohttp import web  # noqa: E402


@pytest.mark.parametrize("compress", [True, False])
async def test_our_client_talks_to_their_server(compress):
    async def handler(request):
        ws = web.WebSocketResponse(compress=compress, max_msg_size=0)
        await ws.prepare(request)
        if request.path == "/close":
            await ws.close(code=4002, message="their reason é".encode())
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                await ws.send_str(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await ws.send_bytes(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        uri = f"ws://127.0.0.1:{runner.addresses[0][1]}"
        ws = await talk_to_echo(uri, answer=1000)  # RFC 6455 §5.5.1 only says "typically"
        assert (ws.protocol.extension is not None) is compress
        await hear_close(f"{uri}/close", 4002, "their reason é")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("compress", [15, 0])
async def test_their_client_talks_to_our_server(compress):
    async with our_echo() as (uri, ends), aiohttp.ClientSession() as session:
        async with session.ws_connect(uri, compress=compress, max_msg_size=0) as ws:
            for message in MESSAGES:
                if isinstance(message, str):
                    await ws.send_str(message)
                    assert await ws.receive_str() == message
                else:
                    await ws.send_bytes(message)
                    assert await ws.receive_bytes() == message
            await ws.ping()
            await ws.close(code=4001, message="our reason é".encode())
        async with session.ws_connect(f"{uri}/close") as ws:
            message = await ws.receive()
            assert message.type is aiohttp.WSMsgType.CLOSE
            assert (message.data, message.extra) == (4002, "their reason é")
    assert (4001, "our reason é") in ends
