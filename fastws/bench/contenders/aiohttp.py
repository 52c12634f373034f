"""aiohttp: its masking in place, its reader and writer, its server and client."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any

from aiohttp import ClientSession, WSMsgType, web
from aiohttp._websocket.helpers import websocket_mask
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp._websocket.writer import WebSocketWriter

from .. import event_loop
from ..clients import time_asyncio
from ..event_loop import BEST, NAMES
from ..jobs import Client, Job, Round, Server
from . import Call, Contender

_CAN = frozenset({"echo", "tls", "deflate", "broadcast"})


class Aiohttp(Contender):
    """What aiohttp itself runs: Cython where it was built."""

    name = "aiohttp"
    compiled = not inspect.isfunction(websocket_mask)
    configuration = "Cython reader and masking" if compiled else "without its extensions"

    def mask_inplace(self, buffer: bytearray, masking_key: bytes, start: int) -> Call | None:
        if start:
            return None  # it takes a bytearray only, which begins where it begins
        names = {"websocket_mask": websocket_mask, "buffer": buffer, "masking_key": masking_key}
        return Call("websocket_mask(masking_key, buffer)", names)

    def serialize(self, payload: bytes, *, masked: bool) -> Call:
        written: list[bytes] = []
        writer = WebSocketWriter(None, Transport(written), use_mask=masked, limit=2**62)
        names = {"write": writer._write_websocket_frame, "written": written, "payload": payload}
        return Call("written", names, b"".join, before="written.clear(); write(payload, 2, 0)")

    def parse(self, stream: bytes, *, text: bool, count: int) -> Call:
        # A queue that never asks the transport to pause; a new one for each piece, so that what it
        # costs to take messages out of it one by one is left out, in favour of aiohttp.
        names = {"new_queue": new_queue, "new_reader": new_reader, "stream": stream}
        return Call(
            "queue._buffer",
            names,
            lambda queued: [message.data for message, _ in queued],
            before="queue = new_queue(); new_reader(queue).feed_data(stream)",
            count=count,
        )

    def servers(self) -> Sequence[Server]:
        return [Server("aiohttp", loop, partial(serve, loop), _CAN, loop == BEST) for loop in NAMES]

    def clients(self) -> Sequence[Client]:
        return [Client("aiohttp", loop, partial(run, loop), loop == BEST) for loop in NAMES]


class Transport:
    """As much of a transport as the writer asks for."""

    def __init__(self, written: list[bytes]) -> None:
        self.write = written.append

    def is_closing(self) -> bool:
        return False


def new_queue() -> Any:
    return WebSocketDataQueue(None, 2**30, loop=None)


def new_reader(queue: Any) -> Any:
    try:
        return WebSocketReader(queue, 0, False, True)
    except TypeError:  # before aiohttp 3.14 there was no choice but to decode
        return WebSocketReader(queue, 0, False)


def serve(loop: str, job: Job) -> None:
    """Serve with ``aiohttp.web``."""
    connections: set[web.WebSocketResponse] = set()

    async def handle(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(compress=job.compression, max_msg_size=0)
        await connection.prepare(request)
        connections.add(connection)
        try:
            async for message in connection:
                for receiver in list(connections) if job.broadcast else (connection,):
                    if message.type is WSMsgType.TEXT:
                        await receiver.send_str(message.data)
                    else:
                        await receiver.send_bytes(message.data)
        finally:
            connections.discard(connection)
        return connection

    async def main() -> None:
        application = web.Application()
        application.router.add_get("/", handle)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", job.port, ssl_context=job.ssl_context())
        await site.start()
        job.ready(runner.addresses[0][1])
        await event_loop.forever()

    event_loop.run(loop, main())


def run(loop: str, uri: str, message: bytes, seconds: float) -> Round:
    """Send and receive with ``aiohttp.ClientSession``."""

    async def main() -> Round:
        async with (
            ClientSession() as session,
            session.ws_connect(uri, compress=0, max_msg_size=0) as connection,
        ):
            return await time_asyncio(
                connection.send_bytes, connection.receive_bytes, message, seconds
            )

    return event_loop.run(loop, main())


def contenders() -> list[Contender]:
    return [Aiohttp()]
