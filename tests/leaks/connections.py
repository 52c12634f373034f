"""What can be done over and over with real connections, with asyncio and with threads."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any

from wire import frame

from fastws import ConnectionClosed, aio, sync

__all__ = ["SCENARIOS"]

KEY = b"\x37\xfa\x21\x3d"
MESSAGES = ["x" * 100, b"y" * 300, "é" * 50, "z" * 5000]
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
VIOLATIONS = [frame(1, b"no mask"), frame(1, b"\xff", key=KEY), frame(3, key=KEY), b""]


async def _echo(ws: aio.ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


@contextlib.asynccontextmanager
async def _server() -> Any:
    async with aio.serve(_echo, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def _messages(rounds: int) -> None:
    async with _server() as port, aio.connect(f"ws://127.0.0.1:{port}") as ws:
        for i in range(rounds):
            message = MESSAGES[i % len(MESSAGES)]
            await ws.send(message)
            assert await ws.recv() == message
            if i % 50 == 0:
                # A receiver that gives up, and a coroutine that nobody waits for.
                task = asyncio.create_task(ws.recv())
                await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                ws.send("never").close()


async def _connections(rounds: int) -> None:
    async with _server() as port:
        for _ in range(rounds):
            async with aio.connect(f"ws://127.0.0.1:{port}") as ws:
                await ws.send("hello")
                await ws.recv()


async def _rude(rounds: int) -> None:
    """Peers that break the rules, or go without a word."""
    async with _server() as port:
        for i in range(rounds):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write((b"nonsense\r\n\r\n" if i % 5 == 0 else REQUEST) + VIOLATIONS[i % 4])
            if i % 3:
                await reader.read(100)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await asyncio.sleep(0.1)


@contextlib.contextmanager
def _blocking_server() -> Any:
    def echo(ws: sync.ServerConnection) -> None:
        for message in ws:
            ws.send(message)

    with sync.serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


def _blocking_messages(rounds: int) -> None:
    with _blocking_server() as port, sync.connect(f"ws://127.0.0.1:{port}") as ws:
        for i in range(rounds):
            message = MESSAGES[i % len(MESSAGES)]
            ws.send(message)
            assert ws.recv() == message
            if i % 50 == 0:
                with contextlib.suppress(TimeoutError):
                    ws.recv(timeout=0)


def _blocking_connections(rounds: int) -> None:
    with _blocking_server() as port:
        for i in range(rounds):
            if i % 4 == 0:
                with socket.create_connection(("127.0.0.1", port)) as sock:
                    sock.sendall(REQUEST + VIOLATIONS[i // 4 % 4])
                    sock.recv(100)
                continue
            with sync.connect(f"ws://127.0.0.1:{port}") as ws:
                ws.send("hello")
                ws.recv()
            with contextlib.suppress(ConnectionClosed):
                ws.send("too late")


# The name, what to do, and how often in a run of full length.
SCENARIOS = {
    "asyncio, messages": (lambda rounds: asyncio.run(_messages(rounds)), 200_000),
    "asyncio, connections": (lambda rounds: asyncio.run(_connections(rounds)), 4_000),
    "asyncio, rude peers": (lambda rounds: asyncio.run(_rude(rounds)), 4_000),
    "threads, messages": (_blocking_messages, 100_000),
    "threads, connections": (_blocking_connections, 3_000),
}
