"""Echo on asyncio: every message comes back to its sender.

Run it, then connect with a client of your choice:

    python examples/echo_asyncio.py [PORT]
    python -m fastws connect ws://127.0.0.1:8765/
"""

import asyncio
import contextlib
import sys

from fastws.aio import serve


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def main(port=8765):
    async with serve(echo, "127.0.0.1", port) as server:
        host, port = server.sockets[0].getsockname()
        print(f"echo at ws://{host}:{port}/", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*map(int, sys.argv[1:])))
