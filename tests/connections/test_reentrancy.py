"""What a coroutine does when a message resumes it at once, inside the event loop's callback."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from connections.running import until
from fastws.aio import broadcast, connect, serve
from fastws.errors import ConcurrencyError, ConnectionClosed, ConnectionClosedOK


def address(server):
    return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_handler_sends_to_other_connections():
    clients = []

    async def handler(ws):
        clients.append(ws)
        async for message in ws:
            for other in clients:
                await other.send(message)

    async with (
        serve(handler, "127.0.0.1", 0) as server,
        connect(address(server)) as a,
        connect(address(server)) as b,
    ):
        await until(lambda: len(clients) == 2)
        for number in range(50):
            await a.send(f"a{number}")
            await b.send(f"b{number}")
        got_a = [await a.recv() for _ in range(100)]
        got_b = [await b.recv() for _ in range(100)]
    assert sorted(got_a) == sorted(got_b)
    for got in (got_a, got_b):
        for name in "ab":
            ordered = [message for message in got if message[0] == name]
            assert ordered == [f"{name}{number}" for number in range(50)]


async def test_two_connections_relay_to_each_other_without_end():
    """A message goes in a circle of servers: each hop resumes the next in place."""
    hops = 300

    async def relay(ws):
        async for message in ws:
            await ws.send(str(int(message) + 1))

    async with serve(relay, "127.0.0.1", 0) as server, connect(address(server)) as ws:
        value = 0
        while value < hops:
            await ws.send(str(value))
            value = int(await ws.recv())
    assert value == hops


async def test_replies_sent_while_input_is_processed_keep_their_order():
    async def handler(ws):
        async for message in ws:
            await ws.send(f"{message} small")
            await ws.send(b"x" * 200_000)
            await ws.ping()
            await ws.send(bytearray(b"array"))
            broadcast([ws], f"{message} cast")

    async with serve(handler, "127.0.0.1", 0) as server, connect(address(server)) as ws:
        for number in range(10):
            await ws.send(str(number))
        for number in range(10):
            assert await ws.recv() == f"{number} small"
            assert len(await ws.recv()) == 200_000
            assert await ws.recv() == b"array"
            assert await ws.recv() == f"{number} cast"


async def test_a_handler_closes_at_the_first_message_and_gets_no_more():
    got = []

    async def handler(ws):
        got.append(await ws.recv())
        await ws.close(4000, "enough")
        with contextlib.suppress(ConnectionClosed):
            while True:
                got.append(await ws.recv())

    async with serve(handler, "127.0.0.1", 0) as server, connect(address(server)) as ws:
        await ws.send("one")
        with pytest.raises(ConnectionClosed) as caught:
            await ws.recv()
        assert caught.value.rcvd.code == 4000
    assert got == ["one"]


async def test_a_reply_before_closing_arrives():
    async def handler(ws):
        await ws.recv()
        await ws.send("reply")
        await ws.close()

    async with serve(handler, "127.0.0.1", 0) as server, connect(address(server)) as ws:
        await ws.send("go")
        assert [message async for message in ws] == ["reply"]


async def test_an_exception_in_the_resumed_handler_stays_there(caplog):
    async def handler(ws):
        await ws.recv()
        raise LookupError("from the handler")

    async with serve(handler, "127.0.0.1", 0) as server, connect(address(server)) as ws:
        await ws.send("go")
        with pytest.raises(ConnectionClosed) as caught:
            await ws.recv()
        assert caught.value.rcvd.code == 1011
    assert "from the handler" in caplog.text


async def test_the_handler_may_close_its_server():
    async def handler(ws):
        await ws.recv()
        ws.server.close()

    async with serve(handler, "127.0.0.1", 0) as server:
        async with connect(address(server)) as ws:
            await ws.send("stop")
            with pytest.raises(ConnectionClosedOK):
                await ws.recv()
        await server.wait_closed()


async def test_sending_inside_ones_own_fragments_is_an_error_not_a_deadlock():
    async def handler(ws):
        with pytest.raises(ConnectionClosed):
            await ws.recv()

    async with serve(handler, "127.0.0.1", 0) as server, connect(address(server)) as ws:

        async def fragments():
            yield "a"
            yield "b"
            await ws.send("in between")
            yield "c"

        with pytest.raises(ConcurrencyError):
            await asyncio.wait_for(ws.send(fragments()), 5)


async def test_other_senders_wait_for_the_end_of_a_fragmented_message():
    async def handler(ws):
        async for message in ws:
            got.append(message)

    got = []
    async with serve(handler, "127.0.0.1", 0) as server, connect(address(server)) as ws:
        go = asyncio.Event()

        async def fragments():
            yield "a"
            yield "b"
            await go.wait()
            yield "c"

        slow = asyncio.create_task(ws.send(fragments()))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(ws.send(name)) for name in ("x", "y")]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in others)
        go.set()
        await asyncio.gather(slow, *others)
    assert got == ["abc", "x", "y"]


@pytest.mark.parametrize("size", [300_000, 1_000_000])
async def test_a_descriptor_that_was_given_up_is_not_read_again(size):
    """It may be another socket's by then."""

    async def handler(ws):
        async for _ in ws:
            ws.transport.abort()
            ours, theirs = socket.socketpair()
            sockets.append(ours)
            with theirs:
                theirs.sendall(b"mine" * 1000)

    sockets = []
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        ws = await connect(address(server), compression=None)
        for _ in range(3):
            with contextlib.suppress(ConnectionClosed):
                await ws.send(bytes(size))
        await until(lambda: sockets)
        await ws.wait_closed()
    with sockets[0]:
        assert sockets[0].recv(8000) == b"mine" * 1000


async def test_what_cannot_be_said_in_utf8_takes_no_room_from_others():
    async def handler(ws):
        async for _ in ws:
            with pytest.raises(UnicodeEncodeError):
                await ws.send("\ud800")
            assert ws._frames.filler is None
            await ws.send("after")

    async with serve(handler, "127.0.0.1", 0) as server, connect(address(server)) as ws:
        await ws.send("go")
        assert await ws.recv() == "after"
