"""How servers end: goodbyes, refusals, waiting, and what is still under way."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import weakref

import pytest
from wire import TEXT

import fastws.sync
from connections.running import blocking_until, until
from fastws.aio import connect, serve
from fastws.errors import ConnectionClosed, ConnectionClosedOK, InvalidStatus


async def receive(ws):
    async for _ in ws:
        pass


async def test_clients_are_told_why_with_1001_by_default(network):
    async with network.serve(receive), network.connect() as ws:
        closing = asyncio.ensure_future(network.shut_down())
        with pytest.raises(ConnectionClosedOK) as caught:
            await ws.recv()
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1001, "")
        await closing


async def test_clients_are_told_the_code_and_reason_given(network):
    async with network.serve(receive), network.connect() as ws:
        closing = asyncio.ensure_future(network.shut_down(code=1012, reason="restart"))
        with pytest.raises(ConnectionClosed) as caught:
            await ws.recv()
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1012, "restart")
        await closing


async def test_shutting_down_waits_for_handlers(network):
    ended = []

    async def handler(ws):
        await receive(ws)
        await asyncio.sleep(0.02)
        ended.append(ws)

    async with network.serve(handler) as server:
        clients = [await network.open() for _ in range(5)]
        receiving = [asyncio.ensure_future(receive(ws)) for ws in clients]
        await until(lambda: len(server.connections) == 5)
        await network.shut_down()
        assert len(ended) == 5
        assert server.connections == set()
        await asyncio.gather(*receiving)
        for ws in clients:
            await ws.close()


@pytest.mark.parametrize("outlive", [False, True])
async def test_a_server_forgets_connections_that_are_gone(outlive):
    seen = []
    handled = []

    async def handler(ws):
        seen.append(weakref.ref(ws))
        if not outlive:
            return
        await receive(ws)
        await asyncio.sleep(0.01)
        handled.append(True)

    async with serve(handler, "127.0.0.1", 0) as server:
        for _ in range(3):
            async with connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"):
                await until(lambda: len(seen) > len(handled) or not outlive)
        await until(lambda: len(handled) == 3 or not outlive)

        def forgotten():
            gc.collect()
            return len(seen) == 3 and not any(ws() for ws in seen)

        await until(forgotten)
        assert server.connections == set()


async def test_shutting_down_can_let_connections_go_on(network):
    async with network.serve(receive) as server, network.connect() as ws:
        await until(lambda: server.connections)
        closing = asyncio.ensure_future(network.shut_down(close_connections=False))
        await asyncio.sleep(0.02)
        await ws.send("still here")
        assert not closing.done()
        await ws.close()
        await closing


async def test_nobody_can_connect_to_a_server_that_was_shut_down(network):
    async with network.serve(receive):
        await network.shut_down()
        with pytest.raises(OSError):
            await network.open()


async def test_requests_under_way_get_503(network):
    async def process_request(ws, request):
        asked.set()
        await go.wait()

    asked, go = asyncio.Event(), asyncio.Event()
    async with network.serve(receive, process_request=process_request):
        opening = asyncio.ensure_future(network.open())
        await asked.wait()
        closing = asyncio.ensure_future(network.shut_down())
        with pytest.raises(InvalidStatus) as caught:
            await opening
        assert caught.value.response.status_code == 503
        go.set()
        await closing


async def test_connections_without_a_request_do_not_hold_up_the_end(network):
    async with network.serve(receive) as server, network.raw(False) as raw:
        await until(lambda: server._connections)
        closing = asyncio.ensure_future(network.shut_down())
        assert (await raw.response())[0] == 503
        await raw.close()
        await asyncio.wait_for(closing, 5)


async def test_clients_that_do_not_say_goodbye_are_given_up(network):
    async with network.serve(receive, close_timeout=0.1), network.raw() as raw:
        await raw.send(TEXT, "hello")
        await asyncio.wait_for(network.shut_down(), 5)


async def test_shutting_down_twice_is_fine(network):
    async with network.serve(receive), network.connect() as ws:
        receiving = asyncio.ensure_future(receive(ws))
        await asyncio.gather(network.shut_down(), network.shut_down())
        await network.shut_down()
        await receiving


@pytest.mark.parametrize("code", [999, 1006, 70000])
async def test_codes_that_cannot_be_sent_are_refused_before_anything_is_done(network, code):
    async with network.serve(receive), network.connect() as ws:
        with pytest.raises(ValueError):
            await network.shut_down(code=code)
        await ws.send("still here")


async def test_serve_forever_says_goodbye_when_it_is_cancelled():
    server = await serve(receive, "127.0.0.1", 0)
    serving = asyncio.ensure_future(server.serve_forever())
    async with connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}") as ws:
        serving.cancel()
        with pytest.raises(ConnectionClosedOK) as caught:
            await ws.recv()
        assert caught.value.rcvd.code == 1001
    with pytest.raises(asyncio.CancelledError):
        await serving


async def test_serve_forever_returns_when_the_server_is_closed():
    server = await serve(receive, "127.0.0.1", 0, start_serving=False)
    assert not server.is_serving()
    assert server.get_loop() is asyncio.get_running_loop()
    serving = asyncio.ensure_future(server.serve_forever())
    await until(server.is_serving)
    server.close()
    await asyncio.wait_for(serving, 5)
    assert not server.is_serving()


async def test_a_tls_client_that_comes_late_is_refused(server_tls, client_tls):
    async with serve(receive, "127.0.0.1", 0, ssl=server_tls) as server:
        port = server.sockets[0].getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as sock:
            await asyncio.sleep(0.02)  # accepted, and waiting for the TLS handshake
            server.close()
            await server.wait_closed()
            sock.setblocking(False)
            try:
                opening = connect(f"wss://127.0.0.1:{port}", sock=sock.dup(), ssl=client_tls)
                async with opening as ws:
                    await ws.recv()
                pytest.fail("it was accepted")
            except (InvalidStatus, OSError):
                pass


async def test_a_server_can_be_started_and_closed_many_times_on_one_port():
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    sock.close()
    for _ in range(5):
        async with serve(receive, "127.0.0.1", port), connect(f"ws://127.0.0.1:{port}") as ws:
            await ws.send("hello")


def blocking_receive(ws):
    for _ in ws:
        pass


def test_a_blocking_server_that_never_ran_can_be_shut_down():
    with fastws.sync.serve(blocking_receive, "127.0.0.1", 0) as server:
        assert server.fileno() > 0
    server.serve_forever()  # returns at once


def test_a_blocking_server_shuts_down_after_an_exception_in_serve_forever(monkeypatch):
    """As after Ctrl-C, which ends serve_forever from within."""
    with fastws.sync.serve(blocking_receive, "127.0.0.1", 0) as server:
        monkeypatch.setattr(server, "_accept", interrupt)
        with (
            socket.create_connection(server.socket.getsockname()),
            pytest.raises(KeyboardInterrupt),
        ):
            server.serve_forever()


def interrupt():
    raise KeyboardInterrupt


def test_a_handler_thread_may_shut_its_server_down(thread):
    def handler(ws):
        ws.recv()
        server.shutdown()

    with fastws.sync.serve(handler, "127.0.0.1", 0) as server:
        accepting = thread(server.serve_forever)
        port = server.socket.getsockname()[1]
        with fastws.sync.connect(f"ws://127.0.0.1:{port}") as ws:
            ws.send("stop")
            with pytest.raises(ConnectionClosedOK):
                ws.recv()
        accepting.join(5)
        assert not accepting.is_alive()


def test_tls_handshakes_do_not_hold_up_the_end(thread, server_tls):
    server = fastws.sync.serve(blocking_receive, "127.0.0.1", 0, ssl=server_tls)
    thread(server.serve_forever)
    with socket.create_connection(server.socket.getsockname()):
        blocking_until(lambda: server._opening)
        ending = threading.Thread(target=server.shutdown)
        ending.start()
        ending.join(5)
        assert not ending.is_alive()


def test_a_thread_that_cannot_start_does_not_end_the_server(thread, monkeypatch, caplog):
    with fastws.sync.serve(blocking_receive, "127.0.0.1", 0) as server:
        thread(server.serve_forever)
        host, port = server.socket.getsockname()
        real = threading.Thread.start

        def start(self):
            if self.name.startswith("fastws"):
                raise RuntimeError("can't start new thread")
            real(self)

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            with socket.create_connection((host, port)) as sock:
                assert sock.recv(1) == b""
        with fastws.sync.connect(f"ws://{host}:{port}") as ws:
            ws.send("served again")
    assert "cannot start a thread" in caplog.text
