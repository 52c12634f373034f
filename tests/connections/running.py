"""Run coroutine tests on every event loop, and find out what they leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import inspect
import os
import threading
import time

import pytest

TEST_SECONDS = 20

LOOPS = [
    "asyncio",
    pytest.param(
        "uvloop",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"
        ),
    ),
]


def new_loop(name):
    if name == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    # The default kind, whatever policy another package has set.
    return asyncio.SelectorEventLoop() if os.name == "posix" else asyncio.ProactorEventLoop()


def patience(item):
    """How many seconds a test may take: TEST_SECONDS, or those of its marker."""
    marker = item.get_closest_marker("patience")
    return marker.args[0] if marker else TEST_SECONDS


def _note(problems, context):
    # asyncio.start_server() of Python 3.11 asks cancelled handlers of test servers for errors.
    cancelled = isinstance(context.get("exception"), asyncio.CancelledError)
    if not (cancelled and "StreamReaderProtocol.connection_made" in context["message"]):
        problems.append(context)


def run(coroutine, loop_name="asyncio", seconds=TEST_SECONDS):
    """Run a coroutine on a new loop; fail if an exception or a task is left there."""
    loop = new_loop(loop_name)
    problems = []
    loop.set_exception_handler(lambda loop, context: _note(problems, context))
    try:
        result = loop.run_until_complete(asyncio.wait_for(coroutine, seconds))
        loop.run_until_complete(_settle())
        left = asyncio.all_tasks(loop)
        assert not left, f"tasks left behind: {left}"
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(_settle())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        # A future that nobody asked for its exception complains when it is collected.
        gc.collect()
        loop.close()
    assert not problems, problems
    return result


async def _settle():
    """Let transports and tasks that are about to end do so."""
    for _ in range(100):
        await asyncio.sleep(0.001)
        if len(asyncio.all_tasks()) == 1:
            break
    await asyncio.sleep(0)


async def until(condition, seconds=5):
    """Wait until a condition that nothing announces is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.001)


def blocking_until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.001)


def open_sockets():
    """The sockets of this process, where the system tells."""
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/self/fd/{name}")
                if target.startswith("socket:"):
                    found.add(target)
    return found


@contextlib.contextmanager
def nothing_left():
    """Fail if a thread or a socket is left that was not there before."""
    threads = set(threading.enumerate())
    sockets = open_sockets()
    yield
    blocking_until(lambda: set(threading.enumerate()) <= threads)
    if open_sockets() - sockets:
        gc.collect()  # what is left to the collector warns, which is an error here
    blocking_until(lambda: open_sockets() <= sockets)


def pytest_generate_tests(metafunc):
    """Run each coroutine test on each loop, unless it is told which by its network."""
    if inspect.iscoroutinefunction(metafunc.function) and "network" not in metafunc.fixturenames:
        metafunc.fixturenames.append("loop_name")
        metafunc.parametrize("loop_name", LOOPS)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    wanted = inspect.signature(pyfuncitem.function).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}
    network = pyfuncitem.funcargs.get("network")
    loop_name = network.loop_name if network else pyfuncitem.callspec.params["loop_name"]
    run(pyfuncitem.obj(**arguments), loop_name, patience(pyfuncitem))
    return True
