"""The server under soak, in a process of its own: ``python -m soak.server LOOP FILES``."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import ssl
import sys
from typing import Any
from urllib.parse import parse_qsl

from fastws.aio import ServerConnection, serve

from . import memory
from .child import Child, run
from .messages import Sequence, numbered

__all__ = ["Server"]

# Of the listener that peers which vanish go to: for a ping, for its answer, for the end.
_IMPATIENT_SECONDS = 1.0
_BACKLOG = 2048
_LATE_SECONDS = 0.001


class Server(Child):
    """Three listeners: plain, TLS, and one that soon gives up on who is silent."""

    def __init__(self) -> None:
        super().__init__()
        self._running = contextlib.AsyncExitStack()
        self._tasks = self._files = 0

    async def start(self, certificate: str | None, keepalive: list[float]) -> dict[str, Any]:
        """Listen; return the ports. ``keepalive`` is ping_interval and ping_timeout."""
        interval, timeout = keepalive
        options: dict[str, Any] = {"backlog": _BACKLOG}
        patient = {**options, "ping_interval": interval, "ping_timeout": timeout}
        ports = {"plain": await self._listen(**patient)}
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            ports["tls"] = await self._listen(**patient, ssl=context)
        seconds = ("ping_interval", "ping_timeout", "close_timeout", "open_timeout")
        ports["impatient"] = await self._listen(
            **options, **dict.fromkeys(seconds, _IMPATIENT_SECONDS)
        )
        self._tasks, self._files = len(asyncio.all_tasks()), memory.open_files()
        return ports

    async def _listen(self, **options: Any) -> int:
        server = await self._running.enter_async_context(
            serve(self._handle, "127.0.0.1", 0, **options)
        )
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _handle(self, ws: ServerConnection) -> None:
        self.counts["connections"] += 1
        assert ws.request is not None
        route, _, query = ws.request.path[1:].partition("?")
        await getattr(self, f"_{route}")(ws, **{k: int(v) for k, v in parse_qsl(query)})

    async def _idle(self, ws: ServerConnection) -> None:
        await self._echo(ws)

    async def _echo(self, ws: ServerConnection) -> None:
        sequence = Sequence("server")
        async for message in ws:
            self._take(sequence, message)
            await ws.send(message)

    async def _late(self, ws: ServerConnection) -> None:
        """Echo more slowly than messages come: they wait in the queue, then in the socket."""
        sequence = Sequence("server, late")
        async for message in ws:
            self._take(sequence, message)
            await asyncio.sleep(_LATE_SECONDS)
            await ws.send(message)

    async def _fragments(self, ws: ServerConnection) -> None:
        """Take messages in fragments, and answer in others."""
        sequence = Sequence("server, fragments")
        while True:
            parts = [part async for part in ws.recv_streaming()]
            message = type(parts[0])().join(parts)
            self._take(sequence, message)
            cut = len(message) // 3
            await ws.send([message[:cut], message[cut : 2 * cut], message[2 * cut :]])

    async def _stream(self, ws: ServerConnection, count: int, size: int) -> None:
        """Send so many messages, faster than some read them."""
        for number in range(count):
            await ws.send(numbered(number, size, "awb"[number % 3]))

    def _take(self, sequence: Sequence, message: str | bytes) -> None:
        sequence.check(message)
        self.counts["messages"] += 1
        self.counts["bytes"] += len(message)

    async def settle(self, connections: int, seconds: float) -> dict[str, Any]:
        """Wait until no more than so many connections are left; return what is held then."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        wanted = dict.fromkeys(("connections", "tasks", "files"), connections)
        while (held := self._held()) != wanted and loop.time() < deadline:
            await asyncio.sleep(0.2)
        if held != wanted:
            self._describe_left()
        memory.release()
        held["blocks"] = memory.allocated_blocks()
        held["resident"] = memory.resident_bytes()
        return held

    def _held(self) -> dict[str, int]:
        """Return how much is held for connections."""
        return {
            "connections": len(self._live()),
            "tasks": len(asyncio.all_tasks()) - self._tasks,
            "files": memory.open_files() - self._files,
        }

    def _describe_left(self) -> None:
        """Tell of connections that are there and are not idle."""
        for ws in self._live():
            path = None if ws.request is None else ws.request.path
            if path != "/idle":
                self.violation(
                    f"left: {ws.state.name}, {path}, {ws.transport!r}, {ws.protocol.close_exc!r}"
                )

    async def idle_latencies(self) -> dict[str, Any]:
        """Return how many idle connections answered a keepalive ping, and the worst latency."""
        latencies = [
            ws.latency
            for ws in self._live()
            if ws.request is not None and ws.request.path == "/idle" and ws.latency > 0
        ]
        return {"answered": len(latencies), "worst": max(latencies, default=0.0)}

    @staticmethod
    def _live() -> list[ServerConnection]:
        """Return every connection object; nobody may hold the last answer meanwhile."""
        gc.collect()
        return [found for found in gc.get_objects() if type(found) is ServerConnection]

    async def stop(self) -> None:
        """Stop listening, and close what is open."""
        await self._running.aclose()


if __name__ == "__main__":
    print(os.getpid(), flush=True)
    run(Server(), *sys.argv[1:])
