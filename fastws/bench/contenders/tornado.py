"""tornado: its masking and its server; its protocol cannot be had without its streams."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from tornado.util import _websocket_mask

from .. import event_loop
from ..event_loop import BEST, NAMES
from ..jobs import Job, Server
from . import Call, Contender

_CAN = frozenset({"echo", "tls", "deflate", "broadcast"})


class Tornado(Contender):
    """What tornado itself runs: C where it was built."""

    name = "tornado"
    compiled = not inspect.isfunction(_websocket_mask)
    configuration = "C speedups" if compiled else "without its C speedups"

    def mask(self, data: bytes, masking_key: bytes) -> Call:
        names = {"websocket_mask": _websocket_mask, "data": data, "masking_key": masking_key}
        return Call("websocket_mask(masking_key, data)", names)

    def servers(self) -> Sequence[Server]:
        return [Server("tornado", loop, partial(serve, loop), _CAN, loop == BEST) for loop in NAMES]


def serve(loop: str, job: Job) -> None:
    """Serve with ``tornado.websocket``."""
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application
    from tornado.websocket import WebSocketHandler

    class Handler(WebSocketHandler):  # type: ignore[misc]
        connections: ClassVar[set[Any]] = set()

        def open(self) -> None:
            self.set_nodelay(True)
            self.connections.add(self)

        def on_close(self) -> None:
            self.connections.discard(self)

        def get_compression_options(self) -> dict[str, Any] | None:
            return {} if job.compression else None

        def on_message(self, message: str | bytes) -> None:
            binary = isinstance(message, bytes)
            for receiver in self.connections if job.broadcast else (self,):
                receiver.write_message(message, binary=binary)

    async def main() -> None:
        application = Application(
            [("/", Handler)], websocket_max_message_size=2**30, log_function=lambda handler: None
        )
        [listening] = bind_sockets(job.port, "127.0.0.1")
        HTTPServer(application, ssl_options=job.ssl_context()).add_sockets([listening])
        job.ready(listening.getsockname()[1])
        await event_loop.forever()

    event_loop.run(loop, main())


def contenders() -> list[Contender]:
    return [Tornado()]
