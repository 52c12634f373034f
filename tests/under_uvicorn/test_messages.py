"""Messages both ways, how they wait, and the ways an app may wait for them."""

import asyncio
import contextlib
import gc
import sys

import pytest

pytest.importorskip("uvicorn.config", reason="uvicorn is not installed")
from connections.running import until
from wire import BINARY, CONTINUATION, TEXT, frame

from fastws.uvicorn import WebSocketProtocol

from .serving import Recorder, accept, echo, serving, standstill


@pytest.mark.parametrize("http", ["h11", "httptools", "zttp"])
@pytest.mark.parametrize("compressed", [True, False])
async def test_what_is_sent_comes_back(http, compressed):
    if http != "h11":
        pytest.importorskip(http)
    from fastws.aio import connect

    compression = "deflate" if compressed else None
    messages = ["", "a", "é€😀", "x" * 70_000, b"", b"\x00\xff", bytes(range(256)) * 1000]
    async with serving(echo, http=http) as site, connect(site.url(), compression=compression) as ws:
        for message in messages:
            await ws.send(message)
            assert await ws.recv() == message


@pytest.mark.parametrize("kind", [str, bytes])
async def test_a_large_message_is_received_into_its_object(kind):
    app = Recorder()
    payload = bytes(range(128)) * (3 * 8192)
    message = payload.decode() if kind is str else payload
    async with serving(app) as site, site.opened() as client:
        await client.send(TEXT if kind is str else BINARY, payload)
        await until(lambda: app.events)
        await client.send_close()
        await app.disconnect()
    key = "text" if kind is str else "bytes"
    assert app.events[0] == {"type": "websocket.receive", key: message}
    assert type(app.events[0][key]) is kind


async def test_only_the_request_comes_as_bytes_the_rest_fills_our_buffers(monkeypatch):
    received = []
    real = WebSocketProtocol.data_received

    def note(self, data):
        received.append(bytes(data[:4]))
        real(self, data)

    monkeypatch.setattr(WebSocketProtocol, "data_received", note)
    async with serving(echo) as site, site.opened() as client:
        for length in (10, 100_000):
            await client.send(TEXT, "x" * length)
            assert len((await client.recv()).payload) == length
    assert received == [b"GET "]


async def test_fragments_arrive_as_one_message():
    async with serving(echo) as site, site.opened() as client:
        euro = "€".encode()
        await client.send(TEXT, euro[:1], fin=False)
        await client.send(CONTINUATION, euro[1:], fin=False)
        await client.send(CONTINUATION, b"")
        assert await client.recv() == (TEXT, euro, True)


async def test_bytes_go_before_text_and_any_buffer_will_do():
    async def app(scope, receive, send):
        await accept(receive, send)
        await send({"type": "websocket.send", "bytes": b"1", "text": "no"})
        await send({"type": "websocket.send", "bytes": None, "text": "2"})
        await send({"type": "websocket.send", "bytes": bytearray(b"3")})
        await send({"type": "websocket.send", "bytes": memoryview(b"4")})
        await send({"type": "websocket.send", "bytes": b""})
        await send({"type": "websocket.close"})

    async with serving(app) as site, site.opened() as client:
        got = [(await client.recv())[:2] for _ in range(5)]
        assert await client.recv_close() == (1000, "")
    assert got == [(BINARY, b"1"), (TEXT, b"2"), (BINARY, b"3"), (BINARY, b"4"), (BINARY, b"")]


@pytest.mark.parametrize("event", [{}, {"bytes": None, "text": None}, {"text": 42}])
async def test_an_event_without_a_message_is_the_apps_error(event, lines):
    async def app(scope, receive, send):
        await accept(receive, send)
        await send({"type": "websocket.send", **event})

    async with serving(app) as site, site.opened() as client:
        assert await client.recv() is None
    assert "Exception in ASGI application\n" in lines()


async def test_answers_to_messages_that_came_together_leave_together(monkeypatch):
    # Our own transport is asked without Python in between, where nobody could count.
    monkeypatch.setattr("fastws.uvicorn.websocket.take_over", lambda *arguments: False)
    async with serving(echo) as site, site.opened() as client:
        [connection] = site.server.server_state.connections
        transport = connection.transport
        writes = []

        class Spy:
            def __getattr__(self, name):
                return getattr(transport, name)

            def write(self, data):
                writes.append(data)
                transport.write(data)

        connection._transport = Spy()
        await client.write(b"".join(frame(TEXT, b"%d" % i, key=client.key) for i in range(20)))
        got = [(await client.recv()).payload for _ in range(20)]
    assert got == [b"%d" % i for i in range(20)]
    assert len(writes) == 1


async def test_reading_pauses_when_the_queue_is_full_and_goes_on_when_it_is_not():
    go_on = asyncio.Event()
    received = []

    async def app(scope, receive, send):
        await accept(receive, send)
        await go_on.wait()
        while (event := await receive())["type"] == "websocket.receive":
            received.append(event["bytes"])

    async with serving(app, ws_max_queue=4) as site, site.opened() as client:
        [connection] = site.server.server_state.connections
        await until(lambda: connection.protocol.response)
        message = bytes(60_000)
        writing = asyncio.ensure_future(client.write(frame(BINARY, message, key=client.key) * 400))
        await standstill(lambda: connection.protocol.reader.bytes_received)
        # What one read brought is kept; the rest waits in the sockets.
        assert connection._waiting() < 40
        assert not writing.done()
        go_on.set()
        await writing
        await client.send_close()
        await client.recv_close()
    assert received == [message] * 400


