"""Hubs with a server each, as processes have them, and clients in their rooms."""

from __future__ import annotations

import contextlib
import uuid
from urllib.parse import parse_qs, urlencode, urlsplit

from connections.running import until

from fastws.aio import connect, serve
from fastws.rooms import Hub

MEMORY = "memory://"


def new_namespace():
    """A name that no other test uses at the same broker."""
    return uuid.uuid4().hex[:12]


class Process:
    """A hub and a server: ``/?room=a&room=b&member=Ann&last=ID`` joins."""

    def __init__(self, hub, server):
        self.hub = hub
        self.server = server
        self.uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

    async def join(self, *rooms, member=None, **query):
        """A client that is in rooms."""
        before = self.hub.stats().receivers
        pairs = [("room", room) for room in rooms] + list(query.items())
        pairs += [("member", member)] if member else []
        ws = await connect(f"{self.uri}?{urlencode(pairs)}", compression=None)
        try:
            assert await ws.recv() == "joined"
        except BaseException:
            await ws.close()
            raise
        assert self.hub.stats().receivers >= before
        return ws


@contextlib.asynccontextmanager
async def process(url=MEMORY, namespace="test", *, server_options=None, **options):
    """A hub at a broker, and a server whose handler joins and echoes nothing."""

    async def handler(ws):
        query = parse_qs(urlsplit(ws.request.path).query)
        [member] = query.get("member", [None])
        [last] = query.get("last", [None])
        [recent] = query.get("recent", ["0"])
        joined = hub.join(
            ws, *query.get("room", []), member=member, last_id=last, recent=int(recent)
        )
        async with joined:
            if last is None and recent == "0":
                await ws.send("joined")
            await ws.wait_closed()

    async with contextlib.AsyncExitStack() as stack:
        hub = await stack.enter_async_context(Hub(url, namespace=namespace, **options))
        server = await stack.enter_async_context(
            serve(handler, "127.0.0.1", 0, **(server_options or {}))
        )
        yield Process(hub, server)


@contextlib.asynccontextmanager
async def processes(url, count, **options):
    """Several of them, which know of each other."""
    namespace = new_namespace()
    async with contextlib.AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(process(url, namespace, **options))
            for _ in range(count)
        ]
        if url != MEMORY:
            await until(lambda: all(one.hub.stats().processes == count for one in made))
        yield made


@contextlib.contextmanager
def kept_back(hub):
    """What a broker passes on is in a list, of ``(room, incoming)``, instead of in its rooms."""
    part, kept = hub._reception, []
    receive = part._receive_kept
    part._receive_kept = lambda room, incoming: kept.append((room, incoming))
    try:
        yield kept
    finally:
        part._receive_kept = receive
