"""What the documentation of websockets shows, written anew, with the imports changed."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import http
import json
import signal
import socket
import threading

import pytest

from connections.running import until
from fastws.errors import ConnectionClosed, ConnectionClosedOK


def uri_of(server, host="localhost"):
    return f"ws://{host}:{server.sockets[0].getsockname()[1]}"


async def test_hello():
    from fastws.aio import connect, serve

    async def hello(websocket):
        name = await websocket.recv()
        await websocket.send(f"Hello {name}!")

    async with serve(hello, "localhost", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://localhost:{port}") as websocket:
            await websocket.send("Ann")
            assert await websocket.recv() == "Hello Ann!"


async def test_hello_over_tls(server_tls, client_tls):
    from fastws.aio import connect, serve

    async def hello(websocket):
        await websocket.send(f"Hello {await websocket.recv()}!")

    async with serve(hello, "localhost", 0, ssl=server_tls) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"wss://localhost:{port}", ssl=client_tls) as websocket:
            await websocket.send("Ann")
            assert await websocket.recv() == "Hello Ann!"


def test_echo_in_blocking_code(thread):
    from fastws.sync import connect, serve

    def echo(websocket):
        for message in websocket:
            websocket.send(message)

    with serve(echo, "localhost", 0) as server:
        thread(server.serve_forever)
        with connect(f"ws://localhost:{server.socket.getsockname()[1]}") as websocket:
            websocket.send("Hello world!")
            assert websocket.recv() == "Hello world!"


async def test_a_counter_that_all_browsers_share():
    from fastws.aio import broadcast, connect, serve

    users = set()
    value = 0

    async def counter(websocket):
        nonlocal value
        users.add(websocket)
        try:
            broadcast(users, json.dumps({"type": "users", "count": len(users)}))
            await websocket.send(json.dumps({"type": "value", "value": value}))
            async for message in websocket:
                value += {"plus": 1, "minus": -1}[json.loads(message)["action"]]
                broadcast(users, json.dumps({"type": "value", "value": value}))
        finally:
            users.remove(websocket)
            broadcast(users, json.dumps({"type": "users", "count": len(users)}))

    async def read(websocket, kind, key):
        while True:
            event = json.loads(await websocket.recv())
            if event["type"] == kind:
                return event[key]

    async with serve(counter, "localhost", 0) as server:
        uri = uri_of(server)
        async with connect(uri) as one:
            assert await read(one, "value", "value") == 0
            async with connect(uri) as two:
                assert await read(two, "value", "value") == 0
                assert await read(one, "users", "count") == 2
                await two.send(json.dumps({"action": "plus"}))
                assert await read(one, "value", "value") == 1
                assert await read(two, "value", "value") == 1
            assert await read(one, "users", "count") == 1
        await until(lambda: not users)


async def test_a_client_that_reconnects():
    from fastws.aio import connect, serve

    async def handler(websocket):
        await websocket.send("once")

    seen = 0
    async with serve(handler, "localhost", 0) as server:
        uri = uri_of(server)
        async for websocket in connect(uri):
            try:
                async for message in websocket:
                    assert message == "once"
                    seen += 1
            except ConnectionClosed:
                continue
            if seen == 3:
                break
    assert seen == 3


async def test_a_client_that_closes_on_sigterm():
    from fastws.aio import connect, serve

    async def handler(websocket):
        await websocket.recv()
        signal.raise_signal(signal.SIGTERM)
        await websocket.wait_closed()

    async with serve(handler, "localhost", 0) as server, connect(uri_of(server)) as websocket:
        loop = asyncio.get_running_loop()
        closing = []

        def close():
            closing.append(loop.create_task(websocket.close()))

        try:
            loop.add_signal_handler(signal.SIGTERM, close)
        except NotImplementedError:
            pytest.skip("no signals in this loop")
        try:
            await websocket.send("now")
            assert [message async for message in websocket] == []
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
        await closing[0]


async def test_recv_with_a_time_limit():
    from fastws.aio import connect, serve

    async def handler(websocket):
        await websocket.wait_closed()

    async with serve(handler, "localhost", 0) as server, connect(uri_of(server)) as websocket:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(websocket.recv(), timeout=0.01)


async def test_basic_authentication():
    from fastws.aio import basic_auth, connect, serve

    async def hello(websocket):
        await websocket.send(f"Hello {websocket.username}!")

    guard = basic_auth(realm="my dev server", credentials=("hello", "iloveyou"))
    async with serve(hello, "localhost", 0, process_request=guard) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://hello:iloveyou@localhost:{port}") as websocket:
            assert await websocket.recv() == "Hello hello!"


async def test_a_health_check():
    from fastws.aio import connect, serve

    def health_check(connection, request):
        if request.path == "/healthz":
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        return None

    async def echo(websocket):
        async for message in websocket:
            await websocket.send(message)

    async with serve(echo, "localhost", 0, process_request=health_check) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("localhost", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nOK\n")
        writer.close()
        await writer.wait_closed()
        async with connect(f"ws://localhost:{port}/other"):
            pass


async def test_a_token_in_the_query_or_the_first_message():
    from fastws.aio import connect, serve

    async def handler(websocket):
        if await websocket.recv() != "token":
            await websocket.close(1008, "authentication failed")
            return
        await websocket.send("welcome")

    async with serve(handler, "localhost", 0) as server:
        uri = uri_of(server)
        async with connect(uri) as websocket:
            await websocket.send("token")
            assert await websocket.recv() == "welcome"
        async with connect(uri) as websocket:
            await websocket.send("guess")
            with pytest.raises(ConnectionClosed) as caught:
                await websocket.recv()
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (
                1008, "authentication failed",
            )  # fmt: skip


async def test_a_consumer_and_a_producer_in_one_handler():
    from fastws.aio import connect, serve

    queue = asyncio.Queue()
    consumed = []

    async def consumer(websocket):
        async for message in websocket:
            consumed.append(message)

    async def producer(websocket):
        while True:
            await websocket.send(await queue.get())

    async def handler(websocket):
        tasks = [asyncio.create_task(consumer(websocket)), asyncio.create_task(producer(websocket))]
        _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    async with serve(handler, "localhost", 0) as server, connect(uri_of(server)) as websocket:
        await websocket.send("up")
        await queue.put("down")
        assert await websocket.recv() == "down"
    assert consumed == ["up"]


async def test_one_handler_per_path():
    from fastws.aio import connect, serve

    async def handler(websocket):
        routes = {"/blue": "blue", "/green": "green"}
        route = routes.get(websocket.request.path)
        if route is None:
            await websocket.close(4004, "no such path")
            return
        await websocket.send(route)

    async with serve(handler, "localhost", 0) as server:
        uri = uri_of(server)
        async with connect(f"{uri}/green") as websocket:
            assert await websocket.recv() == "green"
        async with connect(f"{uri}/red") as websocket:
            with pytest.raises(ConnectionClosed):
                await websocket.recv()


async def test_a_subclass_of_the_connection():
    from fastws.aio import ClientConnection, ServerConnection, connect, serve

    sent = collections.Counter()

    class Counting(ServerConnection):
        async def send(self, message, *args, **kwargs):
            sent[message] += 1
            await super().send(message, *args, **kwargs)

    class Mine(ClientConnection):
        pass

    async def hello(websocket):
        assert isinstance(websocket, Counting)
        await websocket.send("hello")

    async with serve(hello, "localhost", 0, create_connection=Counting) as server:
        uri = uri_of(server)
        async with connect(uri, create_connection=Mine) as websocket:
            assert isinstance(websocket, Mine)
            assert await websocket.recv() == "hello"
    assert sent["hello"] == 1


def test_subclasses_in_blocking_code(thread):
    from fastws.sync import ClientConnection, ServerConnection, connect, serve

    class There(ServerConnection):
        pass

    class Here(ClientConnection):
        pass

    def handler(websocket):
        websocket.send(type(websocket).__name__)

    with serve(handler, "localhost", 0, create_connection=There) as server:
        thread(server.serve_forever)
        uri = f"ws://localhost:{server.socket.getsockname()[1]}"
        with connect(uri, create_connection=Here) as websocket:
            assert isinstance(websocket, Here)
            assert websocket.recv() == "There"


async def test_two_servers_share_a_port_with_reuse_port():
    from fastws.aio import connect, serve

    if not hasattr(socket, "SO_REUSEPORT"):
        pytest.skip("not on this system")

    async def hello(websocket):
        await websocket.send("hello")

    async with serve(hello, "127.0.0.1", 0, reuse_port=True) as server:
        port = server.sockets[0].getsockname()[1]
        async with serve(hello, "127.0.0.1", port, reuse_port=True):
            for _ in range(4):
                async with connect(f"ws://127.0.0.1:{port}") as websocket:
                    assert await websocket.recv() == "hello"


async def test_ipv6():
    from fastws.aio import connect, serve

    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")

    async def hello(websocket):
        await websocket.send("hello")

    async with serve(hello, "::1", 0) as server, connect(uri_of(server, "[::1]")) as websocket:
        assert await websocket.recv() == "hello"


def test_a_blocking_server_and_a_reader_thread(thread):
    from fastws.sync import connect, serve

    stop = threading.Event()

    def ticker(websocket):
        with contextlib.suppress(ConnectionClosed):
            while not stop.wait(0.001):
                websocket.send("tick")

    with serve(ticker, "localhost", 0) as server:
        thread(server.serve_forever)
        got = []
        with connect(f"ws://localhost:{server.socket.getsockname()[1]}") as websocket:

            def read():
                with contextlib.suppress(ConnectionClosedOK):
                    while True:
                        got.append(websocket.recv())

            reader = thread(read)
            while len(got) < 5:
                stop.wait(0.001)
            stop.set()
            reader.join()
    assert set(got) == {"tick"}