async def test_sending_waits_for_a_client_that_does_not_read():
    sent = 0

    async def app(scope, receive, send):
        nonlocal sent
        await accept(receive, send)
        while True:
            await send({"type": "websocket.send", "bytes": bytes(65536)})
            sent += 1

    async with serving(app) as site, site.opened() as client:
        client.pause()
        assert await standstill(lambda: sent) < 1000
        client.resume()
        for _ in range(sent + 10):
            assert len((await client.recv()).payload) == 65536
        client.abort()


async def test_a_client_that_leaves_frees_an_app_that_waits_to_send():
    outcome = asyncio.get_running_loop().create_future()

    async def app(scope, receive, send):
        await accept(receive, send)
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(65536)})
        except OSError as error:
            outcome.set_result(error)

    async with serving(app) as site, site.opened() as client:
        client.pause()
        await asyncio.sleep(0.05)
        client.abort()
        assert isinstance(await asyncio.wait_for(outcome, 5), OSError)


async def test_an_app_that_sends_without_end_leaves_others_their_turn():
    async def app(scope, receive, send):
        await accept(receive, send)
        if scope["path"] == "/busy":
            while True:
                await send({"type": "websocket.send", "text": ""})
        await send({"type": "websocket.send", "text": "my turn"})

    async def read_all(client):
        with contextlib.suppress(ConnectionError):
            while await client.reader.read(65536):
                pass

    async with serving(app) as site, site.opened("/busy") as busy:
        reading = asyncio.ensure_future(read_all(busy))
        async with site.opened() as client:
            assert (await client.recv()).payload == b"my turn"
        busy.abort()
        await reading


async def test_a_flood_of_empty_messages_and_pings_does_not_grow_memory():
    tracemalloc = pytest.importorskip("tracemalloc")
    go_on = asyncio.Event()

    async def app(scope, receive, send):
        await accept(receive, send)
        await go_on.wait()

    async with serving(app) as site, site.opened() as client:
        client.pause()
        flood = frame(0x9, b"x" * 125, key=client.key) * 500 + frame(TEXT, b"", key=client.key)
        gc.collect()
        tracemalloc.start()
        writing = asyncio.ensure_future(client.write(flood * 100))
        await asyncio.sleep(0.2)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        # Of this the flood itself is 6.5 MB.
        assert peak < 20_000_000
        writing.cancel()
        client.abort()
        go_on.set()


async def test_waiting_can_be_given_up_without_losing_a_message():
    received = []

    async def app(scope, receive, send):
        await accept(receive, send)
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(receive(), 0.005)
        await send({"type": "websocket.send", "text": "go"})
        task = asyncio.create_task(receive())
        received.append(await asyncio.shield(task))
        received.append(await asyncio.wait_for(receive(), 5))

    async with serving(app) as site, site.opened() as client:
        assert (await client.recv()).payload == b"go"
        await client.send(TEXT, "one")
        await client.send(TEXT, "two")
        await client.recv()
    assert [event["text"] for event in received] == ["one", "two"]


async def test_one_task_receives_while_another_sends():
    async def app(scope, receive, send):
        await accept(receive, send)

        async def tick():
            while True:
                await send({"type": "websocket.send", "text": "tick"})
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        event = await receive()
        ticking.cancel()
        await send({"type": "websocket.send", "text": event["text"]})
        await send({"type": "websocket.close"})

    async with serving(app) as site, site.opened() as client:
        for _ in range(3):
            assert (await client.recv()).payload == b"tick"
        await client.send(TEXT, "stop")
        while (got := await client.recv()).payload == b"tick":
            pass
        assert got.payload == b"stop"


async def test_two_tasks_cannot_receive_at_once():
    outcome = asyncio.get_running_loop().create_future()

    async def app(scope, receive, send):
        await accept(receive, send)
        first = asyncio.create_task(receive())
        await asyncio.sleep(0)
        try:
            await receive()
        except RuntimeError as error:
            outcome.set_result(str(error))
        await first

    async with serving(app) as site, site.opened() as client:
        assert await outcome == "another task is receiving from this connection"
        await client.send_close()
        await client.recv_close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_eager_tasks_work():
    def eagerly(loop, coroutine, **options):
        return asyncio.Task(coroutine, loop=loop, **{**options, "eager_start": True})

    asyncio.get_running_loop().set_task_factory(eagerly)
    async with serving(echo) as site, site.opened() as client:
        for text in (b"one", b"two"):
            await client.send(TEXT, text)
            assert (await client.recv()).payload == text


async def test_a_cancel_scope_of_anyio_ends_the_wait():
    anyio = pytest.importorskip("anyio")
    outcome = asyncio.get_running_loop().create_future()

    async def app(scope, receive, send):
        await accept(receive, send)
        with anyio.move_on_after(0.01) as waiting:
            await receive()
        await send({"type": "websocket.send", "text": "tired"})
        outcome.set_result((waiting.cancelled_caught, await receive()))

    async with serving(app) as site, site.opened() as client:
        assert (await client.recv()).payload == b"tired"
        await client.send(TEXT, "hello")
        assert await outcome == (True, {"type": "websocket.receive", "text": "hello"})
