"""Receiving under asyncio is cancelled in every way; no message is lost, nothing hangs."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys

import pytest
from wire import CONTINUATION, TEXT

from connections.networks import Network
from connections.running import until
from fastws.aio import connect, serve
from fastws.errors import ConcurrencyError, ConnectionClosed, ConnectionClosedOK


async def echo(ws):
    async for message in ws:
        await ws.send(message)


class Pair:
    """A client, and the server's side of its connection."""

    async def __aenter__(self):
        self._made = asyncio.get_running_loop().create_future()
        self._server = await serve(self._handler, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.client = await connect(f"ws://127.0.0.1:{port}")
        self.server = await self._made
        return self.client, self.server

    async def _handler(self, ws):
        self._made.set_result(ws)
        await ws.wait_closed()

    async def __aexit__(self, *exc):
        await self.client.close()
        self._server.close()
        await self._server.wait_closed()


async def test_a_cancelled_recv_loses_nothing():
    async with Pair() as (client, server):
        for number in range(20):
            task = asyncio.create_task(client.recv())
            # Cancelled before it begins, while it waits, and as the message comes in.
            for _ in range(number % 5):
                await asyncio.sleep(0)
            await server.send(str(number))
            for _ in range(number // 5):
                await asyncio.sleep(0)
            task.cancel()
            got = await asyncio.gather(task, return_exceptions=True)
            if isinstance(got[0], asyncio.CancelledError):
                got = [await client.recv()]
            assert got == [str(number)]


async def test_a_recv_cancelled_by_whoever_gets_the_message_loses_nothing():
    """The sender's side runs in the same loop, so the cancel may come between wake and step."""
    async with Pair() as (client, server):
        for number in range(20):
            task = asyncio.create_task(client.recv())
            await asyncio.sleep(0)
            await server.send(str(number))
            canceller = asyncio.get_running_loop().call_soon(task.cancel)
            got = await asyncio.gather(task, return_exceptions=True)
            canceller.cancel()
            if isinstance(got[0], asyncio.CancelledError):
                got = [await client.recv()]
            assert got == [str(number)]


async def test_wait_for_loses_nothing():
    async with Pair() as (client, server):
        for number in range(10):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.recv(), 0.001)
            await server.send(str(number))
            assert await asyncio.wait_for(client.recv(), 5) == str(number)


async def test_wait_for_racing_with_messages_loses_nothing():
    async with Pair() as (client, server):

        async def send_all():
            for number in range(100):
                await server.send(str(number))
                await asyncio.sleep(0.0005)

        sending = asyncio.create_task(send_all())
        got = []
        while len(got) < 100:
            with contextlib.suppress(asyncio.TimeoutError):
                got.append(await asyncio.wait_for(client.recv(), 0.0004))
        assert got == [str(number) for number in range(100)]
        await sending


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout came with Python 3.11")
async def test_timeout_and_task_groups_lose_nothing():
    async with Pair() as (client, server):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await client.recv()
        with pytest.raises(ExceptionGroup) as caught:  # noqa: F821
            await _fail_in_task_group(client)
        assert caught.group_contains(LookupError)
        await server.send("kept")
        async with asyncio.timeout(5):
            assert await client.recv() == "kept"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_eager_tasks_work_and_lose_nothing():
    loop = asyncio.get_running_loop()
    if type(loop).__module__.startswith("uvloop"):
        pytest.skip("uvloop gives the factory an argument that not every Python's takes")
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        async with Pair() as (client, server):
            await server.send("first")
            assert await asyncio.create_task(client.recv()) == "first"
            task = asyncio.create_task(client.recv())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.send("second")
            assert await asyncio.create_task(client.recv()) == "second"

            async def handler(ws):
                await ws.send("at once")

            async with serve(handler, "127.0.0.1", 0) as other:
                port = other.sockets[0].getsockname()[1]
                async with connect(f"ws://127.0.0.1:{port}") as ws:
                    assert [message async for message in ws] == ["at once"]
    finally:
        loop.set_task_factory(None)


async def _fail_in_task_group(ws):
    async with asyncio.TaskGroup() as group:
        group.create_task(ws.recv())
        await asyncio.sleep(0)
        raise LookupError


async def test_wait_with_several_connections_takes_the_first():
    async with Pair() as (one, server_one), Pair() as (two, server_two):
        tasks = [asyncio.create_task(ws.recv()) for ws in (one, two)]
        await server_two.send("second")
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == ["second"]
        await server_one.send("first")
        assert await pending.pop() == "first"


async def test_cancelling_while_fragments_arrive_loses_none(loop_name):
    fragments = asyncio.Event()

    async def slow(raw):
        await raw.accept()
        await raw.send(TEXT, "a", fin=False)
        await raw.send(CONTINUATION, "b", fin=False)
        await fragments.wait()
        await raw.send(CONTINUATION, "c")
        await raw.recv_close()

    network = Network("aio", "aio", "tcp", loop_name, (None, None), "")
    async with network.listen(slow), network.connect() as ws:
        stream = ws.recv_streaming()  # from here on fragments are given out one by one
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_take_nothing(stream, ws), 0.02)
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.01)
        fragments.set()
        assert await ws.recv() == "abc"
    network.end()


