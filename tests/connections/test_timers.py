"""`Timers`: many deadlines behind one timer of the loop, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref

import pytest

from fastws.aio.timers import Timers


class Handle:
    def __init__(self, when, callback):
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class Loop:
    """The part of an event loop that timers use."""

    def __init__(self, now=1000.0):
        self.now = now
        self.handles = []

    def time(self):
        return self.now

    def call_at(self, when, callback):
        self.handles.append(Handle(when, callback))
        return self.handles[-1]

    def waiting(self):
        self.handles = [handle for handle in self.handles if not handle.cancelled]
        return sorted(self.handles, key=lambda handle: handle.when)

    def turn(self):
        """Go on to the next handle's time and call it."""
        handle = self.waiting()[0]
        self.now = max(self.now, handle.when)
        self.handles.remove(handle)
        handle.callback()


class Alarm:
    def __init__(self, loop, action=lambda: None):
        self.loop = loop
        self.action = action
        self.called_at = []

    def _on_timer(self):
        self.called_at.append(self.loop.time())
        self.action()


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def timers(loop):
    return Timers(loop)


DELAYS = [10.0**exponent * digit for exponent in range(-5, 6) for digit in (1, 1.9, 3.3, 7.7)]


@pytest.mark.parametrize("now", [0.0, 0.3, 1000.0, 12345678.9])
def test_nothing_is_called_early_or_later_than_a_512th_of_its_delay(now):
    loop = Loop(now)
    timers = Timers(loop)
    alarms = {now + delay: Alarm(loop) for delay in DELAYS}
    for deadline, alarm in alarms.items():
        timers.add(alarm, deadline, now)
    while loop.waiting():
        loop.turn()
    for deadline, alarm in alarms.items():
        assert len(alarm.called_at) == 1
        assert deadline <= alarm.called_at[0] <= deadline + (deadline - now) / 512


def test_a_deadline_that_has_passed_is_served_in_the_next_turn(loop, timers):
    alarm = Alarm(loop)
    timers.add(alarm, loop.now - 5, loop.now)
    assert alarm.called_at == []
    loop.turn()
    assert alarm.called_at == [1000.0]


def test_a_thousand_deadlines_take_one_timer_of_the_loop(loop, timers):
    alarms = [Alarm(loop) for _ in range(1000)]
    for number, alarm in enumerate(alarms):
        timers.add(alarm, loop.now + 20 - number / 1000, loop.now)
        assert len(loop.waiting()) == 1
    turns = 0
    while loop.waiting():
        loop.turn()
        turns += 1
        assert len(loop.waiting()) <= 1
    assert all(len(alarm.called_at) == 1 for alarm in alarms)
    assert turns < 100


def test_whoever_is_removed_is_not_called_and_the_last_one_takes_the_timer_along(loop, timers):
    alarms = [Alarm(loop) for _ in range(10)]
    batches = [timers.add(alarm, loop.now + 20, loop.now) for alarm in alarms]
    for alarm, batch in zip(alarms[1:], batches[1:], strict=True):
        timers.remove(alarm, batch)
    assert len(loop.waiting()) == 1
    timers.remove(alarms[0], batches[0])
    assert loop.waiting() == []
    timers.add(alarms[5], loop.now + 30, loop.now)
    loop.turn()
    assert loop.waiting() == []
    assert [len(alarm.called_at) for alarm in alarms] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_one_that_is_called_may_remove_others_and_add_itself(loop, timers):
    other = Alarm(loop)
    batches = {}
    again = []

    def action():
        if other in batches:
            timers.remove(other, batches.pop(other))
        if len(alarm.called_at) < 3:
            again.append(timers.add(alarm, loop.now + 1, loop.now))

    alarm = Alarm(loop, action)
    batches[other] = timers.add(other, loop.now + 1, loop.now)
    timers.add(alarm, loop.now + 1, loop.now)
    while loop.waiting():
        loop.turn()
    assert other.called_at == []
    assert alarm.called_at == [1001.0, 1002.0, 1003.0]


def test_a_crowd_does_not_keep_the_loop_from_its_other_work(loop, timers):
    served = []
    for number in range(1000):
        timers.add(Alarm(loop, lambda number=number: served.append(number)), loop.now, loop.now)
    turns = []
    while loop.waiting():
        before = len(served)
        loop.turn()
        turns.append(len(served) - before)
    assert sorted(served) == list(range(1000))
    assert max(turns) <= 256


def test_an_exception_does_not_take_the_timers_of_others_away(loop, timers):
    def interrupt():
        raise KeyboardInterrupt

    alarms = [Alarm(loop), Alarm(loop, interrupt), Alarm(loop)]
    for alarm in alarms:
        timers.add(alarm, loop.now + 1, loop.now)
    for _ in range(10):
        if loop.waiting():
            with contextlib.suppress(KeyboardInterrupt):
                loop.turn()
    assert [len(alarm.called_at) for alarm in alarms] == [1, 1, 1]


def test_a_loop_has_the_same_timers_while_it_has_any_deadline():
    loop = asyncio.new_event_loop()
    alarm = Alarm(loop)
    Timers.of(loop).add(alarm, loop.time() + 1000, loop.time())
    timers = weakref.ref(Timers.of(loop))
    gc.collect()
    assert timers() is not None
    assert timers() is Timers.of(loop)
    loop.close()


def test_deadlines_do_not_keep_a_closed_loop():
    loop = asyncio.new_event_loop()
    alarm = Alarm(loop)
    alarm.batch = Timers.of(loop).add(alarm, loop.time() + 1000, loop.time())
    alarm.timers = Timers.of(loop)
    loop.close()
    loop = weakref.ref(loop)
    del alarm
    gc.collect()
    assert loop() is None
