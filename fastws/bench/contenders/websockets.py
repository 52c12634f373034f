"""The websockets package: its masking, its sans-I/O core, its two kinds of server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from websockets.extensions.permessage_deflate import enable_server_permessage_deflate
from websockets.frames import Frame, Opcode, apply_mask
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from .. import event_loop
from . import Call, Contender, Serve


class Websockets(Contender):
    """What websockets itself runs: C for masking where it was built, Python for the rest."""

    name = "websockets"
    compiled = apply_mask.__module__ != "websockets.utils"
    configuration = "C speedups" if compiled else "without its C speedups"

    def mask(self, data: bytes, masking_key: bytes) -> Call:
        names = {"apply_mask": apply_mask, "data": data, "masking_key": masking_key}
        return Call("apply_mask(data, masking_key)", names)

    def serialize(self, payload: bytes, *, masked: bool) -> Call:
        names = {"Frame": Frame, "BINARY": Opcode.BINARY, "payload": payload, "masked": masked}
        return Call("Frame(BINARY, payload).serialize(mask=masked)", names)

    def parse(self, stream: bytes, *, text: bool, count: int) -> Call:
        protocol = ServerProtocol(state=OPEN, max_size=None)
        names = {"protocol": protocol, "stream": stream}
        message = "frame.data.decode()" if text else "frame.data"
        return Call(
            f"[{message} for frame in protocol.events_received()]",
            names,
            before="protocol.receive_data(stream)",
            count=count,
        )

    def handshake(self, request: bytes) -> Call:
        names = {
            "ServerProtocol": ServerProtocol,
            "extensions": enable_server_permessage_deflate(None),
            "received": request,
        }
        return Call(
            "protocol.data_to_send()",
            names,
            b"".join,
            before="protocol = ServerProtocol(extensions=extensions); "
            "protocol.receive_data(received); [request] = protocol.events_received(); "
            "protocol.send_response(protocol.accept(request))",
        )

    def echo_servers(self) -> Mapping[str, Serve]:
        return {
            "websockets (threads)": serve_threads,
            f"websockets ({event_loop.NAME})": serve_asyncio,
        }


def serve_threads(ready: Callable[[int], None]) -> None:
    """Echo with ``websockets.sync``: one thread per connection."""
    from websockets.sync.server import serve

    def echo(connection: Any) -> None:
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0, compression=None, max_size=None) as server:
        ready(server.socket.getsockname()[1])
        server.serve_forever()


def serve_asyncio(ready: Callable[[int], None]) -> None:
    """Echo with ``websockets.asyncio``."""
    from websockets.asyncio.server import serve

    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0, compression=None, max_size=None) as server:
            ready(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    event_loop.run(main())


def contenders() -> list[Contender]:
    return [Websockets()]
