"""A broker that is away, dies, hangs, refuses or comes back; what it had acknowledged stays."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket

import pytest
from connections.running import until

from fastws.rooms import BrokerUnavailable, Hub, QueueFull
from rooms.brokers import Nats, Redis
from rooms.conftest import need
from rooms.proxies import Proxy
from rooms.scenes import new_namespace, process, processes

pytestmark = pytest.mark.usefixtures("impatient")

RECOVERY_SECONDS = 10


async def healthy(*made):
    await until(lambda: all(one.hub.healthy for one in made), RECOVERY_SECONDS)


async def unhealthy(*made):
    await until(lambda: not any(one.hub.healthy for one in made), RECOVERY_SECONDS)


async def test_a_broker_that_is_away_at_the_start(own_broker):
    own_broker.kill()
    namespace, events = new_namespace(), []
    one = process(own_broker.url, namespace, on_health=lambda *event: events.append(event))
    async with one as one, process(own_broker.url, namespace) as other:
        here, there = await one.join("garden"), await other.join("garden")
        assert not one.hub.healthy
        assert events[0][0] is False
        with pytest.raises(BrokerUnavailable, match="not sent to other processes: no connection"):
            await one.hub.publish("garden", "1", wait=0)
        with pytest.raises(BrokerUnavailable, match="not sent to other processes"):
            await one.hub.publish("garden", "2", wait=0.05)
        assert [await here.recv(), await here.recv()] == ["1", "2"]
        members = await one.hub.members("garden")
        assert (members.count, members.complete) == (1, False)
        waits = asyncio.ensure_future(one.hub.publish("garden", "3", wait=RECOVERY_SECONDS))
        own_broker.start()
        await healthy(one, other)
        await waits
        await one.hub.publish("garden", "4")
        assert [await here.recv(), await here.recv()] == ["3", "4"]
        while (got := await there.recv()) != "4":
            assert got == "3"  # it may have come before the other had subscribed
        assert events[-1] == (True, "")
        assert one.hub.stats().refused >= 2
        await here.close()
        await there.close()


async def test_local_messages_go_on_when_the_broker_dies(own_broker):
    async with processes(own_broker.url, 2) as [one, other]:
        here, there = await one.join("garden"), await other.join("garden")
        own_broker.kill()
        await unhealthy(one, other)
        for number in range(10):
            with contextlib.suppress(BrokerUnavailable):
                await one.hub.publish("garden", str(number), wait=0)
        assert [await here.recv() for _ in range(10)] == [str(number) for number in range(10)]
        own_broker.start()
        await healthy(one, other)
        await one.hub.publish("garden", "back")
        assert (await here.recv(), await there.recv()) == ("back", "back")
        await until(lambda: one.hub.stats().processes == 2)
        assert sorted(one.hub.stats().__dict__) == sorted(other.hub.stats().__dict__)
        await here.close()
        await there.close()


class Numbered:
    """Publish numbers until told to stop; remember which were acknowledged."""

    def __init__(self, hub, name):
        self.acknowledged = []
        self._hub = hub
        self._name = name
        self._stopped = False
        self._task = asyncio.ensure_future(self._publish())

    async def _publish(self):
        number = 0
        while not self._stopped:
            number += 1
            text = f"{self._name} {number}"
            await self._hub.publish("garden", text, wait=RECOVERY_SECONDS)
            self.acknowledged.append(text)
            await asyncio.sleep(0.0005)

    async def stop(self):
        self._stopped = True
        await self._task
        return self.acknowledged


async def all_got(got, publishers):
    """Wait for all that was acknowledged; nothing may be doubled, and each name's are in order."""
    acknowledged = [text for publisher in publishers for text in await publisher.stop()]
    assert len(acknowledged) > 10
    for texts in got:
        with contextlib.suppress(AssertionError):
            await until(lambda texts=texts: set(acknowledged) <= set(texts), RECOVERY_SECONDS)
        assert not sorted(set(acknowledged) - set(texts)), f"missing, of {len(texts)}"
        assert len(texts) == len(set(texts)), "a message came twice"
        for publisher in publishers:
            mine = [text for text in texts if text.split()[0] == publisher._name]
            assert mine == [f"{publisher._name} {n}" for n in range(1, len(mine) + 1)]
    assert all(texts == got[0] for texts in got)


