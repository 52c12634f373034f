"""The server under test: echoes every message, until its standard input ends."""

from __future__ import annotations

import asyncio
import sys
import threading

from fastws import aio, sync

# Section 9 sends messages of up to this size.
MAX_SIZE = 16 * 1024 * 1024


async def echo_aio(ws: aio.ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


async def serve_aio() -> None:
    async with aio.serve(echo_aio, "127.0.0.1", 0, max_size=MAX_SIZE) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def echo_sync(ws: sync.ServerConnection) -> None:
    for message in ws:
        ws.send(message)


def serve_sync() -> None:
    with sync.serve(echo_sync, "127.0.0.1", 0, max_size=MAX_SIZE) as server:
        print(server.socket.getsockname()[1], flush=True)
        threading.Thread(target=server.serve_forever).start()
        sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1] == "aio":
        asyncio.run(serve_aio())
    else:
        serve_sync()
