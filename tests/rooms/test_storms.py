"""Failure runs: several processes, hundreds of sockets, every message numbered and checked."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import signal
from pathlib import Path

import pytest
from connections.running import until
from processes import Process

from fastws.aio import connect
from fastws.errors import WebSocketException
from rooms.brokers import KINDS, Redis
from rooms.conftest import BROKERS, need
from rooms.networks import Namespace
from rooms.proxies import Proxy

# The guard around coroutine tests gives up after seconds; these need minutes.
pytestmark = [pytest.mark.slow, pytest.mark.patience(240)]

LOOPS = ["asyncio"]  # here are clients only: hubs are in the workers

WORKER = Path(__file__).with_name("worker.py")
ROOMS = 10
RECEIVERS = 300
RECOVERY_SECONDS = 40


class Worker:
    """A process that can be killed and comes back on the same port."""

    def __init__(self, url, history):
        self._arguments = (url, history)
        self._process = None
        self.port = 0
        self.start()

    def start(self):
        self._process = Process(WORKER, self.port, *self._arguments)
        self.port = int(self._process.line())
        self.uri = f"ws://127.0.0.1:{self.port}/"

    def signal(self, signum):
        self._process.signal(signum)

    def end(self):
        """End it in order; return what it counted."""
        self._process.end_input()
        _, _, errors = self._process.end()
        self._process.__exit__()
        return errors[-1]

    def kill(self):
        self._process.__exit__()


class Receiver:
    """A client that comes back whenever it was disconnected, with the last id it saw."""

    def __init__(self, workers, room, history):
        self.texts = []
        self.joined = False
        self.connects = 0
        self._workers = workers
        self._room = room
        self._history = history
        # Even one that is disconnected before the first message must not miss that.
        self._last = "0-0" if history else None
        self.task = asyncio.ensure_future(self._run())

    async def _run(self):
        while True:
            uri = random.choice(self._workers).uri + self._room
            with contextlib.suppress(OSError, TimeoutError, WebSocketException):
                await self._receive(uri if self._last is None else f"{uri}?last={self._last}")
            self.joined = False
            await asyncio.sleep(random.uniform(0.05, 0.3))

    async def _receive(self, uri):
        options = {"compression": None, "ping_interval": 1, "ping_timeout": 2, "close_timeout": 1}
        async with connect(uri, open_timeout=3, **options) as ws:
            self.connects += 1
            async for message in ws:
                if message == "joined":
                    self.joined = True
                elif self._history:
                    self._last, _, text = message.partition("\n")
                    self.texts.append(text)
                else:
                    self.texts.append(message)


class Publisher:
    """A client that sends numbers, and knows which were acknowledged."""

    def __init__(self, worker, room, name):
        self.name = name
        self.room = room
        self.acknowledged = []
        self.failed = 0
        self.stopped = False
        self._worker = worker
        self._number = 0
        self._answers = {}
        self.task = asyncio.ensure_future(self._run())

    async def _run(self):
        while not self.stopped:
            with contextlib.suppress(OSError, TimeoutError, WebSocketException):
                uri = self._worker.uri + self.room
                async with connect(uri, compression=None, open_timeout=3, close_timeout=1) as ws:
                    while not self.stopped:
                        self._number += 1
                        await self._publish(ws, f"{self.name} {self._number}")
            await asyncio.sleep(0.2)

    async def _publish(self, ws, text):
        await ws.send(text)
        while True:
            answer = await asyncio.wait_for(ws.recv(), 30)
            if answer == f"ok {text}":
                self.acknowledged.append(text)
                break
            if answer.startswith(f"failed {text} "):
                self.failed += 1
                break
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def storm(urls, history, count=3):
    """Workers, receivers in rooms, and a publisher for each room; everything ends at the end.

    The first worker gets the first URL, and so on.
    """
    workers = [Worker(urls[i % len(urls)], history) for i in range(count)]
    receivers, publishers = [], []
    try:
        receivers = [Receiver(workers, f"r{i % ROOMS}", history) for i in range(RECEIVERS)]
        await until(lambda: all(one.joined for one in receivers), RECOVERY_SECONDS)
        publishers = [Publisher(workers[i % count], f"r{i}", f"p{i}") for i in range(ROOMS)]
        await asyncio.sleep(0.5)
        yield workers, receivers, publishers
    finally:
        for one in (*receivers, *publishers):
            one.task.cancel()
        await asyncio.gather(
            *(one.task for one in (*receivers, *publishers)), return_exceptions=True
        )
        for worker in workers:
            worker.kill()


async def settle(receivers, publishers):
    """Let all come back, then stop publishing when all have."""
    await until(lambda: all(one.joined for one in receivers), RECOVERY_SECONDS)
    marks = [len(one.acknowledged) for one in publishers]
    await until(
        lambda: all(len(p.acknowledged) > mark + 5 for p, mark in zip(publishers, marks)),  # noqa: B905
        RECOVERY_SECONDS,
    )
    for one in publishers:
        one.stopped = True
    await asyncio.wait([one.task for one in publishers])


def check(receivers, publishers):
    """Nothing acknowledged is missing, nothing is doubled, and the order is the publisher's."""
    acknowledged = {one.room: set(one.acknowledged) for one in publishers}
    total = 0
    for receiver in receivers:
        texts = receiver.texts
        assert len(texts) == len(set(texts)), "a message came twice"
        numbers = [int(text.split()[1]) for text in texts]
        assert numbers == sorted(numbers), "the order is not the publisher's"
        total += len(texts)
    print(
        f"{sum(map(len, acknowledged.values()))} acknowledged, {total} delivered to "
        f"{len(receivers)} receivers that connected {sum(r.connects for r in receivers)} times"
    )


