"""Handlers that follow a script, as ordinary tasks or stepped, and a log of what they see."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import deque

from fastws.aio.hot import Waiter, run_stepped
from fastws.aio.suspend import suspend
from fastws.errors import ConcurrencyError

COLOUR = contextvars.ContextVar("colour", default="none")


def create_task(loop, coroutine):
    return loop.create_task(coroutine)


STARTS = [create_task, run_stepped]


class Feed:
    """What a connection is to its handler: messages, one after the other, behind one waiter."""

    def __init__(self, loop):
        self.waiter = Waiter(loop)
        self.items = deque()

    async def get(self):
        while not self.items:
            if not self.waiter.begin():
                raise ConcurrencyError
            await suspend(self.waiter)
        return self.items.popleft()

    def put(self, item):
        self.items.append(item)
        if self.waiter.waiting:
            self.waiter.wake()


class World:
    """One handler's task, what it may wait for, and a log of what it saw, turn by turn."""

    def __init__(self, start, handler):
        self.loop = asyncio.get_running_loop()
        self.turn = 0
        self.log = []
        self.a, self.b = Feed(self.loop), Feed(self.loop)
        self.futures, self.tasks = [], []
        self.task = None
        self.task = start(self.loop, handler(self))

    def note(self, *what):
        cancelling = getattr(self.task, "cancelling", int)()
        is_current = asyncio.current_task() is self.task
        self.log.append((self.turn, *what, is_current, COLOUR.get(), cancelling))

    def future(self):
        self.futures.append(self.loop.create_future())
        return self.futures[-1]

    def resolve(self):
        for future in self.futures:
            if not future.done():
                future.set_result("resolved")

    def spawn(self, coroutine):
        self.tasks.append(self.loop.create_task(coroutine))
        return self.tasks[-1]

    def put_in_a_task(self, feed, item):
        async def put():
            feed.put(item)

        self.spawn(put())

    async def play(self, actions, more_turns=6):
        """Make one action in each turn of the loop; return the log, and how the task ended."""
        done = self.loop.create_future()
        left = deque([*actions, *[None] * more_turns])

        def turn():
            self.turn += 1
            if not left:
                done.set_result(None)
                return
            self.loop.call_soon(turn)
            action = left.popleft()
            if action is not None:
                action(self)

        self.loop.call_soon(turn)
        await done
        outcome = self.outcome()
        await self.end()
        return self.log, outcome

    def outcome(self):
        if not self.task.done():
            return "pending"
        if self.task.cancelled():
            return "cancelled"
        error = self.task.exception()
        return ("raised", type(error), error.args) if error else ("returned", self.task.result())

    async def end(self):
        for future in [*self.futures, *self.tasks, self.task]:
            for _ in range(50):  # a handler may refuse to be cancelled
                if future.done():
                    break
                future.cancel()
                await asyncio.sleep(0)
            assert future.done()
            if not future.cancelled():
                future.exception()


def put_a(item):
    return lambda world: world.a.put(item)


def put_b(item):
    return lambda world: world.b.put(item)


def cancel(world):
    world.task.cancel()


def both(*actions):
    def act(world):
        for action in actions:
            action(world)

    return act


async def same(handler, *actions):
    """Run a handler both ways; return what was the same: its log and outcome."""
    (log, outcome), (stepped_log, stepped_outcome) = [
        await World(start, handler).play(actions) for start in STARTS
    ]
    assert stepped_log == log
    assert stepped_outcome == outcome
    return log, outcome


def random_handler(seed):
    """A handler that does anything, the same for the same seed."""

    async def handler(world):
        dice = random.Random(seed)
        for number in range(12):
            try:
                await random_step(world, dice, number)
            except asyncio.CancelledError as error:
                world.note(number, "cancelled", error.args)
                if dice.random() < 0.1:
                    raise
        return "end"

    return handler


async def random_step(world, dice, number):
    what = dice.choice("aaaaaabbfstgwckue")
    if dice.random() < 0.1:
        world.task.cancel(number)
    if what == "a":
        world.note(number, await world.a.get())
    elif what == "b":
        world.note(number, await world.b.get())
    elif what == "f":
        world.note(number, await world.future())
    elif what == "s":
        await asyncio.sleep(0)
        world.note(number, "slept")
    elif what == "t":
        world.note(number, await world.spawn(world.b.get()))
    elif what == "g":
        world.note(number, await asyncio.gather(world.future(), world.future()))
    elif what == "w":
        world.note(number, await asyncio.wait_for(world.a.get(), 30))
    elif what == "c":
        world.task.cancel("itself")
        world.note(number, await dice.choice([world.a, world.b]).get())
    elif what == "k":
        COLOUR.set(str(number))
    elif what == "u" and hasattr(world.task, "uncancel"):
        world.task.uncancel()
    elif what == "e" and dice.random() < 0.1:
        raise ValueError(number)


def random_actions(seed):
    dice = random.Random(-seed)
    single = [
        put_a(f"a{seed}"), put_a(f"A{seed}"), put_b(f"b{seed}"), World.resolve,
        lambda world: world.put_in_a_task(world.a, "from a task"),
        lambda world: world.put_in_a_task(world.b, "from a task"),
    ]  # fmt: skip
    for _ in range(30):
        actions = dice.choices(single, k=dice.choice([0, 1, 1, 2, 3]))
        if dice.random() < 0.15:
            actions.insert(dice.randrange(len(actions) + 1), lambda world: world.task.cancel("us"))
        yield both(*actions)
