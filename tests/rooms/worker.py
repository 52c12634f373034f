"""A process of the failure runs: ``worker.py PORT URL HISTORY`` serves ``/ROOM?last=ID``.

What a client sends is published to its room, and answered with ``ok`` or ``failed`` and the text.
History 0 is none. It ends when its input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from urllib.parse import parse_qs, urlsplit

from fastws.aio import serve
from fastws.rooms import BrokerUnavailable, Hub, id_first


async def main(port, url, history):
    kept = {"history": history, "stamp": id_first} if history else {}
    closing = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(0, lambda: closing.done() or closing.set_result(None))

    async def handler(ws):
        path = urlsplit(ws.request.path)
        room = path.path.strip("/")
        [last] = parse_qs(path.query).get("last", [None])
        try:
            async with hub.join(ws, room, last_id=last) as joined:
                if not all(joined.complete.values()):
                    raise RuntimeError("history does not reach back")
                await ws.send("joined")
                async for message in ws:
                    await asyncio.shield(publish(ws, room, message))
        except BrokerUnavailable as error:
            await ws.close(1013, str(error)[:100])

    async def publish(ws, room, message):
        try:
            await hub.publish(room, message, wait=15 if history else 0)
        except BrokerUnavailable as error:
            await ws.send(f"failed {message} {error}")
        else:
            await ws.send(f"ok {message}")

    async with (
        Hub(url, publish_wait=15, **kept) as hub,
        serve(handler, "127.0.0.1", port, reuse_port=True, compression=None) as server,
    ):
        print(server.sockets[0].getsockname()[1], flush=True)
        await closing
        print(hub.stats(), file=sys.stderr)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
