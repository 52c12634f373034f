"""Clients that keep to the protocol, each in its way: every message comes, once and in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import Any

from wire import PING, PONG

from fastws.aio import connect

from .frames import Frames
from .messages import Sequence, Violation, numbered, random_kind
from .sockets import Target, connected_socket, open_raw

__all__ = ["BEHAVIOURS"]

_ROUTES = ("echo", "echo", "echo", "fragments")
_WINDOWS = (1, 8, 64)
# More than the server's queue holds, so that it stops reading; few enough to be taken within the
# ping timeout, a few turns of a busy loop each, for keepalive ends a connection that is not read.
_WINDOWS_WHEN_LATE = (8, 24)
_SMALL_BUFFER = 4096


def random_size(chosen: random.Random) -> int:
    """Return a size; small ones are frequent, one of a megabyte is rare."""
    return int(2 ** chosen.triangular(4, 20, 5))


async def connect_to(target: Target, chosen: random.Random, route: str, **options: Any) -> Any:
    """Return an open fastws client, over plain TCP or TLS, with compression or without."""
    port, context = target.choose(chosen)
    if context is not None:
        options |= {"ssl": context, "server_hostname": "localhost"}
    return await connect(
        f"{'ws' if context is None else 'wss'}://127.0.0.1:{port}/{route}",
        sock=await connected_socket(port),
        compression=chosen.choice(["deflate", None]),
        open_timeout=30,
        **options,
    )


async def echo(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Send messages, whole or in fragments, a few ahead of the answers; close with 1000."""
    route = chosen.choice([*_ROUTES, "late"])
    count = chosen.randrange(1, 100)
    ahead = asyncio.Semaphore(chosen.choice(_WINDOWS_WHEN_LATE if route == "late" else _WINDOWS))
    sequence = Sequence(f"client of {route}")
    impatient = chosen.random() < 0.3

    async def send() -> None:
        for number in range(count):
            message = numbered(number, random_size(chosen), random_kind(chosen))
            await ahead.acquire()
            cut = chosen.randrange(len(message))
            await ws.send([message[:cut], message[cut:]] if number % 5 == 4 else message)
            counts["bytes"] += len(message)

    async with await connect_to(target, chosen, route) as ws:
        sending = asyncio.create_task(send())
        try:
            while sequence.received < count:
                try:
                    # A receive that is cancelled must not take a message with it.
                    seconds = chosen.random() * 0.002 if impatient else None
                    message = await asyncio.wait_for(ws.recv(), seconds)
                except asyncio.TimeoutError:
                    continue
                sequence.check(message)
                ahead.release()
            await sending
        finally:
            sending.cancel()
    expect_code(ws, 1000)
    counts["messages"] += count


async def read_stream(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Take what the server sends, now and then slowly, until it closes."""
    count, size = chosen.randrange(1, 300), random_size(chosen) // 4
    slow = chosen.random() < 0.5
    sequence = Sequence("client of stream")
    async with await connect_to(target, chosen, f"stream?count={count}&size={size}") as ws:
        async for message in ws:
            sequence.check(message)
            counts["bytes"] += len(message)
            if slow and sequence.received % 16 == 0:
                await asyncio.sleep(0.01)
    sequence.expect(count)
    expect_code(ws, 1000)
    counts["messages"] += count


def expect_code(ws: Any, *codes: int) -> None:
    """Raise Violation unless the peer closed with one of these."""
    if ws.close_code not in codes:
        raise Violation(f"closed with {ws.close_code} {ws.close_reason!r}, not with {codes}")


async def read_slowly(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Take more than all buffers hold, through a small one, with pauses."""
    count, size = 100, 60_000
    async with open_raw(target.plain, receive_bytes=_SMALL_BUFFER) as client:
        await client.handshake(f"/stream?count={count}&size={size}")
        frames = Frames(client, Sequence("slow reader"))
        client.pause()
        await asyncio.sleep(chosen.random())
        client.resume()
        while await frames.receive():
            if chosen.random() < 0.2:
                await asyncio.sleep(0.02)
        frames.sequence.expect(count)
        frames.expect_close(1000)
    counts["messages"] += count
    counts["bytes"] += frames.received_bytes


async def flood(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Send many pings and messages at once, far ahead of the answers, while reading these."""
    port, context = target.choose(chosen)
    count = chosen.randrange(100, 3000)
    async with open_raw(port, context) as client:
        await client.handshake("/echo")
        frames = Frames(client, Sequence("flooding client"))

        async def send() -> None:
            for number in range(count):
                if chosen.random() < 0.5:
                    await frames.send(PING, b"%08d" % number)
                await frames.send_message(numbered(number, 40, random_kind(chosen)))
            await frames.send(PING, b"%08d" % count)

        await read_while(send(), frames, count)
        # An answer to the latest ping is all that RFC 6455 §5.5.3 asks for.
        pongs = [int(frame.payload) for frame in frames.control if frame.opcode == PONG]
        if pongs != sorted(set(pongs)) or pongs[-1:] != [count]:
            raise Violation(f"pongs out of order, or the last is missing: {pongs[-5:]}")
        await frames.close()
    counts["messages"] += count
    counts["bytes"] += frames.received_bytes


async def cut_up(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Send messages compressed, in fragments with pings between, and bytes in odd pieces."""
    port, context = target.choose(chosen)
    count = chosen.randrange(1, 60)
    async with open_raw(port, context) as client:
        headers = ()
        if chosen.random() < 0.7:
            headers = ["Sec-WebSocket-Extensions: permessage-deflate"]
        answer = await client.handshake(f"/{chosen.choice(_ROUTES)}", headers)
        frames = Frames(
            client, Sequence("fragmenting client"), answer.get("sec-websocket-extensions", "")
        )

        async def send() -> None:
            for number in range(count):
                message = numbered(number, random_size(chosen) // 2, random_kind(chosen))
                await frames.send_cut(message, chosen)

        await read_while(send(), frames, count)
        await frames.close()
    counts["messages"] += count
    counts["bytes"] += frames.received_bytes


async def read_while(sending: Any, frames: Frames, count: int) -> None:
    """Receive so many messages, and the answer to the last ping, while a coroutine sends."""
    task = asyncio.create_task(sending)
    try:
        while not task.done() or frames.sequence.received < count or frames.pings_unanswered():
            if not await frames.receive():
                raise Violation(
                    f"closed by {frames.control[-1:]} after {frames.sequence.received} of {count}"
                )
        await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await task


BEHAVIOURS = {echo: 10, read_stream: 4, read_slowly: 1, flood: 2, cut_up: 5}
