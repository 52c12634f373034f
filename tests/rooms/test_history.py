"""What is kept: told to whoever comes back with the last id, without gaps or doubles."""

from __future__ import annotations

import asyncio

import pytest
from connections.running import until

from fastws.aio import connect
from fastws.rooms import id_first, reception
from fastws.rooms.engine import History, Outgoing
from fastws.rooms.memory import MemoryEngine
from rooms.scenes import kept_back, new_namespace, process, processes


def split(message):
    id, _, text = message.partition("\n")
    return id, text


async def receive(ws, count):
    return [split(await ws.recv()) for _ in range(count)]


async def come_back(process, room, **query):
    parts = "".join(f"&{name}={value}" for name, value in query.items())
    return await connect(f"{process.uri}?room={room}{parts}")


async def test_a_client_that_comes_back_misses_nothing_and_sees_nothing_twice(url):
    async with processes(url, 1, history=100, stamp=id_first) as [one]:
        ws = await one.join("garden")
        ids = [await one.hub.publish("garden", str(number)) for number in range(10)]
        got = await receive(ws, 5)
        assert got == [(ids[number], str(number)) for number in range(5)]
        await ws.close()
        ids += [await one.hub.publish("garden", str(number)) for number in range(10, 20)]
        ws = await come_back(one, "garden", last=got[-1][0])
        got += await receive(ws, 15)
        await one.hub.publish("garden", "20")
        got += await receive(ws, 1)
        assert [text for _, text in got] == [str(number) for number in range(21)]
        assert [id for id, _ in got[:20]] == ids
        await ws.close()


async def test_coming_back_while_others_publish(url):
    async with processes(url, 1, history=1000, stamp=id_first) as [one]:
        ws = await one.join("garden")

        async def publish():
            for number in range(300):
                await one.hub.publish("garden", str(number))

        task = asyncio.ensure_future(publish())
        got = []
        while len(got) < 300:
            got += await receive(ws, min(17, 300 - len(got)))
            await ws.close()
            ws = await come_back(one, "garden", last=got[-1][0])
        await task
        assert [text for _, text in got] == [str(number) for number in range(300)]
        await ws.close()


async def test_all_processes_have_the_same_order(broker_url):
    async with processes(broker_url, 2, history=1000, stamp=id_first) as made:
        clients = [await one.join("garden") for one in made]
        await asyncio.gather(
            *(one.hub.publish("garden", f"{number}") for one in made for number in range(50))
        )
        first, second = [await receive(ws, 100) for ws in clients]
        assert first == second
        for ws in clients:
            await ws.close()


async def test_another_process_knows_what_was_said(broker_url):
    namespace = new_namespace()
    async with process(broker_url, namespace, history=5, stamp=id_first) as one:
        ids = [await one.hub.publish("garden", str(number)) for number in range(10)]
    async with process(broker_url, namespace, history=5, stamp=id_first) as other:
        got = []
        async with other.hub.join(got.append, "garden", last_id=ids[4]) as joined:
            assert joined.complete == {"garden": True}
            assert [split(message)[1] for message in got] == ["5", "6", "7", "8", "9"]


async def test_history_that_does_not_reach_back_is_told(url):
    async with processes(url, 1, history=3, stamp=id_first) as [one]:
        ids = [await one.hub.publish("garden", str(number)) for number in range(10)]
        for last, complete, expected in [(9, True, []), (6, True, "789"), (2, False, "6789")]:
            got = []
            joined = await one.hub.join(got.append, "garden", last_id=ids[last])
            assert joined.complete == {"garden": complete}
            assert [split(message)[1] for message in got] == list(expected)
            joined.leave()


@pytest.mark.parametrize("page", [1, 3, 10])
async def test_a_long_history_is_told_page_by_page(url, page, monkeypatch):
    monkeypatch.setattr(reception, "_PAGE_MESSAGES", page)
    async with processes(url, 1, history=20, stamp=id_first) as [one]:
        ids = [await one.hub.publish("garden", str(number)) for number in range(30)]
        for last, complete, first in [(29, True, 30), (19, True, 20), (9, True, 10), (0, False, 9)]:
            got = []
            async with one.hub.join(got.append, "garden", last_id=ids[last]) as joined:
                assert [int(split(message)[1]) for message in got] == list(range(first, 30))
                assert joined.complete == {"garden": complete}
        got = []
        async with one.hub.join(got.append, "garden", last_id="0-0") as joined:
            assert len(got) == 21
            assert joined.complete == {"garden": False}


