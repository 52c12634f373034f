"""A live ticker: one price for everyone, ten times a second.

``broadcast`` frames each message once, however many clients there are, and never waits for a slow
one: here, that one misses some prices instead of being disconnected. Run it, then watch:

    python examples/ticker.py [PORT]
    python -m fastws connect ws://127.0.0.1:8765/
"""

import asyncio
import contextlib
import json
import random
import sys
import time

from fastws.aio import broadcast, serve


async def watch(ws):
    # Clients only listen; this waits until they leave.
    async for _ in ws:
        pass


async def tick(server):
    price = 100.0
    while True:
        price *= random.gauss(1, 0.001)
        message = json.dumps({"time": round(time.time(), 3), "price": round(price, 2)})
        broadcast(server.connections, message, slow="skip")
        await asyncio.sleep(0.1)


async def main(port=8765):
    async with serve(watch, "127.0.0.1", port) as server:
        host, port = server.sockets[0].getsockname()
        print(f"ticker at ws://{host}:{port}/", flush=True)
        await tick(server)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*map(int, sys.argv[1:])))
