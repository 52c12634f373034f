"""Slow peers: sends wait, reading pauses, memory stays bounded, deadlines pass."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from wire import BINARY, CLOSE, KEY, TEXT, frame

from connections.raw import REQUEST
from connections.running import until
from fastws.errors import ConnectionClosed, ConnectionClosedError
from fastws.frames import State

CHUNK = b"x" * 64 * 1024


def small_buffers(ws):
    """Keep what the system holds for a connection small."""
    transport = getattr(ws, "transport", None)
    sock = transport.get_extra_info("socket") if transport else ws.socket
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


def backlog(ws):
    transport = getattr(ws, "transport", None)
    return (unwritten(transport) if transport else 0) + ws.protocol.queued_bytes


def unwritten(transport):
    try:
        return transport.get_write_buffer_size()
    except AttributeError:
        # A TLS transport of Python 3.10 and of PyPy has nothing to ask any more once it is closed.
        assert transport.is_closing()
        return 0


async def test_send_waits_while_the_peer_does_not_read(network):
    sent = []

    async def handler(ws):
        sent.append("nothing yet")
        small_buffers(ws)
        for number in range(100):
            await ws.send(CHUNK)
            sent.append(number)

    async with network.serve(handler, compression=None), network.dial_paused() as raw:
        count = 0
        while count != len(sent):
            count = len(sent)
            await asyncio.sleep(0.05)
        assert count < 100
        raw.resume()
        for _ in range(100):
            assert (await raw.recv()).payload == CHUNK
        assert await raw.recv_close() == (1000, "")
    assert len(sent) == 101


async def test_a_peer_that_never_reads_costs_little_and_is_given_up(network):
    worst = 0

    async def handler(ws):
        nonlocal worst
        small_buffers(ws)
        with contextlib.suppress(ConnectionClosed):
            while True:
                await ws.send(CHUNK)
                worst = max(worst, backlog(ws))
        with pytest.raises(ConnectionClosedError, match="write timeout"):
            await ws.send(CHUNK)
        ended.set()

    ended = asyncio.Event()
    options = {"compression": None, "write_timeout": 0.2, "close_timeout": 0.2}
    async with network.serve(handler, **options), network.dial_paused():
        await ended.wait()
    assert worst <= 3 * len(CHUNK)


async def test_a_slow_reader_that_goes_on_is_not_given_up(network):
    total = 40

    async def handler(ws):
        small_buffers(ws)
        for _ in range(total):
            await ws.send(CHUNK)

    options = {"compression": None, "write_timeout": 0.3}
    async with network.serve(handler, **options), network.dial_paused() as raw:
        raw.resume()
        for _ in range(total):
            assert (await raw.recv()).payload == CHUNK
            await asyncio.sleep(0.01)
        assert await raw.recv_close() == (1000, "")


async def test_reading_pauses_when_the_queue_is_full_and_goes_on(network):
    go = asyncio.Event()
    total = 400

    async def handler(ws):
        await go.wait()
        for number in range(total):
            assert len(await ws.recv()) == len(CHUNK)
            got.append(number)

    got = []
    async with network.serve(handler, max_queue=4), network.raw() as raw:
        sending = asyncio.ensure_future(send_all(raw, total))
        await asyncio.sleep(0.1)
        assert not sending.done()  # it waits, for the server does not read
        go.set()
        await sending
        assert await raw.recv_close() == (1000, "")
    assert len(got) == total


async def send_all(raw, total):
    data = frame(BINARY, CHUNK, key=b"\0\0\0\0")
    for _ in range(total):
        await raw.write(data)


async def test_big_messages_in_both_directions_at_once_do_not_deadlock(network):
    big = b"y" * 8 * 1024 * 1024

    async def handler(ws):
        await ws.send(big)
        assert len(await ws.recv()) == len(big)

    options = {"compression": None, "max_size": None}
    async with network.serve(handler, **options), network.connect(**options) as ws:
        await ws.send(big)
        assert await ws.recv() == big


async def test_pings_of_a_peer_that_does_not_read_do_not_pile_up(network):
    async def handler(ws):
        witness.append(ws)
        small_buffers(ws)
        with pytest.raises(ConnectionClosed):
            await ws.recv()

    witness = []
    ping = frame(9, b"x" * 125, key=b"\0\0\0\0") * 100
    options = {"write_timeout": 0.3, "close_timeout": 0.2}
    async with network.serve(handler, **options), network.dial_paused() as raw:
        flood = asyncio.ensure_future(flood_with(raw, ping))
        await until(lambda: witness)
        worst = 0
        while not flood.done():
            worst = max(worst, backlog(witness[0]))
            await asyncio.sleep(0.001)
        assert worst < 256 * 1024


async def flood_with(raw, data):
    for _ in range(500):
        try:
            await asyncio.wait_for(raw.write(data), 1)
        except (OSError, asyncio.TimeoutError):
            return


async def test_a_peer_that_ends_its_stream_and_never_reads_is_given_up(network):
    """What waits to be written must not keep the connection for ever."""

    async def handler(ws):
        witness.append(ws)
        small_buffers(ws)
        with contextlib.suppress(ConnectionClosed):
            while backlog(ws) < 1 << 20:
                await ws.send(CHUNK)
        stuck.set()
        with pytest.raises(ConnectionClosed):
            await ws.recv()

    witness = []
    stuck = asyncio.Event()
    options = {"write_limit": 1 << 26} if network.server == "aio" else {}
    options |= {"compression": None, "write_timeout": 0.2, "close_timeout": 0.2}
    async with network.serve(handler, **options) as server, network.dial_paused() as raw:
        if network.server == "aio":
            await stuck.wait()
        if raw.writer.can_write_eof():
            raw.writer.write_eof()
        else:
            raw.writer.close()
        await until(lambda: not server._connections)
    assert witness[0].state is State.CLOSED


async def test_max_queue_none_never_pauses(network):
    if network.server == "sync":
        pytest.skip("the blocking layer reads only while someone receives")

    async def handler(ws):
        await go.wait()
        for _ in range(1000):
            await ws.recv()

    go = asyncio.Event()
    async with network.serve(handler, max_queue=None), network.connect() as ws:
        for number in range(1000):
            await ws.send(str(number))
        go.set()


@pytest.mark.parametrize("limit", [None, 0, 1, (8, 2)])
async def test_limits_of_any_form_lose_nothing(network, limit):
    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    options = {"max_queue": limit}
    server = {"write_limit": limit} if network.server == "aio" else {}
    client = {"write_limit": limit} if network.client == "aio" else {}
    async with (
        network.serve(echo, **options, **server),
        network.connect(**options, **client) as ws,
    ):

        async def send_all():
            for number in range(50):
                await ws.send(str(number))

        sending = asyncio.ensure_future(send_all())
        assert [await ws.recv() for _ in range(50)] == [str(n) for n in range(50)]
        await sending


# More than a queue holds, all there together with the end of the opening handshake.
HASTY = [f"{number}" for number in range(40)]


def hasty(key, end):
    """The messages and the end: the peer's close frame, or a violation."""
    wire = b"".join(frame(TEXT, message.encode(), key=key) for message in HASTY)
    return wire + (frame(CLOSE, key=key) if end == "close" else frame(0x3, key=key))


async def receive_slowly(ws):
    got = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            got.append(await ws.recv())
            await asyncio.sleep(0)
    return got


@pytest.mark.parametrize("end", ["close", "violation"])
async def test_a_client_gets_all_that_came_with_the_answer_and_the_end(network, end):
    async def handler(raw):
        await raw.answer(await raw.request(), then=hasty(None, end))
        await raw.recv_close()

    async with network.listen(handler), network.connect(max_queue=4) as ws:
        assert await receive_slowly(ws) == HASTY


@pytest.mark.parametrize("end", ["close", "violation"])
async def test_a_server_gets_all_that_came_with_the_request_and_the_end(network, end):
    got = asyncio.get_running_loop().create_future()

    async def handler(ws):
        got.set_result(await receive_slowly(ws))

    async with network.serve(handler, max_queue=4):
        async with network.raw(False) as raw:
            await raw.write(REQUEST.format(path="/", headers="").encode() + hasty(KEY, end))
            # The server ended the stream, and waits for the client to do the same.
            await raw.reader.read()
        assert await got == HASTY
