"""websocket-client, which is blocking and only a client."""

from __future__ import annotations

import pytest

import fastws.sync
from interop.conversations import MESSAGES

websocket = pytest.importorskip("websocket")


def echo(ws):
    for message in ws:
        ws.send(message)


def closing(ws):
    ws.close(4002, "their reason")


@pytest.fixture
def start(thread):
    servers = []

    def start(handler):
        server = fastws.sync.serve(handler, "127.0.0.1", 0, max_size=None)
        servers.append(server)
        thread(server.serve_forever)
        return f"ws://127.0.0.1:{server.socket.getsockname()[1]}"

    yield start
    for server in servers:
        server.shutdown()


def test_their_client_talks_to_our_server(start):
    ws = websocket.create_connection(start(echo), timeout=5)
    try:
        for message in MESSAGES:
            (ws.send if isinstance(message, str) else ws.send_binary)(message)
            assert ws.recv() == message
        ws.ping("there?")
        opcode, frame = ws.recv_data_frame(control_frame=True)
        assert (opcode, frame.data) == (websocket.ABNF.OPCODE_PONG, b"there?")
        ws.send_frame(websocket.ABNF.create_frame("frag", websocket.ABNF.OPCODE_TEXT, 0))
        ws.send_frame(websocket.ABNF.create_frame("mented", websocket.ABNF.OPCODE_CONT, 1))
        assert ws.recv() == "fragmented"
    finally:
        ws.close()


def test_their_client_hears_our_close(start):
    ws = websocket.create_connection(start(closing), timeout=5)
    try:
        opcode, payload = ws.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE
        assert payload == (4002).to_bytes(2, "big") + b"their reason"
    finally:
        ws.shutdown()  # close() does nothing once a close frame was answered
