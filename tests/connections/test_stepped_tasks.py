"""A handler that is stepped in place looks, and ends, like any other task."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import io
import sys
import types
import weakref

import pytest

from connections.running import new_loop
from connections.scripted import (
    COLOUR,
    STARTS,
    World,
    both,
    put_a,
    put_b,
    random_actions,
    random_handler,
    same,
)
from connections.test_operations import of_cpython


@pytest.mark.parametrize("start", STARTS)
async def test_whoever_looks_at_the_task_sees_its_handler(start):
    async def handler(world):
        world.note(inspect.getcoroutinestate(world.task.get_coro()))
        while True:
            await world.a.get()
            world.note(inspect.getcoroutinestate(world.task.get_coro()))
            assert asyncio.current_task() in asyncio.all_tasks()

    world = World(start, handler)
    assert inspect.getcoroutinestate(world.task.get_coro()) == inspect.CORO_CREATED
    for number in range(3):
        world.loop.call_soon(world.a.put, number)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert inspect.getcoroutinestate(world.task.get_coro()) == inspect.CORO_SUSPENDED
        assert "handler() running at" in repr(world.task)
        assert [frame.f_code.co_name for frame in world.task.get_stack()] == ["handler"]
        written = io.StringIO()
        world.task.print_stack(file=written)
        assert "await world.a.get()" in written.getvalue()
        assert world.task in asyncio.all_tasks()
    assert {entry[1] for entry in world.log} == {inspect.CORO_RUNNING}
    await world.end()
    assert inspect.getcoroutinestate(world.task.get_coro()) == inspect.CORO_CLOSED


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
async def test_eager_tasks_are_stepped_too():
    asyncio.get_running_loop().set_task_factory(
        lambda loop, coroutine, **kwargs: asyncio.eager_task_factory(loop, coroutine)
    )

    async def handler(world):
        world.note("at once")
        while True:
            item = await world.a.get()
            world.note(item)
            child = world.spawn(world.b.get())
            world.note(await child)

    await same(handler, *[put_a(1), put_b(2), None, both(put_b(3), put_a(4)), put_a(5)] * 2)


async def test_a_task_factory_may_wrap_the_handler():
    """As those do that watch programs: the wrapper is what the task runs."""

    async def wrapped(coroutine):
        return await coroutine

    def factory(loop, coroutine, **kwargs):
        if "handler" in coroutine.__qualname__:
            coroutine = wrapped(coroutine)
        return asyncio.Task(coroutine, loop=loop, **kwargs)

    asyncio.get_running_loop().set_task_factory(factory)
    for seed in range(500, 530):
        await same(random_handler(seed), *random_actions(seed))


async def test_debug_mode_changes_nothing():
    asyncio.get_running_loop().set_debug(True)
    for seed in range(600, 610):
        await same(random_handler(seed), *random_actions(seed))


@pytest.mark.parametrize("install", [sys.settrace, sys.setprofile])
async def test_tracing_changes_nothing(install):
    seen = set()

    def trace(frame, event, argument):
        seen.add((frame.f_code.co_name, event))
        return trace

    previous = (sys.gettrace if install is sys.settrace else sys.getprofile)()
    install(trace)
    try:
        for seed in range(700, 710):
            await same(random_handler(seed), *random_actions(seed))
    finally:
        install(previous)
    assert ("random_step", "call") in seen
    assert ("random_step", "return") in seen


@of_cpython
@pytest.mark.parametrize("start", STARTS)
async def test_an_abandoned_handler_is_collected(start):
    ended = []

    async def handler(world):
        try:
            while True:
                await world.a.get()
        finally:
            ended.append(True)

    loop = asyncio.get_running_loop()
    reported = []
    loop.set_exception_handler(lambda loop, context: reported.append(context["message"]))
    world = World(start, handler)
    for number in range(3):
        loop.call_soon(world.a.put, number)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    gone = [weakref.ref(world), weakref.ref(world.task)]
    del world
    gc.collect()
    await asyncio.sleep(0)
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    assert ended == [True]
    assert reported == ["Task was destroyed but it is pending!"]


@pytest.mark.parametrize("start", STARTS)
async def test_an_ended_handler_leaves_nothing_with_the_feed(start):
    class Kept:
        pass

    async def handler(world):
        kept = Kept()
        references.append(weakref.ref(kept))
        COLOUR.set(kept)
        await world.a.get()
        await world.a.get()

    references = []
    world = World(start, handler)
    waiter = world.a.waiter
    await asyncio.sleep(0)
    for number in range(2):
        world.loop.call_soon(world.a.put, number)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert world.task.done()
    references += [weakref.ref(world), weakref.ref(world.task)]
    del world
    gc.collect()
    assert [reference() for reference in references] == [None] * 3
    assert not waiter.waiting


@of_cpython
@pytest.mark.parametrize("start", STARTS)
def test_a_loop_that_ends_early_ends_the_handler(start):
    loop = new_loop("asyncio")
    loop.set_exception_handler(lambda loop, context: None)
    ended = []

    async def handler(world):
        try:
            while True:
                await world.a.get()
        except BaseException as error:
            ended.append(type(error))
            raise

    async def make():
        world = World(start, handler)
        await asyncio.sleep(0)
        loop.call_soon(world.a.put, 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return world

    world = loop.run_until_complete(make())
    loop.close()
    with contextlib.suppress(RuntimeError):  # the loop is closed
        world.a.put(2)
    del world
    gc.collect()
    assert ended == [GeneratorExit]


@pytest.mark.parametrize("start", STARTS)
async def test_what_a_task_cannot_wait_for_is_an_error_in_the_handler(start):
    @types.coroutine
    def give(what):
        yield what

    async def handler(world):
        await world.a.get()
        for what in ("nonsense", world.task, 5):
            await world.a.get()
            if what == 5:
                world.task.cancel()
            try:
                await give(what)
            except (RuntimeError, asyncio.CancelledError) as error:
                world.note(type(error))
        return "end"

    log, outcome = await World(start, handler).play(
        [put_a(0), put_a(1), None, None, put_a(2), None, None, put_a(3)]
    )
    assert [entry[1] for entry in log] == [RuntimeError, RuntimeError, asyncio.CancelledError]
    assert outcome == ("returned", "end")
