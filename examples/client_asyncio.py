"""A client on asyncio that stays connected: it connects again when the server was away.

Run a server first, the ticker for example:

    python examples/ticker.py
    python examples/client_asyncio.py [URL]
"""

import asyncio
import contextlib
import sys

from fastws import ConnectionClosed
from fastws.aio import connect


async def main(uri="ws://127.0.0.1:8765/"):
    async for ws in connect(uri):
        print("connected", flush=True)
        try:
            async for message in ws:
                print(message, flush=True)
        except ConnectionClosed as closed:
            print(f"lost the connection: {closed}", flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
