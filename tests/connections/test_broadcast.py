"""One message to many connections: fast and slow ones, and both policies for the slow."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

import pytest

import fastws.sync
from connections.networks import Network
from connections.running import blocking_until, until
from fastws.aio import broadcast, connect, serve
from fastws.errors import ConnectionClosed, ConnectionClosedError
from fastws.frames import State
from fastws.prepared import PreparedMessage


@contextlib.asynccontextmanager
async def room(size, **options):
    """A server whose handlers only wait, and some clients of it."""

    async def handler(ws):
        await ws.wait_closed()

    async with serve(handler, "127.0.0.1", 0, **options) as server:
        uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        clients = [await connect(uri) for _ in range(size)]
        await until(lambda: len(server.connections) == size)
        yield server, clients
        for ws in clients:
            await ws.close()


async def test_everyone_gets_the_message_once():
    async with room(20) as (server, clients):
        for message in ["text", b"binary", "x" * 50_000]:
            broadcast(server.connections, message)
            for ws in clients:
                assert await ws.recv() == message
        broadcast(server.connections, b"as text", text=True)
        broadcast(server.connections, PreparedMessage("prepared"))
        for ws in clients:
            assert (await ws.recv(), await ws.recv()) == ("as text", "prepared")


async def test_messages_before_and_after_stay_in_order_and_compressed():
    async with room(2) as (server, clients):
        for ws in server.connections:
            await ws.send("before " * 100)
        broadcast(server.connections, "during " * 100)
        for ws in server.connections:
            await ws.send("before " * 100)
        for ws in clients:
            assert [await ws.recv() for _ in range(3)] == [
                "before " * 100, "during " * 100, "before " * 100
            ]  # fmt: skip


async def test_connections_that_are_not_open_are_left_out(caplog):
    async with room(3) as (server, clients):
        connections = list(server.connections)
        await clients[0].close()
        broadcast(connections, "hello", raise_exceptions=True)
        assert [await ws.recv() for ws in clients[1:]] == ["hello"] * 2
    assert not caplog.records


async def test_fragments_cannot_be_broadcast():
    with pytest.raises(TypeError):
        broadcast([], ["a", "b"])
    with pytest.raises(TypeError):
        broadcast([], None)
    with pytest.raises(ValueError):
        broadcast([], "a", slow="wait")


async def receive_until_the_end(ws):
    while True:
        await ws.recv()


async def busy(ws):
    """Begin a fragmented message on a connection; return what ends it."""
    go = asyncio.Event()

    async def fragments():
        yield "a"
        yield "b"
        await go.wait()
        yield "c"

    task = asyncio.ensure_future(ws.send(fragments()))
    await asyncio.sleep(0.01)

    async def end():
        go.set()
        await task

    return end


async def test_a_connection_inside_a_fragmented_message_is_skipped_and_logged(caplog):
    async with room(2) as (server, clients):
        end = await busy(next(iter(server.connections)))
        broadcast(server.connections, "hello")
        await end()
        got = sorted([await ws.recv() for ws in clients])
        assert got == ["abc", "hello"]
    assert "skipped broadcast" in caplog.text


async def test_failures_are_raised_at_the_end_if_wanted():
    kind = RuntimeError if sys.version_info < (3, 11) else ExceptionGroup  # noqa: F821
    async with room(2) as (server, clients):
        end = await busy(next(iter(server.connections)))
        with pytest.raises(kind):
            broadcast(server.connections, "hello", raise_exceptions=True)
        await end()
        assert sorted([await ws.recv() for ws in clients]) == ["abc", "hello"]


class Slow:
    """A server with one fast client and one that does not read."""

    def __init__(self, loop_name):
        self.network = Network("aio", "aio", "tcp", loop_name, (None, None), "")
        self.stack = contextlib.AsyncExitStack()

    async def __aenter__(self):
        async def handler(ws):
            sock = ws.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            await ws.wait_closed()

        options = {"compression": None, "close_timeout": 0.2}
        self.server = await self.stack.enter_async_context(self.network.serve(handler, **options))
        self.raw = await self.stack.enter_async_context(self.network.dial_paused())
        await until(lambda: len(self.server.connections) == 1)
        self.slow = next(iter(self.server.connections))
        self.fast = await self.stack.enter_async_context(self.network.connect())
        await until(lambda: len(self.server.connections) == 2)
        return self

    async def __aexit__(self, *exc):
        await self.stack.aclose()
        self.network.end()


async def test_a_slow_receiver_is_closed_with_1013(loop_name):
    async with Slow(loop_name) as it:
        while it.slow.state is State.OPEN:
            broadcast(it.server.connections, b"x" * 50_000, limit=100_000)
            assert len(await it.fast.recv()) == 50_000
            assert it.slow._backlog() <= 100_000 + 60_000
        it.raw.resume()
        assert await it.raw.recv_close() == (1013, "too slow")
        broadcast(it.server.connections, b"still here")
        assert await it.fast.recv() == b"still here"


async def test_a_slow_receiver_misses_messages_that_are_counted(loop_name):
    async with Slow(loop_name) as it:
        count = 0
        while it.slow.skipped_messages < 10:
            broadcast(it.server.connections, b"x" * 50_000, limit=100_000, slow="skip")
            assert len(await it.fast.recv()) == 50_000
            assert it.slow._backlog() <= 100_000 + 60_000
            count += 1
        assert it.slow.state is State.OPEN
        it.raw.resume()
        for _ in range(count - it.slow.skipped_messages):
            assert len((await it.raw.recv()).payload) == 50_000
        broadcast(it.server.connections, b"again", slow="skip")
        assert (await it.raw.recv()).payload == b"again"


async def test_a_slow_receiver_that_never_reads_is_gone_after_its_close(loop_name):
    async with Slow(loop_name) as it:
        while it.slow.state is State.OPEN:
            broadcast(it.server.connections, b"x" * 50_000, limit=100_000)
            await it.fast.recv()
        await asyncio.wait_for(it.slow.wait_closed(), 5)
        assert it.slow.close_code == 1006


def test_a_blocking_broadcast_reaches_everyone_that_is_open(thread, caplog):
    def handler(ws):
        with contextlib.suppress(ConnectionClosed):
            ws.recv()

    with fastws.sync.serve(handler, "127.0.0.1", 0) as server:
        thread(server.serve_forever)
        uri = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        clients = [fastws.sync.connect(uri) for _ in range(5)]
        blocking_until(lambda: len(server.connections) == 5)
        connections = list(server.connections)
        clients[0].close()
        blocking_until(lambda: len(server.connections) == 4)
        fastws.sync.broadcast(connections, "hello", raise_exceptions=True)
        assert [ws.recv() for ws in clients[1:]] == ["hello"] * 4
        with pytest.raises(TypeError):
            fastws.sync.broadcast(connections, ["a"])
        for ws in clients[1:]:
            ws.close()


async def test_a_broadcast_to_a_connection_that_breaks_hurts_no_other():
    async with room(3) as (server, clients):
        connections = list(server.connections)
        clients[1].transport.abort()
        for number in range(50):
            broadcast(connections, str(number))
        for ws in (clients[0], clients[2]):
            assert [await ws.recv() for _ in range(50)] == [str(number) for number in range(50)]
        with pytest.raises(ConnectionClosedError):
            await receive_until_the_end(clients[1])
