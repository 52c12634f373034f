"""The websockets package: its masking, its sans-I/O core, its servers and clients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from websockets.extensions.permessage_deflate import enable_server_permessage_deflate
from websockets.frames import Frame, Opcode, apply_mask
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from .. import programs
from ..event_loop import BEST, NAMES
from ..jobs import Client, Job, Round, Server
from . import Call, Contender

_CAN = frozenset({"echo", "tls", "deflate", "broadcast"})


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

    def servers(self) -> Sequence[Server]:
        return [
            *(
                Server("websockets", loop, partial(serve_asyncio, loop), _CAN, loop == BEST)
                for loop in NAMES
            ),
            Server("websockets", "threads", serve_threads, _CAN - {"broadcast"}, quick=False),
        ]

    def clients(self) -> Sequence[Client]:
        return [
            Client("websockets", "blocking", run_blocking),
            *(
                Client("websockets", loop, partial(run_asyncio, loop), loop == BEST)
                for loop in NAMES
            ),
        ]


def serve_threads(job: Job) -> None:
    """Serve with ``websockets.sync``."""
    from websockets.sync.server import serve

    programs.serve_threads(serve, None, job)


def serve_asyncio(loop: str, job: Job) -> None:
    """Serve with ``websockets.asyncio``."""
    from websockets.asyncio.server import broadcast, serve

    programs.serve_asyncio(loop, serve, broadcast, job)


def run_blocking(uri: str, message: bytes, seconds: float) -> Round:
    """Send and receive with ``websockets.sync``."""
    from websockets.sync.client import connect

    return programs.run_blocking(connect, uri, message, seconds)


def run_asyncio(loop: str, uri: str, message: bytes, seconds: float) -> Round:
    """Send and receive with ``websockets.asyncio``."""
    from websockets.asyncio.client import connect

    return programs.run_asyncio(loop, connect, uri, message, seconds)


def contenders() -> list[Contender]:
    return [Websockets()]
