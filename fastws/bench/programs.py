"""Programs that fastws, websockets and picows.websockets run alike: only their imports differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import event_loop
from .clients import time_asyncio, time_blocking
from .jobs import Job, Round

__all__ = ["run_asyncio", "run_blocking", "serve_asyncio", "serve_threads"]


def _options(job: Job) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": job.port,
        "ssl": job.ssl_context(),
        "compression": "deflate" if job.compression else None,
        "max_size": None,
        "ping_interval": None,
    }


def serve_asyncio(
    loop: str, serve: Callable[..., Any], broadcast: Callable[..., object], job: Job
) -> None:
    """Serve with a coroutine for each connection."""
    connections: set[Any] = set()

    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async def tell_all(connection: Any) -> None:
        connections.add(connection)
        try:
            async for message in connection:
                broadcast(connections, message)
        finally:
            connections.discard(connection)

    async def main() -> None:
        handler = tell_all if job.broadcast else echo
        async with serve(handler, **_options(job)) as server:
            job.ready(next(iter(server.sockets)).getsockname()[1])
            await server.serve_forever()

    event_loop.run(loop, main())


def serve_threads(
    serve: Callable[..., Any], broadcast: Callable[..., object] | None, job: Job
) -> None:
    """Serve with a thread for each connection; without ``broadcast``, echo only."""

    def echo(connection: Any) -> None:
        for message in connection:
            connection.send(message)

    def tell_all(connection: Any) -> None:
        assert broadcast is not None
        for message in connection:
            broadcast(server.connections, message)

    with serve(tell_all if job.broadcast else echo, **_options(job)) as server:
        job.ready(server.socket.getsockname()[1])
        server.serve_forever()


def run_blocking(connect: Callable[..., Any], uri: str, message: bytes, seconds: float) -> Round:
    """Send and receive in a blocking client."""
    with connect(uri, compression=None, max_size=None) as connection:
        return time_blocking(connection.send, connection.recv, message, seconds)


def run_asyncio(
    loop: str, connect: Callable[..., Any], uri: str, message: bytes, seconds: float
) -> Round:
    """Send and receive in a client on an event loop."""

    async def main() -> Round:
        async with connect(uri, compression=None, max_size=None) as connection:
            return await time_asyncio(connection.send, connection.recv, message, seconds)

    return event_loop.run(loop, main())
