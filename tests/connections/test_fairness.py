"""A connection that is flooded with messages takes no more than its part of the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

from wire import KEY, frame

from connections.raw import REQUEST
from fastws.aio import connect, serve

# Hundreds of messages in each read, and small enough that the socket is never empty.
FLOOD = frame(2, bytes(1000), key=KEY) * 100


async def test_a_flood_on_one_connection_leaves_the_others_their_turn():
    taken = 0
    stop = threading.Event()

    async def handler(ws):
        nonlocal taken
        if ws.request.path == "/flood":
            async for _ in ws:
                taken += 1
        else:
            async for message in ws:
                await ws.send(message)

    def flood(sock):
        with contextlib.suppress(OSError):
            while not stop.is_set():
                sock.sendall(FLOOD)

    async with serve(handler, "127.0.0.1", 0, ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        uri = f"ws://127.0.0.1:{port}"
        async with connect(uri) as ws:
            sock = await asyncio.to_thread(_open, port)
            thread = threading.Thread(target=flood, args=(sock,))
            thread.start()
            try:
                while not taken:
                    await asyncio.sleep(0)
                for number in range(5):
                    before = taken
                    await ws.send(str(number))
                    assert await ws.recv() == str(number)
                    # Each way takes a few turns, of four rounds with four reads of 256 KiB each.
                    assert taken - before < 8 * 16 * 256 * 1024 / len(FLOOD) * 100
            finally:
                stop.set()
                sock.shutdown(socket.SHUT_RDWR)
                await asyncio.to_thread(thread.join)
                sock.close()


def _open(port):
    """Open a WebSocket connection whose socket a thread may write to."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(REQUEST.format(path="/flood", headers="").encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1)
    return sock
