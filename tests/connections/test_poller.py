"""`Poller`: who is served in a turn of the event loop, and who comes next."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import weakref

import pytest

from fastws.aio.hot import Poller, Watched
from fastws.aio.poller import _SECONDS_PER_TURN, can_own_sockets


class Busy(Watched):
    """Always readable, and takes long to serve."""

    def __init__(self, served, seconds, much):
        self.served = served
        self.seconds = seconds
        self.much = much
        self.socket, self._other = socket.socketpair()
        self._other.send(b"x")

    def on_ready(self, events):
        self.served.append(self)
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            pass
        return self.much

    def close(self):
        self.socket.close()
        self._other.close()


@pytest.fixture
def poller_of():
    """The poller of the running loop, where it can have one."""

    def poller_of():
        loop = asyncio.get_running_loop()
        if not can_own_sockets(loop):
            pytest.skip("this event loop does not tell when a descriptor is ready")
        return Poller.of(loop)

    return poller_of


@pytest.mark.parametrize(("count", "seconds", "much"), [(7, 0.011, True), (70, 0.0004, False)])
async def test_a_turn_ends_and_the_next_goes_on_where_it_ended(poller_of, count, seconds, much):
    poller = poller_of()
    served = []
    all_of_them = [Busy(served, seconds, much) for _ in range(count)]
    for busy in all_of_them:
        poller.register(busy.socket.fileno(), busy)
    turns = []
    try:
        while len(served) < 3 * count:
            before = len(served)
            await asyncio.sleep(0)
            turns.append(len(served) - before)
    finally:
        for busy in all_of_them:
            poller.unregister(busy.socket.fileno())
            busy.close()
    # Two of the slow ones are more than a turn's time. Of the others up to 32 go unseen at first.
    assert max(turns) <= (2 if much else 96)
    for first in range(0, 3 * count, count):
        assert set(served[first : first + count]) == set(all_of_them)
    assert _SECONDS_PER_TURN <= 0.011


async def test_one_that_left_before_its_turn_is_not_served(poller_of):
    poller = poller_of()
    served = []
    all_of_them = [Busy(served, 0.011, much=True) for _ in range(4)]
    for busy in all_of_them:
        poller.register(busy.socket.fileno(), busy)
    while not served:
        await asyncio.sleep(0)
    left = [busy for busy in all_of_them if busy not in served]
    for busy in left:
        poller.unregister(busy.socket.fileno())
    for _ in range(3):
        await asyncio.sleep(0)
    assert not set(left) & set(served)
    for busy in all_of_them:
        if busy not in left:
            poller.unregister(busy.socket.fileno())
        busy.close()


def test_a_loop_that_was_closed_with_sockets_in_it_can_go():
    loop = asyncio.new_event_loop()
    if not can_own_sockets(loop):
        loop.close()
        pytest.skip("this event loop does not tell when a descriptor is ready")
    busy = Busy([], 0, much=False)
    Poller.of(loop).register(busy.socket.fileno(), busy)
    assert Poller.of(loop) is Poller.of(loop)
    loop.close()
    busy.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None