async def all_told(receivers, publishers):
    acknowledged = {one.room: set(one.acknowledged) for one in publishers}

    def missing(receiver):
        return acknowledged[receiver._room] - set(receiver.texts)

    with contextlib.suppress(AssertionError):
        await until(lambda: not any(map(missing, receivers)), RECOVERY_SECONDS)
    for receiver in receivers:
        assert not missing(receiver), (
            f"{len(missing(receiver))} acknowledged messages are missing in {receiver._room}, "
            f"whose last id is {receiver._last}: {sorted(missing(receiver))[:5]}"
        )


async def test_with_history_nothing_acknowledged_is_missing_or_doubled(own_broker):
    async with Proxy(own_broker.port) as proxy:
        url = own_broker.url_at("127.0.0.1", proxy.port)
        async with storm([url], 100_000) as (workers, receivers, publishers):
            own_broker.kill()
            await asyncio.sleep(2)
            own_broker.start()
            await asyncio.sleep(3)

            own_broker.pause()
            await asyncio.sleep(10)
            own_broker.resume()
            await asyncio.sleep(3)

            workers[0].kill()
            await asyncio.sleep(1)
            workers[0].start()
            await asyncio.sleep(2)

            workers[1].signal(signal.SIGSTOP)
            await asyncio.sleep(6)
            workers[1].signal(signal.SIGCONT)
            await asyncio.sleep(2)

            proxy.drop()
            await asyncio.sleep(10)
            proxy.heal()
            await asyncio.sleep(1)
            proxy.cut()
            await asyncio.sleep(1)
            proxy.heal()

            await settle(receivers, publishers)
            await all_told(receivers, publishers)
            check(receivers, publishers)
            for worker in workers:
                assert re.search(r"gaps=0\)", worker.end())


@pytest.mark.parametrize("kind", BROKERS)
async def test_when_one_process_is_cut_off_the_others_go_on(kind, tmp_path):
    need(kind)
    with (
        Namespace(links=2) as namespace,
        KINDS[kind](tmp_path, namespace=namespace) as broker,
    ):
        urls = [broker.url_at(host, broker.port) for host in namespace.hosts]
        async with storm(urls, 100_000, count=2) as (workers, receivers, publishers):
            near = [one for one in publishers if one._worker is workers[0]]
            far = [one for one in publishers if one._worker is workers[1]]
            namespace.pull(1)
            await asyncio.sleep(1)  # what was under way has arrived
            before = [[len(one.acknowledged) for one in some] for some in (near, far)]
            await asyncio.sleep(8)
            after = [[len(one.acknowledged) for one in some] for some in (near, far)]
            assert all(more > count + 20 for more, count in zip(after[0], before[0], strict=True))
            assert after[1] == before[1]
            namespace.plug(1)
            await asyncio.sleep(2)

            for link in (0, 1):
                namespace.pull(link)
            await asyncio.sleep(6)
            for link in (0, 1):
                namespace.plug(link)

            await settle(receivers, publishers)
            await all_told(receivers, publishers)
            check(receivers, publishers)
            for worker in workers:
                assert re.search(r"gaps=0\)", worker.end())


async def test_redis_drops_a_process_that_does_not_read(tmp_path):
    need("redis")
    limit = {"client-output-buffer-limit": "pubsub 64kb 64kb 1"}
    with Redis(tmp_path, **limit) as broker:
        async with storm([broker.url], 100_000, count=2) as (workers, receivers, publishers):
            listener = Receiver(workers[1:], "filler", 1)
            await until(lambda: listener.joined)
            workers[1].signal(signal.SIGSTOP)
            filler = Publisher(workers[0], "filler", "f" * 500_000)
            publishers_alive = [one for one in publishers if one._worker is workers[0]]
            await until(
                lambda: broker.call("CLIENT LIST TYPE pubsub").count(b"name=fastws") < 2, 40
            )
            for task in (filler.task, listener.task):
                task.cancel()
                await asyncio.wait([task])
            workers[1].signal(signal.SIGCONT)
            await settle(receivers, publishers)
            acknowledged = [text for one in publishers_alive for text in one.acknowledged]
            assert len(acknowledged) > 50
            await all_told(receivers, publishers)
            check(receivers, publishers)


async def test_without_history_local_messages_go_on(own_broker):
    async with storm([own_broker.url], 0) as (_, receivers, publishers):
        own_broker.kill()
        await asyncio.sleep(1)
        before = [len(one.texts) for one in receivers]
        failed = [one.failed for one in publishers]
        await asyncio.sleep(3)
        # Who is in the publisher's own process got more, all the time.
        more = sum(len(one.texts) > count for one, count in zip(receivers, before, strict=True))
        assert more > RECEIVERS / 10
        assert all(one.failed > count for one, count in zip(publishers, failed, strict=True))
        assert all(one.joined for one in receivers)
        own_broker.start()
        await settle(receivers, publishers)
        for receiver in receivers:
            assert len(receiver.texts) == len(set(receiver.texts))
        # Everyone hears everyone again.
        last = {one.room: one.acknowledged[-1] for one in publishers}
        await until(lambda: all(last[r._room] in r.texts for r in receivers), RECOVERY_SECONDS)
