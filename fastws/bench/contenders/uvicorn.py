"""Starlette's echo under uvicorn, with our WebSocket class and with those uvicorn brings."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from . import Contender, Kind, Serve

_LOOPS = ["uvloop", "asyncio"] if importlib.util.find_spec("uvloop") else ["asyncio"]


class _Server(uvicorn.Server):  # type: ignore[misc]
    """A server that tells which port it was given."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, *args: Any, **kwargs: Any) -> None:
        await super().startup(*args, **kwargs)
        self._ready(self.servers[0].sockets[0].getsockname()[1])


class Uvicorn(Contender):
    """What ``uvicorn --ws`` names, under each event loop."""

    def __init__(self, ws: Mapping[str, str], kind: Kind) -> None:
        self.name = "uvicorn"
        self.kind = kind
        self._ws = ws

    def echo_servers(self) -> Mapping[str, Serve]:
        return {
            f"{title} ({loop})": partial(serve, ws, loop)
            for title, ws in self._ws.items()
            for loop in _LOOPS
        }


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for message in websocket.iter_bytes():
        await websocket.send_bytes(message)


def serve(ws: str, loop: str, ready: Callable[[int], None]) -> None:
    """Echo with Starlette under uvicorn."""
    config = uvicorn.Config(
        Starlette(routes=[WebSocketRoute("/", _echo)]),
        port=0,
        ws=ws,
        ws_per_message_deflate=False,
        log_level="error",
    )
    server = _Server(config, ready)
    if loop == "uvloop":
        import uvloop

        uvloop.new_event_loop().run_until_complete(server.serve())
    else:
        asyncio.run(server.serve())


def contenders() -> list[Contender]:
    peers = {"uvicorn's default": "auto"}
    if importlib.util.find_spec("wsproto"):
        peers["wsproto"] = "wsproto"
    return [
        Uvicorn({"fastws": "fastws.uvicorn:WebSocketProtocol"}, Kind.OWN),
        Uvicorn(peers, Kind.PEER),
    ]
