"""picows, both directions."""

from __future__ import annotations

import asyncio

import pytest

from interop.conversations import MEBIBYTE, MESSAGES, hear_close, our_echo, talk_to_echo

picows = pytest.importorskip("picows")

from picows import WSCloseCode, WSListener, WSMsgType, ws_connect, ws_create_server  # noqa: E402

LIMIT = 4 * MEBIBYTE


class Echo(WSListener):
    def on_ws_connected(self, transport):
        if transport.request.path == b"/close":
            transport.send_close(4002, "their reason é".encode())

    def on_ws_frame(self, transport, frame):
        if frame.msg_type is WSMsgType.PING or frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes(), frame.fin)


class Keep(WSListener):
    def __init__(self):
        self.queue = asyncio.Queue()

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.TEXT:
            self.queue.put_nowait(frame.get_payload_as_utf8_text())
        elif frame.msg_type == WSMsgType.BINARY:
            self.queue.put_nowait(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            self.queue.put_nowait((int(frame.get_close_code()), frame.get_close_message()))
            transport.disconnect()


async def test_our_client_talks_to_their_server():
    server = await ws_create_server(
        lambda request: Echo(), "127.0.0.1", 0, max_frame_size=LIMIT, enable_auto_pong=False
    )
    try:
        uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await talk_to_echo(uri)
        await hear_close(f"{uri}/close", 4002, "their reason é")
    finally:
        server.close()
        await server.wait_closed()


async def test_their_client_talks_to_our_server():
    async with our_echo() as (uri, ends):
        transport, keep = await ws_connect(Keep, uri, max_frame_size=LIMIT)
        for message in MESSAGES:
            kind = WSMsgType.TEXT if isinstance(message, str) else WSMsgType.BINARY
            transport.send(kind, message.encode() if isinstance(message, str) else message)
            assert await keep.queue.get() == message
        transport.send_close(WSCloseCode.OK, b"our reason")
        await transport.wait_disconnected()
        transport, keep = await ws_connect(Keep, f"{uri}/close")
        assert (await keep.queue.get())[0] == 4002
        await transport.wait_disconnected()
    assert (1000, "our reason") in ends