@contextlib.asynccontextmanager
async def numbered(url, **options):
    """Two processes that publish numbers to each other, and what each got."""
    options = {"history": 100_000, **options}
    async with processes(url, 2, **options) as made:
        got = [[], []]
        async with contextlib.AsyncExitStack() as stack:
            for one, texts in zip(made, got, strict=True):
                await stack.enter_async_context(one.hub.join(texts.append, "garden"))
            publishers = [Numbered(one.hub, name) for one, name in zip(made, "ab", strict=True)]
            await until(lambda: all(len(texts) > 20 for texts in got))
            yield made, got
            await until(lambda: all(one.hub.healthy for one in made), RECOVERY_SECONDS)
            before = len(got[0])
            await until(lambda: len(got[0]) > before + 20)
            await all_got(got, publishers)
            assert [one.hub.stats().gaps for one in made] == [0, 0]


@pytest.mark.parametrize("times", [2])
async def test_nothing_acknowledged_is_lost_when_the_broker_is_killed(own_broker, times):
    async with numbered(own_broker.url) as (made, _):
        for _ in range(times):
            own_broker.kill()
            await unhealthy(*made)
            await asyncio.sleep(0.05)
            own_broker.start()
            await healthy(*made)
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_nothing_acknowledged_is_lost_when_the_broker_hangs(own_broker):
    async with numbered(own_broker.url) as (made, _):
        own_broker.pause()
        await unhealthy(*made)
        own_broker.resume()


@pytest.mark.parametrize("how", [pytest.param("drop", marks=pytest.mark.slow), "cut"])
async def test_nothing_acknowledged_is_lost_in_a_partition(own_broker, how):
    async with Proxy(own_broker.port) as proxy:
        url = own_broker.url_at("127.0.0.1", proxy.port)
        async with numbered(url) as (made, _):
            getattr(proxy, how)()
            await unhealthy(*made)
            proxy.heal()


async def test_a_subscriber_that_redis_drops_fetches_what_it_missed(tmp_path):
    need("redis")
    with Redis(tmp_path) as broker:
        async with numbered(broker.url) as (made, _):
            for _ in range(3):
                before = [one.hub.stats().connects for one in made]
                broker.call("CLIENT KILL TYPE pubsub")
                await until(
                    lambda before=before: all(
                        one.hub.stats().connects > count
                        for one, count in zip(made, before, strict=True)
                    ),
                    RECOVERY_SECONDS,
                )


async def test_scripts_that_redis_forgot_are_loaded_again(tmp_path):
    need("redis")
    with Redis(tmp_path) as broker:
        async with numbered(broker.url) as (made, _):
            broker.call("SCRIPT FLUSH")
            await asyncio.sleep(0.1)
            assert [one.hub.stats().connects for one in made] == [1, 1]