async def _take_nothing(stream, ws):
    ws._reader.fragments = True
    await asyncio.Event().wait()


async def test_two_receivers_are_an_error_for_the_second_only():
    async with Pair() as (client, server):
        first = asyncio.create_task(client.recv())
        await asyncio.sleep(0)
        with pytest.raises(ConcurrencyError):
            await client.recv()
        with pytest.raises(ConcurrencyError):
            async for _ in client.recv_streaming():
                pass
        await server.send("for the first")
        assert await first == "for the first"
        await server.send("for anyone")
        assert await client.recv() == "for anyone"


async def test_cancelling_close_does_not_stop_it():
    async with Pair() as (client, server):
        task = asyncio.create_task(client.close(4000, "so"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.wait_closed()
        assert (server.close_code, server.close_reason) == (4000, "so")


async def test_cancelling_connect_at_any_point_leaves_nothing():
    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for steps in range(30):
            task = asyncio.create_task(_connect_and_close(port))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await until(lambda: not server._connections)


async def _connect_and_close(port):
    async with connect(f"ws://127.0.0.1:{port}"):
        pass


async def test_cancelling_a_send_that_waits_keeps_the_frames_whole():
    got = []
    go = asyncio.Event()

    async def handler(ws):
        await go.wait()
        async for message in ws:
            got.append(message)

    async with serve(handler, "127.0.0.1", 0, max_queue=1, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", compression=None) as ws:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(_send_chunks(ws), 0.2)
            go.set()
            await ws.send("end")
    assert got[-1] == "end"
    assert all(message == b"x" * 100_000 for message in got[:-1])


async def _send_chunks(ws):
    while True:
        await ws.send(b"x" * 100_000)


async def test_cancelling_fragments_midway_closes_with_1011():
    async def fragments():
        yield "a"
        yield "b"
        await asyncio.Event().wait()
        yield "never"

    async with Pair() as (client, server):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.send(fragments()), 0.01)
        with pytest.raises(ConnectionClosed) as caught:
            await server.recv()
        assert caught.value.rcvd.code == 1011


async def test_a_cancelled_handler_says_goodbye():
    tasks = []

    async def handler(ws):
        tasks.append(asyncio.current_task())
        await asyncio.Event().wait()

    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}") as ws:
            await until(lambda: tasks)
            tasks[0].cancel()
            with pytest.raises(ConnectionClosedOK) as caught:
                await ws.recv()
            assert caught.value.rcvd.code == 1001


async def test_the_context_of_the_task_is_kept():
    variable = contextvars.ContextVar("variable", default="none")
    seen = []

    async def receive(ws, value):
        variable.set(value)
        await ws.recv()
        seen.append((variable.get(), asyncio.current_task() is me[value]))

    me = {}
    async with Pair() as (one, server_one), Pair() as (two, server_two):
        me["one"] = asyncio.create_task(receive(one, "one"))
        me["two"] = asyncio.create_task(receive(two, "two"))
        await asyncio.sleep(0)
        await server_two.send("")
        await server_one.send("")
        await asyncio.gather(*me.values())
    assert sorted(seen) == [("one", True), ("two", True)]
    assert variable.get() == "none"