async def test_catching_up_goes_on_where_it_was_when_the_broker_did_not_answer(url, monkeypatch):
    monkeypatch.setattr(reception, "_PAGE_MESSAGES", 4)
    async with processes(url, 1, history=1000, stamp=id_first) as [one]:
        got, asked = [], []
        async with one.hub.join(got.append, "garden"):
            first = await one.hub.publish("garden", "0")
            await until(lambda: len(got) == 1)
            part, engine = one.hub._reception, one.hub._engine
            replay = engine.replay

            async def every_other_time(token, after, limit):
                asked.append(after)
                if len(asked) % 2:
                    raise OSError("not now")
                return await replay(token, after, limit)

            with kept_back(one.hub) as lost:
                for number in range(1, 20):
                    last = await one.hub.publish("garden", str(number))
                await until(lambda: len(lost) == 19)
            engine.replay = every_other_time
            part.resume({"garden": (first, last)})
            await one.hub.publish("garden", "20")
            await until(lambda: len(got) == 21)
        assert [split(message)[1] for message in got] == [str(number) for number in range(21)]
        assert asked[:2] == [first, first]
        assert first not in asked[2:]
        assert len(set(asked)) >= 5


async def test_the_last_messages_for_whoever_comes_for_the_first_time(url):
    async with processes(url, 1, history=100) as [one]:
        for number in range(10):
            await one.hub.publish("garden", str(number))
        for recent, expected in [(3, "789"), (100, "0123456789")]:
            got = []
            joined = await one.hub.join(got.append, "garden", recent=recent)
            assert got == list(expected)
            joined.leave()
        got = []
        async with one.hub.join(got.append, "garden"):
            await one.hub.publish("garden", "10")
            await until(lambda: got == ["10"])


async def test_what_is_not_to_be_kept_is_not(url):
    async with processes(url, 1, history=100, stamp=id_first) as [one]:
        got = []
        async with one.hub.join(got.append, "garden"):
            assert await one.hub.publish("garden", "typing", keep=False) is None
            id = await one.hub.publish("garden", "said")
            await until(lambda: sorted(got) == sorted(["typing", f"{id}\nsaid"]))
        got.clear()
        async with one.hub.join(got.append, "garden", recent=10):
            assert got == [f"{id}\nsaid"]


async def test_binary_messages_have_ids_too(url):
    async with processes(url, 1, history=10, stamp=id_first) as [one]:
        got = []
        async with one.hub.join(got.append, "garden"):
            id = await one.hub.publish("garden", b"\x00\n\xff")
            await until(lambda: got == [id.encode() + b"\n\x00\n\xff"])


async def test_history_of_some_seconds(broker_url):
    async with processes(broker_url, 1, history_seconds=0.5) as [one]:
        await one.hub.publish("garden", "old")
        await asyncio.sleep(0.6)
        await one.hub.publish("garden", "new")
        got = []
        async with one.hub.join(got.append, "garden", recent=10):
            assert got == ["new"]


async def test_a_ring_forgets_what_is_too_old():
    now = 0.0
    engine = MemoryEngine(History(10, 60.0), clock=lambda: now)
    await engine.connect(lambda message: None, lambda error: None)
    for number in range(2000):
        now += 1
        room = "a" if number < 1000 else "b"
        await engine.publish([Outgoing(room, str(number).encode(), number, True)])
    assert [message.data for message in (await engine.replay("b", None, 3)).messages] == [
        b"1997", b"1998", b"1999"
    ]  # fmt: skip
    assert (await engine.replay("a", None, 3)).messages == []
    assert list(engine._rooms) == ["b"]


async def test_a_receiver_that_is_slow_while_it_is_told_what_it_missed_is_closed():
    async with process(history=100, limit=1000) as one:
        for _ in range(3):
            await one.hub.publish("garden", "x")
        goodbyes, go = [], asyncio.Event()

        class Reader:
            async def send_text(self, text):
                await go.wait()

            send_bytes = send_text

            async def close(self, code, reason):
                goodbyes.append(code)

        async with one.hub.join(Reader(), "garden", recent=3):
            for _ in range(10):
                await one.hub.publish("garden", "x" * 200)
            await until(lambda: goodbyes == [1013])


async def test_a_receiver_that_knows_more_than_its_room_sees_nothing_twice(url):
    async with processes(url, 1, history=100, stamp=id_first) as [one]:
        early, late = [], []
        async with one.hub.join(early.append, "garden"):
            first = await one.hub.publish("garden", "0")
            await until(lambda: len(early) == 1)
            # What comes is late, as from a broker whose subscriptions hang.
            with kept_back(one.hub) as kept:
                ids = [await one.hub.publish("garden", str(number)) for number in range(1, 4)]
                await until(lambda: len(kept) == 3)
                joined = await one.hub.join(late.append, "garden", last_id=first)
                assert [split(message) for message in late] == [
                    (ids[0], "1"), (ids[1], "2"), (ids[2], "3")
                ]  # fmt: skip
                await one.hub.publish("garden", "typing", keep=False)
                await until(lambda: late[3:] == early[1:] == ["typing"])
            for room, incoming in kept:
                one.hub._reception._receive_kept(room, incoming)
            last = await one.hub.publish("garden", "4")
            await until(lambda: late[4:] == [f"{last}\n4"])
            assert [split(message)[1] for message in early] == ["0", "", "1", "2", "3", "4"]
            joined.leave()
