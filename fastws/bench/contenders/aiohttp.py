"""aiohttp: its masking in place, its reader and writer, its server."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp._websocket.helpers import websocket_mask
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp._websocket.writer import WebSocketWriter

from .. import event_loop
from . import Call, Contender, Serve


class Aiohttp(Contender):
    """What aiohttp itself runs: Cython where it was built."""

    name = "aiohttp"
    compiled = not inspect.isfunction(websocket_mask)
    configuration = "Cython reader and masking" if compiled else "without its extensions"

    def mask_inplace(self, buffer: bytearray, masking_key: bytes) -> Call:
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

    def echo_servers(self) -> Mapping[str, Serve]:
        return {f"aiohttp ({event_loop.NAME})": serve_asyncio}


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


def serve_asyncio(ready: Callable[[int], None]) -> None:
    """Echo with ``aiohttp.web``."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(compress=False, max_msg_size=0)
        await connection.prepare(request)
        async for message in connection:
            await connection.send_bytes(message.data)
        return connection

    async def main() -> None:
        application = web.Application()
        application.router.add_get("/", echo)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ready(runner.addresses[0][1])
        await event_loop.forever()

    event_loop.run(main())


def contenders() -> list[Contender]:
    return [Aiohttp()]
