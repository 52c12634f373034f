"""Rooms over each engine: who gets what, in which order, and who is there."""

from __future__ import annotations

import asyncio

import pytest
from connections.running import until

from fastws.aio import connect, serve
from fastws.rooms import Callback, HistoryUnavailable, Hub
from rooms.scenes import new_namespace, process, processes


async def test_whoever_joins_twice_stays(url):
    async with processes(url, 1) as [one]:
        got = []
        receiver = Callback(got.append)
        async with one.hub.join(receiver, "garden"):
            with pytest.raises(ValueError, match="is in 'garden' already"):
                await one.hub.join(receiver, "cellar", "garden")
            await one.hub.publish("garden", "still here")
            await until(lambda: got == ["still here"])
            assert one.hub.stats().rooms == 1


async def test_a_connection_that_closes_leaves_though_nobody_says_so(url):
    async with Hub(url, namespace=new_namespace()) as hub:
        joined = []

        async def handler(ws):
            joined.append(await hub.join(ws, "garden", "cellar"))
            await ws.send("joined")
            async for _ in ws:
                pass

        async with serve(handler, "127.0.0.1", 0) as server:
            uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            clients = []
            for _ in range(3):
                clients.append(await connect(uri))
                assert await clients[-1].recv() == "joined"
            assert hub.stats().receivers == 6
            await clients[0].close()
            await until(lambda: hub.stats().receivers == 4)
            joined[1].leave("cellar")
            clients[1]._abort()
            await until(lambda: hub.stats().receivers == 2)
            await clients[2].close()
            await until(lambda: hub.stats().rooms == 0)
            [late] = joined[2:]
            assert late.rooms == []


async def test_a_message_reaches_those_in_the_room_and_nobody_else(url):
    async with processes(url, 1) as [one]:
        ann, ben, cleo = [await one.join(room) for room in ("garden", "garden", "cellar")]
        await one.hub.publish("garden", "hello")
        await one.hub.publish("cellar", b"\x00\xff")
        assert [await ws.recv() for ws in (ann, ben, cleo)] == ["hello", "hello", b"\x00\xff"]
        for ws in (ann, ben, cleo):
            await ws.close()
        await until(lambda: one.hub.stats().rooms == 0)


async def test_processes_share_rooms_in_order(broker_url):
    async with processes(broker_url, 3) as made:
        clients = [await one.join("garden") for one in made]
        numbers = range(100)
        await asyncio.gather(
            *(
                one.hub.publish("garden", f"{index} {number}")
                for index, one in enumerate(made)
                for number in numbers
            )
        )
        for ws in clients:
            got = [await ws.recv() for _ in range(300)]
            for index in range(3):
                mine = [message for message in got if message[0] == str(index)]
                assert mine == [f"{index} {number}" for number in numbers]
            await ws.close()


async def test_publishing_without_waiting_is_in_order_too(broker_url):
    async with processes(broker_url, 2) as [one, other]:
        ws = await other.join("garden")
        for number in range(500):
            one.hub.publish_nowait("garden", str(number))
        assert [await ws.recv() for _ in range(500)] == [str(number) for number in range(500)]
        await ws.close()


@pytest.mark.parametrize("room", ["a.b", "a b*c>", "{x}y", "Grüße 日本", "!all", "%41", "x" * 200])
async def test_names_mean_nothing_to_brokers(broker_url, room):
    async with processes(broker_url, 2) as [one, other]:
        ws, elsewhere = await one.join(room), await one.join("A")
        await other.hub.publish(room, "here")
        await other.hub.publish("A", "there")
        assert (await ws.recv(), await elsewhere.recv()) == ("here", "there")
        assert await other.hub.rooms() == {room: 1, "A": 1}
        await ws.close()
        await elsewhere.close()


async def test_leaving_and_coming_back(url):
    async with processes(url, 1) as [one]:
        got = []
        joined = await one.hub.join(got.append, "a", "b")
        assert joined.rooms == ["a", "b"]
        joined.leave("a")
        await one.hub.publish("a", "not for us")
        await one.hub.publish("b", "1")
        await joined.add("a")
        await one.hub.publish("a", "2")
        await until(lambda: got == ["1", "2"])
        with pytest.raises(ValueError, match="is in 'a' already"):
            await joined.add("a")
        with pytest.raises(ValueError, match="is not in 'c'"):
            joined.leave("c")
        joined.leave()
        assert one.hub.stats().rooms == 0


async def test_members_of_all_processes(broker_url):
    async with processes(broker_url, 2) as [one, other]:
        ann, ben = await one.join("garden", member="Ann"), await other.join("garden", member="Ben")
        for process in (one, other):
            members = await process.hub.members("garden")
            assert (members.count, sorted(members.ids), members.complete) == (
                2, ["Ann", "Ben"], True
            )  # fmt: skip
            assert await process.hub.rooms() == {"garden": 2}
        assert (await one.hub.members("garden", limit=0)).count == 2
        await ben.close()
        await until(lambda: other.hub.stats().receivers == 0)
        assert (await one.hub.members("garden")).ids == ["Ann"]
        assert (await one.hub.members("nobody")).count == 0
        await ann.close()


async def test_a_process_that_leaves_is_not_waited_for(broker_url):
    namespace = new_namespace()
    async with process(broker_url, namespace) as one:
        async with process(broker_url, namespace) as other:
            await until(lambda: one.hub.stats().processes == other.hub.stats().processes == 2)
        await until(lambda: one.hub.stats().processes == 1)
        assert (await one.hub.members("garden", seconds=60)).complete


