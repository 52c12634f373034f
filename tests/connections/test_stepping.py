"""A handler that is stepped in place sees what it would see as any other task's coroutine."""

from __future__ import annotations

import asyncio
import sys

import pytest

from connections.running import new_loop
from connections.scripted import (
    COLOUR,
    STARTS,
    World,
    both,
    cancel,
    put_a,
    put_b,
    random_actions,
    random_handler,
    same,
)
from fastws.errors import ConcurrencyError

needs_uncancel = pytest.mark.skipif(sys.version_info < (3, 11), reason="new in Python 3.11")


async def test_each_message_is_taken_in_the_turn_that_brings_it():
    async def handler(world):
        while (item := await world.a.get()) != "end":
            world.note(item)
        return "result"

    log, outcome = await same(handler, *[put_a(i) for i in range(5)], put_a("end"))
    assert [entry[:3] for entry in log] == [(turn + 1, turn, True) for turn in range(5)]
    assert outcome == ("returned", "result")


async def test_messages_of_one_turn_are_taken_in_one_step():
    async def handler(world):
        while True:
            world.note(await world.a.get())

    log, _ = await same(handler, None, both(put_a(1), put_a(2)), both(put_a(3), put_a(4)))
    assert [entry[:2] for entry in log] == [(2, 1), (2, 2), (3, 3), (3, 4)]


async def test_a_message_that_a_task_brings_is_taken_after_it():
    async def handler(world):
        while True:
            world.note(await world.a.get())

    log, _ = await same(
        handler, lambda world: world.put_in_a_task(world.a, 1), None, None, put_a(2), put_a(3)
    )
    assert [entry[1] for entry in log] == [1, 2, 3]


async def test_context_variables_last_from_message_to_message():
    async def handler(world):
        token = None
        while True:
            item = await world.a.get()
            world.note(item)
            if token is None:
                token = COLOUR.set(item)
            else:
                COLOUR.reset(token)
                token = None

    log, _ = await same(handler, *[put_a(i) for i in ("red", "green", "blue", "white")])
    assert [entry[3] for entry in log] == ["none", "red", "none", "blue"]


@pytest.mark.parametrize("error", [ValueError, LookupError, asyncio.CancelledError, MemoryError])
async def test_an_exception_ends_the_task(error):
    async def handler(world):
        await world.a.get()
        try:
            await world.a.get()
        finally:
            world.note("ending")
        raise error("why")

    _, outcome = await same(handler, put_a(1), put_a(2))
    wanted = ("raised", error, ("why",))
    assert outcome == ("cancelled" if error is asyncio.CancelledError else wanted)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("start", STARTS)
def test_what_ends_the_program_comes_out_of_the_loop(start, error):
    loop = new_loop("asyncio")

    async def handler(world):
        await world.a.get()
        await world.a.get()
        raise error

    async def make():
        world = World(start, handler)
        await asyncio.sleep(0)
        return world

    try:
        world = loop.run_until_complete(make())
        loop.call_soon(world.a.put, 1)
        loop.call_soon(world.a.put, 2)
        with pytest.raises(error):
            loop.run_until_complete(asyncio.sleep(0.01))
        assert isinstance(world.task.exception(), error)
        loop.run_until_complete(asyncio.sleep(0))  # no task is left as the current one
        assert asyncio.current_task(loop) is None
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    finally:
        loop.close()


async def cancels_itself(world, then):
    await world.a.get()
    await world.a.get()
    for attempt in range(2):
        world.task.cancel("enough")
        try:
            await then(world)
        except asyncio.CancelledError as error:
            world.note("cancelled", attempt, error.args)
        else:
            world.note("not cancelled", attempt)
    world.note(await world.a.get())


THEN = {
    "the same feed": lambda world: world.a.get(),
    "another feed": lambda world: world.b.get(),
    "a future": lambda world: world.future(),
    "a turn of the loop": lambda world: asyncio.sleep(0),
    "a task": lambda world: world.spawn(world.b.get()),
    "a shielded task": lambda world: asyncio.shield(world.spawn(world.b.get())),
    "several": lambda world: asyncio.gather(world.b.get(), world.future()),
    "with a timeout": lambda world: asyncio.wait_for(world.a.get(), 5),
}


@pytest.mark.parametrize("then", THEN.values(), ids=THEN)
@pytest.mark.parametrize(
    "meanwhile",
    [None, put_a("meanwhile"), cancel, put_b("other")],
    ids=["nothing", "message", "cancel", "other"],
)
async def test_a_handler_cancels_itself_and_waits(then, meanwhile):
    async def handler(world):
        await cancels_itself(world, then)

    log, _ = await same(
        handler, put_a(1), both(put_a(2), meanwhile or (lambda world: None)), meanwhile, put_a(3)
    )
    assert log


