"""Work with a time limit, work that is done to its end, and what brokers' clients do to both."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from connections.running import until

from fastws.rooms import tasks
from rooms.brokers import Redis
from rooms.conftest import need
from rooms.proxies import Proxy
from rooms.scenes import process


async def forget_that_it_was_cancelled(times):
    """Wait for ever, as after ``wait_for`` of older Pythons, which may swallow a cancellation."""
    for _ in range(times):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_work_that_swallows_cancellations_is_ended_all_the_same(monkeypatch):
    monkeypatch.setattr(tasks, "_INSIST_SECONDS", 0.001)
    with pytest.raises(TimeoutError):
        await tasks.within(0.01, forget_that_it_was_cancelled(3))
    several = [asyncio.ensure_future(forget_that_it_was_cancelled(n)) for n in range(3)]
    await asyncio.sleep(0)
    await tasks.end(several)
    assert all(task.cancelled() for task in several)


async def test_work_that_cancels_itself_has_failed():
    async def give_up():
        raise asyncio.CancelledError

    with pytest.raises(ConnectionError, match="the client of the broker gave up"):
        await tasks.within(1, give_up())


async def test_whole_work_goes_on_when_nobody_waits_for_it():
    whole, released, done = tasks.Whole(), asyncio.Event(), []

    async def work():
        await released.wait()
        done.append(True)
        raise OSError("nobody asks for this")

    waiting = asyncio.ensure_future(whole.run(work()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    released.set()
    await until(lambda: done)
    await whole.end()


async def test_a_subscription_under_way_fails_as_soon_as_its_connection_is_lost(tmp_path):
    need("redis")
    with Redis(tmp_path) as broker:
        async with Proxy(broker.port) as proxy, process(f"redis://127.0.0.1:{proxy.port}") as one:
            [node] = one.hub._engine._nodes
            broker.pause()
            subscribing = asyncio.ensure_future(node.subscribe(["x"]))
            await until(lambda: node._confirmed)
            proxy.cut()
            with pytest.raises(Exception, match=r"reset|closed"):
                await subscribing
            assert not node._confirmed
            broker.resume()


async def test_an_idle_connection_to_redis_has_no_time_limit_of_its_client(tmp_path):
    need("redis")
    with Redis(tmp_path) as broker:
        async with process(broker.url) as one:
            [node] = one.hub._engine._nodes
            limits = {(c.socket_timeout, c.socket_connect_timeout) for c in node.connections}
            assert limits == {(None, None)}
