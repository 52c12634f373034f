"""Clients that break off, go silent, or break the rules: the server must shrug and go on."""

from __future__ import annotations

import asyncio
import contextlib
import random
import zlib
from collections import Counter

from connections.raw import REQUEST, RawClient
from wire import BINARY, CLOSE, CONTINUATION, KEY, PING, TEXT, frame

from .frames import Frames
from .messages import Sequence, Violation, numbered, random_kind
from .orderly import connect_to, expect_code, random_size
from .sockets import Target, connected_socket, forget, open_raw, reset

__all__ = ["BEHAVIOURS"]

# When a write took so long, the other side takes no more.
_BLOCKED_SECONDS = 0.5
_JUNK = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # the beginning of TLS
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",  # no WebSocket
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000,
    b"\r\n" * 1000,
    b"GET /" + b"a" * 20000,
    bytes(range(256)) * 50,
)


def _bomb() -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(bytes(20 << 20)) + compressor.flush(zlib.Z_SYNC_FLUSH)


# What breaks RFC 6455 or RFC 7692, and the code to be closed with.
_BROKEN = (
    (frame(0x3, b"reserved opcode", key=KEY), 1002),
    (frame(0xB, b"reserved opcode", key=KEY), 1002),
    (frame(TEXT, b"reserved bit", rsv=2, key=KEY), 1002),
    (frame(TEXT, b"not masked"), 1002),
    (frame(PING, b"in fragments", fin=False, key=KEY), 1002),
    (frame(PING, bytes(126), key=KEY), 1002),
    (frame(CONTINUATION, b"of nothing", key=KEY), 1002),
    (frame(TEXT, b"half", fin=False, key=KEY) + frame(TEXT, b"another", key=KEY), 1002),
    (frame(BINARY, b"long length", length_bytes=8, key=KEY), 1002),
    (frame(BINARY, announce=1 << 63, key=KEY), 1002),
    (frame(BINARY, announce=1 << 40, key=KEY), 1009),
    (frame(TEXT, b"\xff\xfe", key=KEY), 1007),
    (frame(TEXT, b"\xe6\xbc", fin=False, key=KEY) + frame(CONTINUATION, b"x", key=KEY), 1007),
    (frame(TEXT, b"\x06not deflate\xff", rsv=4, key=KEY), 1007),
    (frame(BINARY, _bomb(), rsv=4, key=KEY), 1009),
    (frame(CLOSE, b"\x03", key=KEY), 1002),
    (frame(CLOSE, (1005).to_bytes(2, "big"), key=KEY), 1002),
    (frame(CLOSE, b"\x03\xe8\xff", key=KEY), 1007),
)


