"""What ``recv``, ``send`` and ``__anext__`` return: coroutines, to whoever awaits or looks."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import copy
import gc
import inspect
import io
import pickle
import sys
import warnings

import pytest

from connections.running import until
from fastws.aio import connect, serve
from fastws.errors import ConcurrencyError, ConnectionClosedError, ConnectionClosedOK

of_cpython = pytest.mark.skipif(
    sys.implementation.name != "cpython",
    reason="how coroutines end, are copied and are traced is the interpreter's",
)


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@contextlib.asynccontextmanager
async def connected(handler=echo, **options):
    async with (
        serve(handler, "127.0.0.1", 0) as server,
        connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", **options) as ws,
    ):
        yield ws


MAKE = {
    "recv": lambda ws: ws.recv(),
    "recv-decoded": lambda ws: ws.recv(decode=True),
    "anext": lambda ws: ws.__anext__(),
    "send": lambda ws: ws.send("message"),
    "send-array": lambda ws: ws.send(bytearray(b"message")),
}
RECEIVE = ["recv", "recv-decoded", "anext"]
make = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
make_receive = pytest.mark.parametrize("make", [MAKE[name] for name in RECEIVE], ids=RECEIVE)


@make
async def test_they_are_coroutines_to_asyncio(make):
    async with connected() as ws:
        operation = make(ws)
        assert asyncio.iscoroutine(operation)
        assert isinstance(operation, collections.abc.Coroutine)
        assert inspect.isawaitable(operation)
        await ws.send("for the receivers")
        await operation


@make
async def test_any_of_the_ways_of_asyncio_runs_them(make):
    async with connected() as ws:
        for run in (
            asyncio.create_task,
            asyncio.ensure_future,
            asyncio.shield,
            lambda operation: asyncio.wait_for(operation, 5),
            lambda operation: asyncio.gather(operation),
            lambda operation: asyncio.wait([asyncio.ensure_future(operation)]),
        ):
            await ws.send("for the receivers")
            await run(make(ws))


async def test_messages_sent_at_the_same_time_keep_their_order():
    async with connected() as ws:
        await asyncio.gather(*[ws.send(str(number)) for number in range(50)])
        assert [await ws.recv() for _ in range(50)] == [str(number) for number in range(50)]


@make
@of_cpython
async def test_what_is_never_awaited_warns(make):
    async with connected() as ws:
        name = next(name for name in MAKE if MAKE[name] is make).partition("-")[0]
        name = {"anext": "__anext__"}.get(name, name)
        with pytest.warns(RuntimeWarning, match=rf"\.{name}' was never awaited") as caught:
            make(ws)
        assert len(caught) == 1


@make
async def test_what_is_closed_or_awaited_does_not_warn(make):
    async with connected() as ws:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make(ws).close()
            await ws.send("for the receivers")
            await make(ws)
            gc.collect()


@make
async def test_awaiting_one_twice_is_an_error(make):
    async with connected() as ws:
        await ws.send("for the receivers")
        operation = make(ws)
        await operation
        for _ in range(2):
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                await operation
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                operation.throw(ValueError)
        operation.close()


@make
async def test_a_value_cannot_be_sent_to_one_that_has_not_begun(make):
    async with connected() as ws:
        operation = make(ws)
        with pytest.raises(TypeError, match="can't send non-None value to a just-started"):
            operation.send(1)
        operation.close()


@make
@pytest.mark.parametrize("thrown", [(ValueError,), (ValueError("why"),), (ValueError, "why")])
async def test_an_exception_ends_one_that_has_not_begun(make, thrown):
    async with connected() as ws:
        operation = make(ws)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            with pytest.raises(ValueError) as caught:
                operation.throw(*thrown)
        assert caught.value.args == (("why",) if len(thrown) + len(caught.value.args) > 1 else ())
        with pytest.raises(RuntimeError, match="cannot reuse"):
            operation.send(None)


@make_receive
async def test_an_exception_ends_one_that_waits(make):
    async with connected() as ws:
        operation = make(ws)
        operation.send(None)
        with pytest.raises(LookupError):
            operation.throw(LookupError("why"))
        with pytest.raises(RuntimeError, match="cannot reuse"):
            operation.send(None)
        await ws.send("echo")
        assert await ws.recv() == "echo"


@make_receive
async def test_closing_ends_one_that_waits(make):
    async with connected() as ws:
        operation = make(ws)
        operation.send(None)
        operation.close()
        operation.close()
        with pytest.raises(RuntimeError, match="cannot reuse"):
            operation.send(None)
        await ws.send("echo")
        assert await ws.recv() == "echo"


@make_receive
async def test_after_one_that_was_given_up_messages_arrive_still(make):
    async with connected() as ws:
        operation = make(ws)
        operation.send(None)
        operation.close()
        del operation
        await ws.send("one")
        await asyncio.sleep(0.05)  # it arrives while nobody waits
        assert await ws.recv() == "one"
        waiting = asyncio.create_task(ws.recv())
        await asyncio.sleep(0)
        await ws.send("two")
        assert await waiting == "two"


@make_receive
async def test_no_message_is_lost_when_they_are_cancelled(make):
    async with connected() as ws:
        for number in range(20):
            task = asyncio.create_task(make(ws))
            await asyncio.sleep(0)
            await ws.send(str(number))
            if number % 3 == 0:
                await asyncio.sleep(0.01)  # it has arrived, and the task knows or not
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                assert await task == str(number)
                continue
            assert await ws.recv() == str(number)


@make_receive
async def test_two_receivers_are_one_too_many(make):
    async with connected() as ws:
        first = asyncio.create_task(make(ws))
        await asyncio.sleep(0)
        for other in RECEIVE:
            with pytest.raises(ConcurrencyError):
                await MAKE[other](ws)
        await ws.send("for the first")
        assert await first == "for the first"
        await ws.send("for anybody")
        assert await make(ws) == "for anybody"


async def test_receiving_ends_with_the_connection():
    async def handler(ws):
        await ws.send("last")

    async with connected(handler) as ws:
        assert await ws.__anext__() == "last"
        for _ in range(2):
            with pytest.raises(StopAsyncIteration) as caught:
                await ws.__anext__()
            assert isinstance(caught.value.__context__, ConnectionClosedOK)
            with pytest.raises(ConnectionClosedOK):
                await ws.recv()
            with pytest.raises(ConnectionClosedOK):
                await ws.recv(decode=False)
            with pytest.raises(ConnectionClosedOK):
                await ws.send("late")


async def test_iteration_tells_of_a_failure():
    async def handler(ws):
        await ws.send("last")
        ws.transport.abort()

    async with connected(handler) as ws:
        with pytest.raises(ConnectionClosedError):
            [message async for message in ws]


async def test_one_that_waits_ends_with_the_connection():
    async with connected() as ws:
        tasks = [asyncio.create_task(ws.recv()), asyncio.create_task(echo_once(ws))]
        await asyncio.sleep(0)
        await ws.close()
        with pytest.raises(ConnectionClosedOK):
            await tasks[0]
        assert await tasks[1] in ("closed", "refused")


async def echo_once(ws):
    try:
        async for _ in ws:
            pass
    except ConcurrencyError:
        return "refused"
    return "closed"


@make
async def test_a_task_of_one_can_be_looked_at(make):
    async with connected() as ws:
        operation = make(ws)
        assert inspect.getcoroutinestate(operation) == inspect.CORO_CREATED
        task = asyncio.create_task(operation)
        assert operation.__qualname__ in repr(task)
        await asyncio.sleep(0)
        if not task.done():
            assert inspect.getcoroutinestate(operation) == inspect.CORO_SUSPENDED
            assert operation.cr_await is not None
            assert operation.cr_frame is not None
            written = io.StringIO()
            task.print_stack(file=written)
            assert "line" in written.getvalue()
            await ws.send("for the receivers")
        await task
        assert inspect.getcoroutinestate(operation) == inspect.CORO_CLOSED
        assert operation.cr_await is None
        assert operation.cr_frame is None
        assert not operation.cr_running


@make
@of_cpython
async def test_they_cannot_be_copied_or_made_otherwise(make):
    async with connected() as ws:
        operation = make(ws)
        with pytest.raises(TypeError):
            copy.copy(operation)
        with pytest.raises(TypeError):
            pickle.dumps(operation)
        with contextlib.suppress(TypeError):
            other = type(operation).__new__(type(operation))
            with pytest.raises(RuntimeError):
                other.send(None)
            other.close()
        operation.close()


@of_cpython
async def test_the_result_of_one_comes_with_stop_iteration():
    async with connected() as ws:
        for message in ("small", b"small", "x" * 100_000, "small again"):
            await ws.send(message)
            await until(ws._waiting)
            for step in (next, lambda iterator: iterator.send(None)):
                operation = ws.recv()
                with pytest.raises(StopIteration) as caught:
                    step(operation.__await__())
                assert caught.value.value == message
                ws._put_back([message])
            assert await ws.recv() == message


@of_cpython
async def test_a_result_that_is_kept_is_not_that_of_the_next():
    """Exceptions are used again where nobody kept them."""
    async with connected() as ws:
        kept = []
        for number in range(10):
            await ws.send(str(number))
            await until(ws._waiting)
            try:
                next(ws.recv().__await__())
            except StopIteration as error:
                kept.append(error)
        for number in range(10, 20):
            await ws.send(str(number))
            assert await ws.recv() == str(number)
        assert [error.value for error in kept] == [str(number) for number in range(10)]


@of_cpython
async def test_tracing_sees_every_result_as_it_is():
    """A tracer may keep the exceptions that it is shown."""
    seen = []

    def trace(frame, event, argument):
        if event == "exception" and argument[0] is StopIteration:
            seen.append((argument[1], argument[1].value))
        return trace

    async with connected() as ws:
        previous = sys.gettrace()
        sys.settrace(trace)
        try:
            for number in range(20):
                await ws.send(str(number))
                assert await ws.recv() == str(number)
        finally:
            sys.settrace(previous)
    assert seen
    assert [error.value for error, _ in seen] == [value for _, value in seen]
