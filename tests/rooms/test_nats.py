"""What the client of NATS does with a connection that is going, and what must not come of it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from fastws.rooms import tasks
from rooms.brokers import Nats
from rooms.conftest import need
from rooms.scenes import process


@contextlib.asynccontextmanager
async def engine_of_its_own(tmp_path):
    """The engine of a hub that is connected."""
    need("nats")
    with Nats(tmp_path) as broker:
        async with process(broker.url) as one:
            yield one.hub._engine


async def test_answers_of_nats_to_questions_that_were_given_up_do_no_harm(tmp_path):
    async with engine_of_its_own(tmp_path) as engine:
        for _ in range(5):
            asking = asyncio.ensure_future(engine._flush(engine._connected))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
        await tasks.within(5, engine.check())
        await tasks.within(5, engine.publish([]))
        assert not engine._connected._reading_task.done()


async def test_a_nats_client_that_has_stopped_reading_is_found_out(tmp_path):
    async with engine_of_its_own(tmp_path) as engine:
        engine._connected._reading_task.cancel()
        with pytest.raises(TimeoutError):
            await tasks.within(0.2, engine.check())


async def test_a_connection_that_breaks_while_it_is_closed_leaves_no_task(tmp_path, monkeypatch):
    async with engine_of_its_own(tmp_path) as engine:
        client = engine._connected
        await engine.subscribe(["a", "b"])
        listening = [task for task in asyncio.all_tasks() if "Subscription" in str(task.get_coro())]
        assert len(listening) >= 2

        async def break_off():
            raise ConnectionResetError

        monkeypatch.setattr(client._transport, "drain", break_off)
        client._pending.append(b"PING\r\n")
        client._pending_data_size += len(client._pending[-1])
        await engine.close()
        await asyncio.wait(listening, timeout=5)
        assert all(task.done() for task in listening)


async def test_a_connection_that_breaks_while_its_reader_closes_it_is_told_as_lost(
    tmp_path, monkeypatch
):
    async with engine_of_its_own(tmp_path) as engine:
        client = engine._connected
        reading = client._reading_task
        told = asyncio.Event()

        async def tell():
            told.set()

        def is_closed(data):
            raise RuntimeError("the handler is closed")

        def at_eof():
            client._flusher_task.cancel()
            client._pending.append(b"PING\r\n")
            client._pending_data_size += len(client._pending[-1])
            return True

        monkeypatch.setattr(client, "_closed_cb", tell)
        monkeypatch.setattr(client, "_disconnected_cb", None)
        await client._send_ping()  # the answer wakes the reader
        monkeypatch.setattr(client._transport, "writelines", is_closed)
        monkeypatch.setattr(client._transport, "at_eof", at_eof)
        await asyncio.wait_for(told.wait(), 5)
        await asyncio.wait([reading], timeout=5)
        assert reading.exception() is None


async def test_a_history_of_several_batches_is_told_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("fastws.rooms.nats._REPLAY_BATCH", 10)
    need("nats")
    with Nats(tmp_path) as broker:
        async with process(broker.url, history=100) as one:
            for number in range(45):
                await one.hub.publish("garden", str(number))
            everything = [str(number) for number in range(45)]
            for count in (7, 45, 60):
                assert await recent(one.hub, count) == everything[-count:]


async def test_the_last_messages_of_a_room_are_found_without_reading_all(tmp_path, monkeypatch):
    need("nats")
    from fastws.rooms.nats import _Reader

    read, sizes = _Reader.read, []

    async def counted(self, most):
        messages = await read(self, most)
        sizes.append(len(messages))
        return messages

    monkeypatch.setattr(_Reader, "read", counted)
    with Nats(tmp_path) as broker:
        async with process(broker.url, history=1000) as one:
            for number in range(100):
                await one.hub.publish("garden", str(number))
            assert await recent(one.hub, 5) == ["95", "96", "97", "98", "99"]
            for number in range(100, 200):
                await one.hub.publish("garden", str(number))
                for _ in range(2):
                    await one.hub.publish("cellar", "x")
            assert await recent(one.hub, 5) == ["195", "196", "197", "198", "199"]
            assert await recent(one.hub, 1000) == [str(number) for number in range(200)]
            assert await recent(one.hub, 5, "attic") == []
        assert sizes == [5, 7, 200, 0]


async def recent(hub, count, room="garden"):
    got = []
    async with hub.join(got.append, room, recent=count):
        return got
