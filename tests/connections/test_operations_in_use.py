"""Operations in subclasses, under anyio, and what they leave behind."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from connections.test_operations import connected, of_cpython
from fastws.aio import ClientConnection


async def test_a_class_of_ones_own_may_receive_otherwise():
    class Counting(ClientConnection):
        count = 0

        async def recv(self, decode=None):
            self.count += 1
            return f"{self.count}: {await super().recv(decode)}"

        async def send(self, message, text=None, **options):
            await super().send(message.upper(), text, **options)

    received = []
    async with connected(create_connection=Counting) as ws:
        await ws.send("one")
        received.append(await ws.recv())
        await ws.send("two")
        async for message in ws:
            received.append(message)
            if len(received) == 4:
                break
            await ws.send("more")
        await ws.send("last")
        received.append(await ws.__anext__())
        await ws.close()
        assert [message async for message in ws] == []
    assert received == ["1: ONE", "2: TWO", "3: MORE", "4: MORE", "5: LAST"]


async def test_groups_of_anyio_run_and_cancel_them():
    anyio = pytest.importorskip("anyio")
    async with connected() as ws:
        async with anyio.create_task_group() as group:
            group.start_soon(ws.send, "echo")
            group.start_soon(ws.recv)
        with anyio.move_on_after(0.01) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(ws.recv)
        assert scope.cancelled_caught
        with anyio.move_on_after(0.01) as scope:
            await ws.recv()
        assert scope.cancelled_caught
        await ws.send("still here")
        assert await ws.recv() == "still here"


@of_cpython
async def test_nothing_holds_a_connection_that_is_closed():
    class Referable(ClientConnection):
        pass

    async with connected(create_connection=Referable) as ws:
        for number in range(10):
            await ws.send(str(number))
            assert await ws.recv() == str(number)
        task = asyncio.create_task(ws.recv())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        gone = weakref.ref(ws)
    del ws, task
    await asyncio.sleep(0.01)
    gc.collect()
    assert gone() is None


@of_cpython
async def test_many_messages_leave_no_objects():
    async def exchange(ws, rounds):
        for number in range(rounds):
            message = ("x" * number, b"y" * number, "ä" * number)[number % 3]
            await ws.send(message)
            assert await ws.recv() == message
            ws.send("never sent").close()
            waiting = asyncio.create_task(ws.recv())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])

    async with connected() as ws:
        await exchange(ws, 50)
        gc.collect()
        before = len(gc.get_objects())
        await exchange(ws, 500)
        gc.collect()
        assert len(gc.get_objects()) - before < 50
