"""autobahn: its asyncio server, in its fastest documented configuration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from .. import event_loop
from ..event_loop import BEST, NAMES
from ..jobs import Job, Server
from . import Contender

_CAN = frozenset({"echo", "tls", "broadcast"})


class Autobahn(Contender):
    """Its protocol class, whose callbacks are plain functions."""

    name = "autobahn"
    configuration = "asyncio; prepared messages to broadcast"

    def servers(self) -> Sequence[Server]:
        return [
            Server("autobahn", loop, partial(serve, loop), _CAN, loop == BEST) for loop in NAMES
        ]


def serve(loop: str, job: Job) -> None:
    """Serve with ``autobahn.asyncio``."""
    import asyncio

    from autobahn.asyncio.websocket import WebSocketServerFactory, WebSocketServerProtocol

    class Protocol(WebSocketServerProtocol):  # type: ignore[misc]
        def onOpen(self) -> None:
            connections.add(self)

        def onMessage(self, payload: bytes, isBinary: bool) -> None:
            if not job.broadcast:
                self.sendMessage(payload, isBinary)
                return
            prepared = factory.prepareMessage(payload, isBinary)
            for connection in connections:
                connection.sendPreparedMessage(prepared)

        def onClose(self, wasClean: bool, code: int, reason: str) -> None:
            connections.discard(self)

    connections: set[Protocol] = set()
    factory: Any = None

    async def main() -> None:
        nonlocal factory
        running = asyncio.get_running_loop()
        factory = WebSocketServerFactory(loop=running)
        factory.protocol = Protocol
        factory.setProtocolOptions(tcpNoDelay=True)
        server = await running.create_server(factory, "127.0.0.1", job.port, ssl=job.ssl_context())
        job.ready(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    event_loop.run(loop, main())


def contenders() -> list[Contender]:
    return [Autobahn()]
