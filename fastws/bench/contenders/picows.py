"""picows: its server; its parser and its masking cannot be called from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from .. import event_loop
from . import Contender, Serve


class Picows(Contender):
    """The callbacks of its core: no queue, no coroutine per message."""

    name = "picows"
    configuration = "core listener; payloads as bytes"

    def echo_servers(self) -> Mapping[str, Serve]:
        return {f"picows ({event_loop.NAME})": serve_asyncio}


class Echo(WSListener):  # type: ignore[misc]
    """Send every data frame back."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())


def serve_asyncio(ready: Callable[[int], None]) -> None:
    """Echo with the core of picows."""

    async def main() -> None:
        server = await ws_create_server(lambda request: Echo(), "127.0.0.1", 0)
        ready(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    event_loop.run(main())


def contenders() -> list[Contender]:
    return [Picows()]
