"""One server of the rooms benchmark: ``python -m fastws.bench.rooms_server KIND URL ROOMS [PATH]``.

It serves at a port, which it writes, or at PATH, a Unix socket. For each line ``COUNT BURST SIZE
PAUSE`` it reads, it publishes so many messages, BURST in a turn of the event loop and PAUSE seconds
apart, to its rooms in turn; then it writes the CPU seconds it has used so far. It ends when its
input does. Sockets join the room in their path.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

Publish = Callable[[str, str], Awaitable[Any]]

__all__ = ["KINDS"]

HOST = "127.0.0.1"
OPCODE_TEXT_FIN = b"\x81"  # RFC 6455 §5.2
STAMP_CHARS = 20
PING_SECONDS = 0.5


Place = dict[str, Any]


def place_of(path: str) -> Place:
    """Return where to serve, as fastws and websockets want to be told."""
    return {"unix": True, "path": path} if path else {"host": HOST, "port": 0}


def room_of(ws: Any) -> str:
    """Return the room that a socket asks for."""
    return str(ws.request.path).strip("/")


@contextlib.asynccontextmanager
async def hub(url: str, place: Place, ping_interval: float | None = None) -> Any:
    """Serve with our own rooms."""
    from fastws.aio import serve
    from fastws.rooms import Hub

    async def handler(ws: Any) -> None:
        async with rooms.join(ws, room_of(ws)):
            await ws.wait_closed()

    options: dict[str, Any] = {"ping_interval": ping_interval, "backlog": 1000}
    async with Hub(url) as rooms, serve(handler, **place, **options) as server:
        yield server, rooms.publish


@contextlib.asynccontextmanager
async def bare_sockets(url: str, place: Place) -> Any:
    """Send the same bytes with nothing around it: what the system calls alone cost.

    Messages of one turn of the loop share a call.
    """
    loop = asyncio.get_running_loop()
    family = socket.AF_UNIX if "path" in place else socket.AF_INET
    rooms: dict[str, list[socket.socket]] = {}
    waiting: dict[str, bytearray] = {}

    async def accept(listener: socket.socket) -> None:
        while True:
            sock, _ = await loop.sock_accept(listener)
            if family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = await loop.sock_recv(sock, 65536)
            await loop.sock_sendall(sock, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            rooms.setdefault(request.split()[1].decode().strip("/"), []).append(sock)

    async def publish(room: str, message: str) -> None:
        payload = message.encode()
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
        if not waiting:
            loop.call_soon(flush)
        waiting.setdefault(room, bytearray()).extend(OPCODE_TEXT_FIN + length + payload)

    def flush() -> None:
        for room, frames in waiting.items():
            for sock in rooms[room]:
                sock.send(frames)
        waiting.clear()

    with socket.socket(family) as listener:
        listener.bind(place.get("path") or (place["host"], place["port"]))
        listener.listen(1000)
        listener.setblocking(False)
        task = asyncio.create_task(accept(listener))
        yield SimpleNamespace(sockets=[listener]), publish
        task.cancel()


@contextlib.asynccontextmanager
async def websockets_loop(url: str, place: Place) -> Any:
    """Serve as the documentation of websockets does with Redis: one subscription, one loop."""
    import redis.asyncio
    from websockets.asyncio.server import broadcast, serve

    connections: dict[str, set[Any]] = {}

    async def handler(ws: Any) -> None:
        room = connections.setdefault(room_of(ws), set())
        if not room:
            await pubsub.subscribe(room_of(ws))
        room.add(ws)
        await ws.wait_closed()
        room.discard(ws)

    async def process_events() -> None:
        async for event in pubsub.listen():
            if event["type"] == "message":
                room = event["channel"].decode()
                broadcast(connections[room], event["data"].decode())

    client = redis.asyncio.from_url(url)
    pubsub = client.pubsub()
    await pubsub.subscribe("-")  # it cannot listen before
    async with serve(handler, **place, ping_interval=None) as server:
        task = asyncio.create_task(process_events())
        yield server, client.publish
        task.cancel()


@contextlib.asynccontextmanager
async def websockets_memory(url: str, place: Place) -> Any:
    """Serve with nothing but the broadcast of websockets."""
    from websockets.asyncio.server import broadcast, serve

    connections: dict[str, set[Any]] = {}

    async def handler(ws: Any) -> None:
        connections.setdefault(room_of(ws), set()).add(ws)
        await ws.wait_closed()
        connections[room_of(ws)].discard(ws)

    async def publish(room: str, message: str) -> None:
        broadcast(connections[room], message)

    async with serve(handler, **place, ping_interval=None) as server:
        yield server, publish


@contextlib.asynccontextmanager
async def broadcaster(url: str, place: Place) -> Any:
    """Serve with the broadcaster package: a queue and a task for each socket."""
    package: Any = importlib.import_module("broadcaster")
    from websockets.asyncio.server import serve

    async def handler(ws: Any) -> None:
        async with rooms.subscribe(channel=room_of(ws)) as subscriber:
            async for event in subscriber:
                await ws.send(event.message)

    async with (
        package.Broadcast(url) as rooms,
        serve(handler, **place, ping_interval=None) as server,
    ):
        yield server, rooms.publish


@contextlib.asynccontextmanager
async def channels_redis(url: str, place: Place) -> Any:
    """Serve with the channel layer that Django's users have: a channel and a task for each."""
    package: Any = importlib.import_module("channels_redis.pubsub")
    from websockets.asyncio.server import serve

    layer = package.RedisPubSubChannelLayer(hosts=[url])

    async def handler(ws: Any) -> None:
        channel = await layer.new_channel()
        await layer.group_add(room_of(ws), channel)
        while True:
            await ws.send((await layer.receive(channel))["text"])

    async def publish(room: str, message: str) -> None:
        await layer.group_send(room, {"type": "message", "text": message})

    async with serve(handler, **place, ping_interval=None) as server:
        yield server, publish


KINDS: dict[str, Callable[[str, Place], Any]] = {
    "bare socket": bare_sockets,
    "fastws": hub,
    "fastws, pings": functools.partial(hub, ping_interval=PING_SECONDS),
    "websockets": websockets_memory,
    "websockets + redis loop": websockets_loop,
    "broadcaster": broadcaster,
    "channels_redis": channels_redis,
}


async def publish_all(
    publish: Publish, rooms: list[str], count: int, burst: int, size: int, pause: float
) -> None:
    """Publish; each message begins with the time."""
    fill = "x" * (size - STAMP_CHARS)
    for start in range(0, count, burst):
        texts = (f"{time.perf_counter_ns():020d}{fill}" for _ in range(min(burst, count - start)))
        await asyncio.gather(
            *(publish(rooms[(start + i) % len(rooms)], text) for i, text in enumerate(texts))
        )
        await asyncio.sleep(pause)


async def main(kind: str, url: str, rooms: str, path: str = "") -> None:
    names = [f"room{number}" for number in range(int(rooms))]
    loop = asyncio.get_running_loop()
    async with KINDS[kind](url, place_of(path)) as (server, publish):
        print(path or server.sockets[0].getsockname()[1], flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            count, burst, size, pause = line.split()
            if int(count):
                await publish_all(publish, names, int(count), int(burst), int(size), float(pause))
            print(time.process_time(), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
