"""picows: its core and its websockets layer; parser and masking cannot be called from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
    ws_create_server,
)

from .. import event_loop, programs
from ..clients import time_asyncio
from ..event_loop import BEST, NAMES
from ..jobs import Client, Job, Round, Server
from . import Contender

_CORE = frozenset({"echo", "tls", "broadcast"})


class Picows(Contender):
    """Callbacks of the core: no queue, no coroutine per message; or the layer above it."""

    name = "picows"
    configuration = "core listener, payloads as bytes; and picows.websockets"

    def servers(self) -> Sequence[Server]:
        rows = [
            Server("picows", loop, partial(serve_core, loop), _CORE, loop == BEST) for loop in NAMES
        ]
        if has_layer():
            can = _CORE | {"deflate"}
            rows += [
                Server("picows.websockets", loop, partial(serve_layer, loop), can, loop == BEST)
                for loop in NAMES
            ]
        return rows

    def clients(self) -> Sequence[Client]:
        return [Client("picows", loop, partial(run_core, loop), loop == BEST) for loop in NAMES]


def has_layer() -> bool:
    """Whether this picows has the layer that resembles websockets."""
    try:
        import picows.websockets  # noqa: F401
    except ImportError:
        return False
    return True


class Echo(WSListener):  # type: ignore[misc]
    """Send every data frame back."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())


class TellAll(WSListener):  # type: ignore[misc]
    """Send every data frame to everybody."""

    transports: ClassVar[set[WSTransport]] = set()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transports.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transports.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
            return
        kind, payload = frame.msg_type, frame.get_payload_as_bytes()
        for receiver in self.transports:
            receiver.send(kind, payload)


def serve_core(loop: str, job: Job) -> None:
    """Serve with the core of picows."""
    listener = TellAll if job.broadcast else Echo

    async def main() -> None:
        server = await ws_create_server(
            lambda request: listener(),
            "127.0.0.1",
            job.port,
            ssl=job.ssl_context(),
            max_frame_size=2**31 - 1,
        )
        job.ready(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    event_loop.run(loop, main())


def serve_layer(loop: str, job: Job) -> None:
    """Serve with ``picows.websockets``."""
    from picows.websockets import broadcast, serve

    programs.serve_asyncio(loop, serve, broadcast, job)


class Receiver(WSListener):  # type: ignore[misc]
    """Hand the next payload to whoever waits for it."""

    def __init__(self) -> None:
        self.next: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if not self.next.done():
            self.next.set_result(frame.get_payload_as_bytes())


def run_core(loop: str, uri: str, message: bytes, seconds: float) -> Round:
    """Send and receive with the core of picows, a coroutine waiting for each answer."""

    async def main() -> Round:
        transport, receiver = await ws_connect(Receiver, uri)

        async def send(message: bytes) -> None:
            transport.send(WSMsgType.BINARY, message)

        async def recv() -> bytes:
            payload: bytes = await receiver.next
            receiver.next = asyncio.get_running_loop().create_future()
            return payload

        try:
            return await time_asyncio(send, recv, message, seconds)
        finally:
            transport.disconnect()

    return event_loop.run(loop, main())


def contenders() -> list[Contender]:
    return [Picows()]