async def test_namespaces_do_not_hear_each_other(broker_url):
    async with processes(broker_url, 1) as [one], processes(broker_url, 1) as [other]:
        ws = await one.join("garden")
        await other.hub.publish("garden", "not for you")
        await one.hub.publish("garden", "for you")
        assert await ws.recv() == "for you"
        await ws.close()


async def test_messages_of_one_turn_are_one_write():
    async with process() as one:
        ws = await one.join("garden")
        before = one.server.stats()
        for number in range(10):
            await one.hub.publish("garden", str(number))
        assert one.server.stats().messages_sent == before.messages_sent
        assert [await ws.recv() for _ in range(10)] == [str(number) for number in range(10)]
        after = one.server.stats()
        assert after.messages_sent - before.messages_sent == 10
        assert after.bytes_sent - before.bytes_sent == 10 * 3
        assert one.hub.stats().delivered == 10
        await ws.close()


async def test_compressed_and_plain_receivers_get_the_same():
    async with process() as one:
        text = "compress me " * 200
        receivers = [await connect(one.uri + "?room=a"), await one.join("a")]
        assert await receivers[0].recv() == "joined"
        for number in range(3):
            await one.hub.publish("a", f"{number} {text}")
            await one.hub.publish("a", f"{number} short")
        for ws in receivers:
            for number in range(3):
                assert await ws.recv() == f"{number} {text}"
                assert await ws.recv() == f"{number} short"
            await ws.close()


async def test_whoever_publishes_without_end_lets_others_live():
    async with process() as one:
        ws = await one.join("garden")

        async def publish():
            while True:
                await one.hub.publish("garden", "again")

        task = asyncio.ensure_future(publish())
        assert [await ws.recv() for _ in range(1000)] == ["again"] * 1000
        task.cancel()
        await asyncio.wait([task])
        await ws.close()


async def test_callbacks_get_messages_one_after_the_other(url):
    async with processes(url, 1) as [one]:
        got, running = [], 0

        async def receive(message):
            nonlocal running
            running += 1
            assert running == 1
            await asyncio.sleep(0.001)
            got.append(message)
            running -= 1

        async with one.hub.join(receive, "garden"):
            for number in range(20):
                await one.hub.publish("garden", str(number))
            await until(lambda: len(got) == 20)
        assert got == [str(number) for number in range(20)]


class Socket:
    """What a room uses of a WebSocket of Starlette; the first message is never done."""

    def __init__(self):
        self.closed = None

    async def send_text(self, text):
        await asyncio.sleep(60)

    async def send_bytes(self, data):
        raise AssertionError

    async def close(self, code, reason):
        self.closed = code, reason


async def test_a_slow_callback_is_closed_or_misses_messages():
    for slow in ("close", "skip"):
        async with process(slow=slow, limit=100) as one:
            socket = Socket()
            async with one.hub.join(socket, "garden"):
                for _ in range(20):
                    await one.hub.publish("garden", "x" * 10)
                await until(lambda: one.hub.stats().missed >= 9)
                if slow == "close":
                    await until(lambda: socket.closed == (1013, "too slow"))  # noqa: B023
                    assert (await one.hub.members("garden")).count == 0
                else:
                    assert socket.closed is None
                    assert one.hub.stats().missed == 9


async def test_a_callback_that_fails_hurts_no_other():
    async with process() as one:
        got = []

        def fail(message):
            raise RuntimeError(message)

        async with one.hub.join(Callback(fail), "a"), one.hub.join(got.append, "a"):
            await one.hub.publish("a", "1")
            await one.hub.publish("a", "2")
            await until(lambda: got == ["1", "2"])
            assert one.hub.stats().missed == 1


async def test_wrong_arguments():
    async with process() as one:
        hub = one.hub
        for room, problem in [
            ("", "must not be empty"),
            ("a\nb", "control characters"),
            ("x" * 201, "at most 200 bytes"),
            ("\ud800", "valid Unicode"),
        ]:
            with pytest.raises(ValueError, match=problem):
                await hub.publish(room, "hello")
            with pytest.raises(ValueError, match=problem):
                hub.join(print, room)
        for call, problem in [
            (lambda: hub.publish_nowait(b"a", "hello"), "must be a str, not bytes"),
            (lambda: hub.publish_nowait("a", ["x"]), "cannot be fragmented"),
            (lambda: hub.join(1, "a"), "not to a int"),
        ]:
            with pytest.raises(TypeError, match=problem):
                call()
        with pytest.raises(ValueError, match="1048577 bytes is larger than max_size"):
            await hub.publish("a", "x" * 1048577)
        with pytest.raises(ValueError, match="not the id of a message"):
            hub.join(print, "a", last_id="yesterday")
        with pytest.raises(HistoryUnavailable):
            await hub.join(print, "a", last_id="1-1")
        assert hub.stats().rooms == 0


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis", "is not the URL of a hub"),
        ("amqp://host", "cannot use amqp://"),
        ("memory://host", "memory:// is all"),
    ],
)
def test_wrong_urls(url, problem):
    with pytest.raises(ValueError, match=problem):
        Hub(url)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"slow": "wait"}, "slow must be"),
        ({"history": 0}, "history must be"),
        ({"history_seconds": -1}, "history_seconds must be"),
        ({"stamp": print}, "stamp needs history"),
        ({"namespace": "a b"}, "namespace must be"),
    ],
)
def test_wrong_options(options, problem):
    with pytest.raises(ValueError, match=problem):
        Hub(**options)


def test_a_hub_must_be_entered():
    with pytest.raises(RuntimeError, match="enter the hub first"):
        Hub().publish_nowait("a", "b")
