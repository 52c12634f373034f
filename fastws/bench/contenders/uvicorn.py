"""uvicorn: an ASGI echo with its own WebSocket classes, and with that of fastws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from .. import event_loop
from ..event_loop import BEST, NAMES
from ..jobs import Job, Server
from . import Contender, Kind

_ASGI = frozenset({"asgi"})


class Uvicorn(Contender):
    """What ``uvicorn --ws`` names, under each event loop."""

    name = "uvicorn"

    def __init__(self, kind: Kind, classes: Mapping[str, str], can: frozenset[str]) -> None:
        self.kind = kind
        self.configuration = f"Starlette, --ws {' and '.join(classes.values())}"
        self._classes = classes
        self._can = can

    def servers(self) -> Sequence[Server]:
        return [
            Server(f"uvicorn, {title}", loop, partial(serve, ws, loop), self._can, loop == BEST)
            for title, ws in self._classes.items()
            for loop in NAMES
        ]


def serve(ws: str, loop: str, job: Job) -> None:
    """Serve with Starlette under uvicorn."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    async def echo(websocket: Any) -> None:
        await websocket.accept()
        async for message in websocket.iter_bytes():
            await websocket.send_bytes(message)

    config = uvicorn.Config(
        Starlette(routes=[WebSocketRoute("/", echo)]),
        port=job.port,
        ws=ws,
        ws_max_size=2**30,
        ws_ping_interval=None,
        ws_per_message_deflate=job.compression,
        log_level="error",
    )

    class Announcing(uvicorn.Server):  # type: ignore[misc]
        async def startup(self, *args: Any, **kwargs: Any) -> None:
            await super().startup(*args, **kwargs)
            job.ready(self.servers[0].sockets[0].getsockname()[1])

    event_loop.run(loop, Announcing(config).serve())


def contenders() -> list[Contender]:
    if find_spec("starlette") is None:
        raise ModuleNotFoundError("No module named 'starlette'", name="starlette")
    peers = {"default": "auto"}
    if find_spec("wsproto"):
        peers["wsproto"] = "wsproto"
    own = {"fastws": "fastws.uvicorn:WebSocketProtocol"}
    # In an echo fastws is measured without uvicorn, its peers as people run them.
    return [Uvicorn(Kind.OWN, own, _ASGI), Uvicorn(Kind.PEER, peers, _ASGI | {"echo", "deflate"})]
