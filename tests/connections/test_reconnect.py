"""``async for ws in connect(...)`` and ``for ws in reconnect(...)``."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest

import fastws.sync
from connections.networks import free_socket
from fastws.aio import connect, serve
from fastws.errors import ConnectionClosed, InvalidStatus


def at_once():
    while True:
        yield 0.001


async def counting(ws):
    """Send a greeting and close, so that the client comes again."""
    await ws.send("hello")


def port_of(sock):
    return sock.getsockname()[1]


async def test_a_client_comes_back_after_each_end():
    async with serve(counting, "127.0.0.1", 0) as server:
        uri = f"ws://127.0.0.1:{port_of(server.sockets[0])}"
        got = []
        async with contextlib.aclosing(aiter(connect(uri, reconnect_delays=at_once))) as loop:
            async for ws in loop:
                got += [message async for message in ws]
                if len(got) == 3:
                    break
        assert got == ["hello"] * 3


async def test_a_client_waits_for_a_server_that_went_away_and_returns(caplog):
    caplog.set_level("INFO")
    listener = free_socket()
    port = port_of(listener)
    listener.close()
    got = []

    async def run_client():
        connecting = connect(f"ws://127.0.0.1:{port}", reconnect_delays=at_once)
        async with contextlib.aclosing(aiter(connecting)) as loop:
            async for ws in loop:
                with contextlib.suppress(ConnectionClosed):
                    async for message in ws:
                        got.append(message)
                if len(got) == 2:
                    return

    client = asyncio.ensure_future(run_client())
    for number in (1, 2):
        await asyncio.sleep(0.02)
        async with serve(counting, "127.0.0.1", port):
            while len(got) < number and not client.done():
                await asyncio.sleep(0.001)
            if number == 1:
                continue
            await client
    assert len(got) == 2
    assert "connect failed; reconnecting in 0.0 seconds" in caplog.text


async def test_an_error_that_will_not_pass_ends_the_iteration():
    def refuse(ws, request):
        return ws.respond(403, "")

    async with serve(counting, "127.0.0.1", 0, process_request=refuse) as server:
        uri = f"ws://127.0.0.1:{port_of(server.sockets[0])}"
        with pytest.raises(InvalidStatus):
            await anext(aiter(connect(uri, reconnect_delays=at_once)))


async def test_busy_servers_are_asked_again():
    answers = iter([503, 500, 502, 504])

    def busy(ws, request):
        status = next(answers, None)
        return None if status is None else ws.respond(status, "")

    async with serve(counting, "127.0.0.1", 0, process_request=busy) as server:
        uri = f"ws://127.0.0.1:{port_of(server.sockets[0])}"
        async with contextlib.aclosing(aiter(connect(uri, reconnect_delays=at_once))) as loop:
            async for ws in loop:
                assert await ws.recv() == "hello"
                break


async def test_process_exception_decides():
    seen = []

    def process_exception(error):
        seen.append(error)
        return None if len(seen) < 3 else LookupError("enough")

    listener = free_socket()
    port = port_of(listener)
    listener.close()
    connecting = connect(
        f"ws://127.0.0.1:{port}", process_exception=process_exception, reconnect_delays=at_once
    )
    with pytest.raises(LookupError):
        await anext(aiter(connecting))
    assert len(seen) == 3
    assert isinstance(seen[0], ConnectionRefusedError)


async def test_an_exception_in_the_body_ends_the_iteration_and_the_connection():
    codes = []

    async def handler(ws):
        await ws.wait_closed()
        codes.append(ws.close_code)

    async with serve(handler, "127.0.0.1", 0) as server:
        uri = f"ws://127.0.0.1:{port_of(server.sockets[0])}"
        with pytest.raises(LookupError):
            await fail_in_the_body(uri)
        while not codes:
            await asyncio.sleep(0.001)


async def fail_in_the_body(uri):
    async with contextlib.aclosing(aiter(connect(uri))) as loop:
        async for _ in loop:
            raise LookupError


def test_blocking_clients_come_back_too(thread):
    count = iter(range(10))

    def handler(ws):
        ws.send(str(next(count)))

    with fastws.sync.serve(handler, "127.0.0.1", 0) as server:
        thread(server.serve_forever)
        uri = f"ws://127.0.0.1:{port_of(server.socket)}"
        got = []
        for ws in fastws.sync.reconnect(uri, reconnect_delays=at_once):
            got += list(ws)
            if len(got) == 3:
                break
        assert got == ["0", "1", "2"]
        with fastws.sync.reconnect(uri) as ws:
            assert ws.recv() == "3"


def test_blocking_clients_wait_for_a_server_and_stop_when_told():
    seen = []

    def process_exception(error):
        seen.append(error)
        return None if len(seen) < 3 else error

    listener = free_socket()
    port = port_of(listener)
    listener.close()
    connecting = fastws.sync.reconnect(
        f"ws://127.0.0.1:{port}", process_exception=process_exception, reconnect_delays=at_once
    )
    with pytest.raises(ConnectionRefusedError):
        next(iter(connecting))
    assert len(seen) == 3


def test_delays_grow_and_are_random():
    from fastws.reconnect import backoff

    delays = [list(itertools.islice(backoff(), 12)) for _ in range(50)]
    assert all(0 <= run[0] <= 5 for run in delays)
    assert all(20 <= run[-1] <= 90 for run in delays)
    assert len({run[0] for run in delays}) == 50