@pytest.mark.parametrize("then", ["return", "raise"])
async def test_a_handler_cancels_itself_and_ends(then):
    async def handler(world):
        await world.a.get()
        await world.a.get()
        world.task.cancel()
        if then == "raise":
            raise ValueError
        return 1

    _, outcome = await same(handler, put_a(1), put_a(2))
    assert outcome == ("cancelled" if then == "return" else ("raised", ValueError, ()))


@needs_uncancel
async def test_a_handler_withdraws_its_own_cancellation():
    async def handler(world):
        await world.a.get()
        for _ in range(2):
            await world.a.get()
            world.task.cancel()
            world.task.uncancel()
            try:
                world.note(await world.a.get())
            except asyncio.CancelledError:
                world.note("cancelled")

    await same(handler, *[put_a(i) for i in range(8)])


async def test_two_receivers_of_one_feed_are_one_too_many():
    async def handler(world):
        await world.a.get()
        other = world.spawn(world.a.get())
        await asyncio.sleep(0)
        try:
            await world.a.get()
        except ConcurrencyError:
            world.note("refused")
        world.note(await other)
        world.note(await world.a.get())

    log, _ = await same(handler, put_a(1), None, None, put_a(2), None, None, put_a(3))
    assert [entry[1] for entry in log] == ["refused", 2, 3]


async def test_nobody_may_receive_between_a_cancellation_and_its_arrival():
    async def handler(world):
        await world.a.get()
        await world.a.get()
        world.task.cancel()
        try:
            await world.a.get()
        except asyncio.CancelledError:
            world.note("cancelled")
        world.note(await world.a.get())

    def receive_too(world):
        async def receive():
            try:
                world.note("the other", await world.a.get())
            except ConcurrencyError:
                world.note("refused")

        world.loop.call_soon(lambda: world.spawn(receive()))

    await same(handler, put_a(1), both(receive_too, put_a(2)), None, None, None, put_a(3), put_a(4))


async def test_a_relay_between_two_feeds():
    async def handler(world):
        for _ in range(4):
            world.note("a", await world.a.get())
            world.note("b", await world.b.get())

    log, outcome = await same(
        handler,
        put_a(1),
        put_b(2),
        put_b(3),
        put_a(4),
        both(put_a(5), put_b(6)),
        put_a(7),
        put_b(8),
    )
    assert [entry[2] for entry in log] == [1, 2, 4, 3, 5, 6, 7, 8]
    assert outcome == ("returned", None)


@needs_uncancel
async def test_timeouts_and_groups_of_asyncio():
    async def handler(world):
        for item in "xy":
            async with asyncio.timeout(10) as timeout:
                world.note(await world.a.get())
            assert not timeout.expired()
            try:
                async with asyncio.timeout(-1):
                    await world.a.get()
            except TimeoutError:
                world.note("timeout")
            async with asyncio.TaskGroup() as group:
                child = group.create_task(world.b.get())
                world.note(await world.a.get(), item)
            world.note(child.result())
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(asyncio.sleep(0)).add_done_callback(lambda _: 1 / 1)
                    group.create_task(failing(world))
                    await world.a.get()
            except BaseException as error:
                world.note(type(error).__name__)

    async def failing(world):
        await world.b.get()
        raise ValueError

    actions = [put_a(1), None, None, put_a(2), put_b(3), None, None, put_b(4), None, None, None]
    log, _ = await same(handler, *actions * 2)
    assert [entry[1] for entry in log].count("ExceptionGroup") == 2


async def test_cancel_scopes_and_groups_of_anyio():
    anyio = pytest.importorskip("anyio")

    async def handler(world):
        for _ in range(2):
            world.note(await world.a.get())
            with anyio.move_on_after(0) as scope:
                await world.a.get()
            world.note("left", scope.cancelled_caught)
            with anyio.CancelScope() as scope:
                world.note(await world.a.get())
                scope.cancel()
                await world.a.get()
            world.note("left", scope.cancelled_caught)
            async with anyio.create_task_group() as group:
                group.start_soon(world.b.get)
                world.note(await world.a.get())
                group.cancel_scope.cancel()

    actions = [put_a(1), *[None] * 6, put_a(2), *[None] * 6, put_a(3), *[None] * 6]
    logs = [await World(start, handler).play(actions * 2, 20) for start in STARTS]
    # How many turns anyio takes depends on the class of what a task waits for.
    logs = [([entry[1:] for entry in log], outcome) for log, outcome in logs]
    assert logs[0] == logs[1]
    assert logs[0][1] == ("returned", None)


@pytest.mark.parametrize("group", range(4))
async def test_whatever_a_handler_does(group):
    for seed in range(group * 60 + 1, group * 60 + 61):
        try:
            await same(random_handler(seed), *random_actions(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
