"""Have tasks run a ``Stepped`` around each coroutine they are given, in one of two ways.

As a plugin of pytest (``-p stepped``) it does so for all loops of asyncio; ``FASTWS_STEPPED`` says
which way.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import base_events
from unittest import mock

from fastws.aio._stepping import Stepped

from fastws.aio.hot import Waiter


class Through:
    """A coroutine around another one that waits for a ``Waiter`` where that waits for a future."""

    steps_in_place = 0

    def __init__(self, coroutine, loop):
        self._coroutine = coroutine
        self._loop = loop
        self._waiter = Waiter(loop)
        self._future = None

    def __getattr__(self, name):
        return getattr(self._coroutine, name)

    def __await__(self):
        return self

    def __next__(self):
        # Only ``Stepped.step`` asks this way: a task's own steps use ``send``.
        Through.steps_in_place += 1
        return self.send(None)

    def send(self, value):
        return self._given(self._coroutine.send(value))

    def throw(self, *error):
        future, self._future = self._future, None
        if future is not None:
            future.remove_done_callback(self._on_done)
            if isinstance(error[0], asyncio.CancelledError):
                future.cancel(*error[0].args)
        return self._given(self._coroutine.throw(*error))

    def close(self):
        self._coroutine.close()

    def _given(self, waited_for):
        plain = type(waited_for) is asyncio.Future and waited_for.get_loop() is self._loop
        if not plain or waited_for.done() or not waited_for._asyncio_future_blocking:
            return waited_for
        waited_for._asyncio_future_blocking = False
        self._future = waited_for
        waited_for.add_done_callback(self._on_done)
        assert self._waiter.begin()
        return self._waiter

    def _on_done(self, future):
        if self._future is future:
            self._future = None
            self._waiter.wake()


def wrapped(loop, coroutine):
    """Wrap a coroutine: all that its task asks of it goes through ``Stepped``."""
    return Stepped(coroutine, loop) if asyncio.iscoroutine(coroutine) else coroutine


def waiting(loop, coroutine):
    """Wrap a coroutine that waits for futures by way of a waiter: most steps are made in place."""
    return Stepped(Through(coroutine, loop), loop) if asyncio.iscoroutine(coroutine) else coroutine


WAYS = {"wrapped": wrapped, "waiting": waiting}


def on_all_loops(wrap):
    """Patch the loops of asyncio, which is undone by whoever stops the patch."""
    create_task = base_events.BaseEventLoop.create_task

    def create_stepped_task(loop, coroutine, **kwargs):
        return create_task(loop, wrap(loop, coroutine), **kwargs)

    return mock.patch.object(base_events.BaseEventLoop, "create_task", create_stepped_task)


def pytest_configure(config):
    on_all_loops(WAYS[os.environ["FASTWS_STEPPED"]]).start()
