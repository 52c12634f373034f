"""websocket-rs: clients written in Rust; it has no server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..clients import time_asyncio, time_blocking
from ..jobs import Client, Round
from . import Contender


class WebsocketRs(Contender):
    """Its blocking client, and the one for asyncio."""

    name = "websocket-rs"
    configuration = "both clients"

    def clients(self) -> Sequence[Client]:
        return [
            Client("websocket-rs", "blocking", run_blocking),
            Client("websocket-rs", "asyncio", run_asyncio),
        ]


def run_blocking(uri: str, message: bytes, seconds: float) -> Round:
    """Send and receive with ``websocket_rs.sync``."""
    from websocket_rs.sync.client import connect

    connection = connect(uri)
    try:
        return time_blocking(connection.send, connection.recv, message, seconds)
    finally:
        connection.close()


def run_asyncio(uri: str, message: bytes, seconds: float) -> Round:
    """Send and receive with ``websocket_rs.async_client``."""
    from websocket_rs.async_client import connect

    async def main() -> Round:
        connection = await connect(uri)
        try:
            return await time_asyncio(connection.send, connection.recv, message, seconds)
        finally:
            await connection.close()

    return asyncio.run(main())


def contenders() -> list[Contender]:
    return [WebsocketRs()]
