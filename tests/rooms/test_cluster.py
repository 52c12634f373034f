"""A Redis Cluster: each room at the shard of its slot, over sharded pub/sub."""

from __future__ import annotations

import contextlib

import pytest
from connections.running import until

from fastws.rooms import BrokerUnavailable, id_first
from fastws.rooms.names import token
from rooms.brokers import Redis, free_port
from rooms.conftest import need
from rooms.scenes import processes

key_slot = pytest.importorskip("redis.crc").key_slot

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("impatient")]

SLOTS = 16384
ROOMS = [f"room {number}" for number in range(12)]


@pytest.fixture
def cluster(tmp_path):
    """Three masters."""
    need("redis")
    with contextlib.ExitStack() as stack:
        nodes = []
        for number in range(3):
            directory = tmp_path / str(number)
            directory.mkdir()
            options = {"cluster-enabled": "yes", "cluster-port": free_port()}
            options["cluster-node-timeout"] = 2000
            node = stack.enter_context(Redis(directory, **options))
            first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1
            assert node.call(f"CLUSTER ADDSLOTSRANGE {first} {last}").startswith(b"+OK")
            nodes.append(node)
        for node in nodes[1:]:
            bus = node.options["cluster-port"]
            assert nodes[0].call(f"CLUSTER MEET 127.0.0.1 {node.port} {bus}").startswith(b"+OK")
        yield nodes


async def formed(nodes):
    """Wait until all nodes know of all."""
    await until(
        lambda: all(
            b"cluster_state:ok" in node.call("CLUSTER INFO")
            and node.call("CLUSTER SLOTS").startswith(b"*3")
            for node in nodes
        ),
        20,
    )


async def test_rooms_are_spread_over_the_shards(cluster):
    await formed(cluster)
    async with processes(cluster[1].url, 2, history=100, stamp=id_first) as [one, other]:
        got = []
        async with other.hub.join(got.append, *ROOMS):
            shards = [node.call("PUBSUB SHARDCHANNELS *").count(b"room") for node in cluster]
            assert sum(shards) >= len(ROOMS)
            assert all(shards)
            ids = {room: await one.hub.publish(room, room) for room in ROOMS}
            await until(lambda: len(got) == len(ROOMS))
            assert set(got) == {f"{id}\n{room}" for room, id in ids.items()}
            for room in ROOMS:
                await one.hub.publish(room, f"typing in {room}", keep=False)
            await until(lambda: len(got) == 2 * len(ROOMS))
        for room, id in ids.items():
            told = []
            last = await one.hub.publish(room, "more")
            async with other.hub.join(told.append, room, last_id=id) as joined:
                assert (told, joined.complete) == ([f"{last}\nmore"], {room: True})


async def test_a_shard_that_dies_and_comes_back(cluster):
    await formed(cluster)
    async with processes(cluster[0].url, 2, history=100) as [one, other]:
        got = []
        async with other.hub.join(got.append, *ROOMS):
            cluster[2].kill()
            await until(lambda: not one.hub.healthy and not other.hub.healthy, 10)
            cluster[2].start()
            await formed(cluster)
            await until(lambda: one.hub.healthy and other.hub.healthy, 20)
            for room in ROOMS:
                await one.hub.publish(room, room)
            await until(lambda: sorted(got) == sorted(ROOMS))


async def test_slots_that_move(cluster):
    await formed(cluster)
    async with processes(cluster[0].url, 2) as [one, other]:
        got = []
        async with other.hub.join(got.append, *ROOMS):
            engine = one.hub._engine
            nodes = {room: engine._node(token(room)).server["port"] for room in ROOMS}
            moving = [room for room in ROOMS if nodes[room] == cluster[1].port]
            assert moving
            first = cluster[0].call("CLUSTER MYID").split(b"\r\n")[1].decode()
            before = other.hub.stats().connects
            for room in moving:
                slot = key_slot(engine._channel(token(room)).encode())
                for node in cluster:
                    answer = node.call(f"CLUSTER SETSLOT {slot} NODE {first}")
                    assert answer.startswith(b"+OK"), answer
            # The shard says that it has them no more.
            await until(lambda: other.hub.stats().connects > before and other.hub.healthy, 10)
            await until(lambda: one.hub.healthy, 10)
            for room in ROOMS:
                with contextlib.suppress(BrokerUnavailable):  # it finds out only now, perhaps
                    await one.hub.publish(room, "found out", wait=5)
            await until(lambda: one.hub.healthy, 10)
            got.clear()
            for room in ROOMS:
                await one.hub.publish(room, room)
            await until(lambda: set(ROOMS) <= set(got))
            assert engine._node(token(moving[0])).server["port"] == cluster[0].port