async def test_a_server_that_hangs_does_not_keep_us_from_the_next(tmp_path, monkeypatch):
    need("redis")
    from fastws.rooms import redis

    monkeypatch.setattr(redis, "_CONNECT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, Redis(tmp_path) as broker:
        hanging = ",".join([f"127.0.0.1:{silent.getsockname()[1]}"] * 2)
        async with Hub(f"redis://{hanging},127.0.0.1:{broker.port}") as hub:
            assert hub.healthy
            assert hub._engine._servers[0]["port"] == broker.port  # the first to be asked again
            broker.restart()
            await until(lambda: hub.stats().connects == 2, RECOVERY_SECONDS)


@pytest.mark.slow
async def test_a_replica_takes_over(tmp_path):
    need("redis")
    first, second = [tmp_path / name for name in ("first", "second")]
    first.mkdir()
    second.mkdir()
    with Redis(first) as master, Redis(second) as replica:
        replica.call(f"REPLICAOF 127.0.0.1 {master.port}")
        await until(lambda: b"master_link_status:up" in replica.call("INFO replication"), 10)
        url = f"{replica.url},127.0.0.1:{master.port}"
        async with processes(url, 2, history=100) as [one, other]:
            ws = await other.join("garden")
            await one.hub.publish("garden", "1")
            await until(lambda: b"garden" in replica.call("KEYS *"), 10)
            master.kill()
            await unhealthy(one, other)
            replica.call("REPLICAOF NO ONE")
            await healthy(one, other)
            await one.hub.publish("garden", "2")
            assert [await ws.recv(), await ws.recv()] == ["1", "2"]
            # One that has become a replica is left, though it still answers.
            with master:
                replica.call(f"REPLICAOF 127.0.0.1 {master.port}")
                await until(lambda: one.hub.stats().connects > 2, RECOVERY_SECONDS)
                await healthy(one, other)
            await ws.close()


@pytest.mark.parametrize(
    ("kind", "options", "wrong"),
    [
        (Redis, {"requirepass": "secret"}, ("secret", "wrong")),
        (Nats, {"user": "ann", "pass": "secret"}, ("secret", "wrong")),
    ],
    ids=["redis", "nats"],
)
async def test_a_broker_that_refuses_the_password(tmp_path, kind, options, wrong):
    need(kind.__name__.lower())
    with kind(tmp_path, **options) as broker:
        async with process(broker.url) as one:
            assert one.hub.healthy
        reasons = []
        hub = Hub(broker.url.replace(*wrong), on_health=lambda *event: reasons.append(event))
        async with hub:
            assert not hub.healthy
            [(state, reason)] = reasons
            assert state is False
            assert re.search("no connection to the broker: .*(password|uthoriz)", reason), reason
        with pytest.raises(BrokerUnavailable, match="no connection to the broker"):
            async with Hub(broker.url.replace(*wrong), require_broker=True):
                pass


async def test_what_waits_for_the_broker_is_bounded(own_broker):
    own_broker.kill()
    async with process(own_broker.url, max_pending=10) as one:
        for _ in range(10):
            one.hub.publish_nowait("garden", "x", wait=0.3)
        with pytest.raises(QueueFull, match="10 messages"):
            one.hub.publish_nowait("garden", "x", wait=0.3)
        await until(lambda: one.hub.stats().pending == 0)
        assert one.hub.stats().refused == 11
    async with process(own_broker.url, max_pending_bytes=1000) as one:
        one.hub.publish_nowait("garden", "x" * 900, wait=60)
        with pytest.raises(QueueFull, match="917 bytes"):
            one.hub.publish_nowait("garden", "x" * 900, wait=60)
        assert one.hub.stats().pending == 1


async def test_history_cannot_be_told_while_the_broker_is_away(own_broker):
    async with process(own_broker.url, history=10) as one:
        id = await one.hub.publish("garden", "1")
        own_broker.kill()
        await unhealthy(one)
        with pytest.raises(BrokerUnavailable, match="history is not available"):
            await one.hub.join(print, "garden", last_id=id)
        assert one.hub.stats().rooms == 0
        async with one.hub.join(print, "garden"):
            assert one.hub.stats().rooms == 1


async def test_a_message_too_big_for_nats(tmp_path):
    need("nats")
    config = tmp_path / "config"
    config.write_text("max_payload: 2000")
    with Nats(tmp_path, config=str(config)) as broker:
        async with process(broker.url) as one:
            with pytest.raises(ValueError, match="what the broker takes, 2000 bytes"):
                await one.hub.publish("garden", "x" * 2000)
            await one.hub.publish("garden", "x" * 1900)
        async with process(broker.url, history=10) as one:
            for size in range(1850, 2000):
                try:
                    await one.hub.publish("garden", "x" * size)
                except ValueError:
                    break
            assert size > 1870
            await one.hub.publish("garden", "another")
            assert one.hub.stats().connects == 1


async def test_after_the_hub_was_closed_nobody_waits_for_it(own_broker):
    async with process(own_broker.url) as one:
        pass
    for wait in (0, 60):
        with pytest.raises(BrokerUnavailable, match="the hub was closed"):
            await asyncio.wait_for(one.hub.publish("garden", "x", wait=wait), 5)


async def test_nothing_grows_while_the_broker_is_away(own_broker):
    async with process(own_broker.url) as one:
        tasks = len(asyncio.all_tasks())
        own_broker.kill()
        await unhealthy(one)
        for _ in range(50):
            ws = await one.join("garden", "cellar")
            with contextlib.suppress(BrokerUnavailable):
                await one.hub.publish("garden", "x", wait=0)
            await ws.close()
        await until(lambda: one.hub.stats().rooms == 0)
        link = one.hub._link
        assert (len(link._wanted), len(link._waiters), len(link.outbox)) == (2, 0, 0)
        assert len(link._unsure) <= 4
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        own_broker.start()
        await healthy(one)


async def test_an_answer_that_nobody_waits_for_is_not_taken_for_another(own_broker):
    async with process(own_broker.url, history=10) as one:
        ids = [await one.hub.publish(room, room) for room in "abc"]
        engine = one.hub._engine
        for _ in range(20):
            asking = asyncio.ensure_future(engine.replay("a", None, 10))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
            for room, id in zip("abc", ids, strict=True):
                replay = await engine.replay(room, None, 10)
                assert [message.id for message in replay.messages] == [id]
        assert one.hub.stats().connects == 1