async def break_off(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Reset the connection, at any point of its life."""
    port, context = target.choose(chosen)
    request = REQUEST.format(path="/echo", headers="").encode()
    async with open_raw(port, context) as client:
        stage = chosen.randrange(5)
        if stage == 1:
            await client.write(request[: chosen.randrange(len(request))])
        elif stage == 2:  # without reading the answer
            await client.write(request + frame(BINARY, numbered(0, 99, "b"), key=KEY))
        elif stage >= 3:
            count = chosen.randrange(1, 200)
            route = "/echo" if stage == 3 else f"/stream?count={count}&size=5000"
            await client.handshake(route)
            frames = Frames(client, Sequence("client that breaks off"))
            for number in range(count if stage == 3 else 0):
                await frames.send_message(numbered(number, random_size(chosen) // 8, "b"))
                if chosen.random() < 0.1:
                    await frames.receive()
            half = frame(BINARY, bytes(1000), key=KEY)
            await client.write(half[: chosen.randrange(len(half))])
        await asyncio.sleep(chosen.choice([0, 0.001, 0.05]))
        reset(client)
    counts["aborts"] += 1


async def leave_half_open(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Close only the sending direction, and read what comes until the other one ends."""
    async with open_raw(target.plain) as client:
        await client.handshake("/echo")
        frames = Frames(client, Sequence("half-open client"))
        for number in range(chosen.randrange(20)):
            await frames.send_message(numbered(number, random_size(chosen) // 8, "a"))
        if chosen.random() < 0.5:
            await client.write(frame(BINARY, bytes(100), key=KEY)[:50])
        client.writer.write_eof()
        while await frames.receive():
            pass


async def vanish(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Go away without a packet, after part of a frame perhaps."""
    sock = await connected_socket(target.impatient)
    try:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, REQUEST.format(path="/echo", headers="").encode())
        await loop.sock_recv(sock, 4096)
        await loop.sock_sendall(sock, frame(BINARY, bytes(50), key=KEY)[: chosen.randrange(50)])
        if forget(sock):
            counts["vanished"] += 1
            return
    finally:
        sock.close()
    counts["aborts"] += 1


async def go_silent(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Stay, say nothing and answer nothing: keepalive must end it, and say why."""
    async with open_raw(target.impatient) as client:
        if chosen.random() < 0.2:
            # It never asks for anything, so there is an opening handshake to run out of time.
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await client.response()
        elif await _shakes_hands(client):
            closed = await client.recv_close()
            if closed is None or closed[0] != 1011 or "keepalive" not in closed[1]:
                raise Violation(f"a silent peer was closed with {closed}, not 1011 and why")
            while await client.recv():
                pass


async def _shakes_hands(client: RawClient) -> bool:
    """Open a connection; False if an impatient server, held up, answers that it took too long."""
    await client.send_request("/echo")
    status, _, _ = await client.response()
    if status not in (101, 408):
        raise Violation(f"the handshake was answered with {status}")
    return status == 101


async def never_read(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Send pings and messages until the server takes no more, or keepalive ends it."""
    async with open_raw(chosen.choice([target.plain, target.impatient])) as client:
        if not await _shakes_hands(client):
            return
        client.pause()
        pings = frame(PING, b"x" * 100, key=KEY) * 200
        frames = Frames(client, Sequence("client that never reads"))
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            for number in range(1000):
                await asyncio.wait_for(client.write(pings), _BLOCKED_SECONDS)
                message = numbered(number, 20_000, "b")
                await asyncio.wait_for(frames.send_message(message), _BLOCKED_SECONDS)
        if chosen.random() < 0.5:
            reset(client)
            counts["aborts"] += 1


async def break_rules(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Send good messages, then something broken: answers first, then the right close code."""
    port, context = target.choose(chosen)
    wire, code = chosen.choice(_BROKEN)
    async with open_raw(port, context) as client:
        answer = await client.handshake(
            "/echo", ["Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"]
        )
        extension = answer.get("sec-websocket-extensions", "")
        frames = Frames(client, Sequence("client that breaks rules"), extension)
        count = chosen.randrange(20)
        for number in range(count):
            await frames.send_message(
                numbered(number, random_size(chosen) // 64, random_kind(chosen))
            )
        while frames.sequence.received < count and await frames.receive():
            pass
        await client.write(wire)
        while await frames.receive():
            pass
        frames.sequence.expect(count)
        frames.expect_close(code)
        while await client.recv() is not None:
            pass
    counts["messages"] += count
    counts["broken"] += 1


async def talk_nonsense(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Send what is no opening handshake, to either port."""
    port, _ = target.choose(chosen)
    async with open_raw(port) as client:
        with contextlib.suppress(OSError):
            await client.write(chosen.choice(_JUNK))
            if client.writer.can_write_eof():
                client.writer.write_eof()
            answer = await client.reader.read()
            if b" 101 " in answer[:20]:
                raise Violation(f"nonsense was taken for a handshake: {answer[:100]!r}")


async def give_up(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Cancel a fastws client wherever it is, then drop its connection."""
    sequence = Sequence("client that gives up")

    async def talk() -> None:
        async with await connect_to(target, chosen, "echo") as ws:
            for number in range(1000):
                await ws.send(numbered(number, random_size(chosen) // 8, random_kind(chosen)))
                if number > 5:
                    sequence.check(await ws.recv())

    task = asyncio.create_task(talk())
    await asyncio.wait([task], timeout=chosen.random() * 0.5)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    counts["cancelled"] += 1


async def drop(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Abort a fastws client's transport while both sides send."""
    ws = await connect_to(target, chosen, "stream?count=1000&size=3000")
    sequence = Sequence("client that drops")
    for _ in range(chosen.randrange(50)):
        sequence.check(await ws.recv())
    ws.transport.abort()
    await ws.wait_closed()
    expect_code(ws, 1006)
    counts["aborts"] += 1


async def close_amid(target: Target, chosen: random.Random, counts: Counter[str]) -> None:
    """Close in the middle of what the server sends: what was received is whole and in order."""
    ws = await connect_to(target, chosen, "stream?count=1000&size=3000")
    sequence = Sequence("client that closes early")
    for _ in range(chosen.randrange(50)):
        sequence.check(await ws.recv())
    await ws.close(4000, "enough")
    # The server may have sent all, and have closed before it heard of that.
    expect_code(ws, 4000, 1000)
    counts["messages"] += sequence.received


BEHAVIOURS = {
    break_off: 6,
    leave_half_open: 2,
    vanish: 2,
    go_silent: 1,
    never_read: 1,
    break_rules: 4,
    talk_nonsense: 2,
    give_up: 2,
    drop: 2,
    close_amid: 2,
}
