"""What our side says to every peer, and what it must hear; a peer only has to echo."""

from __future__ import annotations

import contextlib
import os

import pytest

from fastws.aio import connect, serve
from fastws.errors import ConnectionClosed

MEBIBYTE = 1024 * 1024

MESSAGES = [
    "",
    "Hello",
    "Grüße, 世界 🎉",
    b"",
    bytes(range(256)),
    "x" * 125,
    "y" * 126,
    "z" * 65_535,
    b"w" * 65_536,
    "a compressible line\n" * 5000,
    os.urandom(MEBIBYTE),
    "é" * (MEBIBYTE // 2),
]


async def talk_to_echo(uri, *, answer=4001, **options):
    """Talk to an echo server of another library with our client; ``answer`` is its close code."""
    async with connect(uri, max_size=None, **options) as ws:
        for message in MESSAGES:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(["frag", "men", "ted"])
        assert await ws.recv() == "fragmented"
        await ws.send([b"a" * 70_000, b"", b"c" * 70_000])
        assert await ws.recv() == b"a" * 70_000 + b"c" * 70_000
        for number in range(200):
            await ws.send(f"pipelined {number}")
        for number in range(200):
            assert await ws.recv() == f"pipelined {number}"
        await (await ws.ping(b"there?"))
        await ws.close(4001, "our reason é")
        assert ws.close_code == answer
    return ws


async def hear_close(uri, code, reason, **options):
    """Connect to a server that closes; check what we hear."""
    async with connect(uri, **options) as ws:
        with pytest.raises(ConnectionClosed) as caught:
            await ws.recv()
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (code, reason)


@contextlib.asynccontextmanager
async def our_echo(**options):
    """An echo server of ours; yields its address and what its connections ended with."""
    ends = []

    async def echo(ws):
        if ws.request.path == "/close":
            await ws.close(4002, "their reason é")
        try:
            while True:
                await ws.send(await ws.recv())
        except ConnectionClosed as error:
            rcvd = error.rcvd
            ends.append((rcvd.code, rcvd.reason) if rcvd else None)

    async with serve(echo, "127.0.0.1", 0, max_size=None, **options) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", ends
