"""Accelerated websockets over real sockets: its servers and clients, of both kinds."""

import asyncio

import pytest

import fastws
from fastws.accelerate import restore

pytest.importorskip("websockets.asyncio.server")
from websockets import exceptions
from websockets.asyncio import client, server
from websockets.sync import client as sync_client
from websockets.sync import server as sync_server

TEXT = "Grüße, 世界 🌍"
MESSAGES = ["", "x", TEXT, TEXT * 50_000, b"", b"\xff\0" * 300, bytes(700_000), ["in ", "parts"]]


def whole(message):
    return "".join(message) if isinstance(message, list) else message


async def echo(connection):
    async for message in connection:
        await connection.send(message)


def run(coroutine, loop="asyncio"):
    if loop == "uvloop":
        loop = pytest.importorskip("uvloop").new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(coroutine(), 30))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


@LOOPS
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_asyncio_connections_exchange_messages(accelerated, compression, loop):
    accelerated("websockets")

    async def main():
        async with (
            server.serve(echo, "127.0.0.1", 0, compression=compression) as serving,
            client.connect(
                f"ws://127.0.0.1:{serving.sockets[0].getsockname()[1]}", compression=compression
            ) as connection,
        ):
            for message in MESSAGES:
                await connection.send(message)
                assert await connection.recv() == whole(message)
            # Many at once, pings between them, and one that is too big.
            for message in MESSAGES * 3:
                await connection.send(message)
                await connection.ping()
            for message in MESSAGES * 3:
                assert await connection.recv() == whole(message)
            await connection.send(bytes(2**20 + 1))
            with pytest.raises(exceptions.ConnectionClosedError, match="1009"):
                await connection.recv()

    run(main, loop)


async def open_raw(port):
    """A client that is only a stream, after its opening handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@LOOPS
@pytest.mark.parametrize("step", [1000, 20_000, 100_000])
def test_large_frames_come_in_pieces_with_others_behind_them(accelerated, loop, step):
    accelerated("websockets")
    payloads = [bytes(range(256)) * 700, b"small", b"\xff" * 150_000, TEXT.encode() * 6000]
    stream = b"".join(large_frame(payload) for payload in payloads)
    received = []

    async def collect(connection):
        async for message in connection:
            received.append(message)

    async def main():
        async with server.serve(collect, "127.0.0.1", 0) as serving:
            _, writer = await open_raw(serving.sockets[0].getsockname()[1])
            for at in range(0, len(stream), step):
                writer.write(stream[at : at + step])
                await writer.drain()
                await asyncio.sleep(0)
            while len(received) < len(payloads):
                await asyncio.sleep(0.001)
            writer.close()
            await writer.wait_closed()

    run(main, loop)
    assert received == payloads


@LOOPS
@pytest.mark.parametrize("off", [False, True], ids=["on", "restored"])
def test_a_client_that_leaves_in_the_middle_of_a_large_frame_is_missed(accelerated, loop, off):
    accelerated("websockets")
    ended = []

    async def collect(connection):
        try:
            await connection.recv()
        except exceptions.ConnectionClosed as error:
            ended.append((error.rcvd, str(error.__cause__)))

    async def main():
        async with server.serve(collect, "127.0.0.1", 0) as serving:
            _, writer = await open_raw(serving.sockets[0].getsockname()[1])
            writer.write(large_frame(bytes(300_000))[:200_000])
            await writer.drain()
            await asyncio.sleep(0.05)
            if off:
                restore()
            writer.close()
            await writer.wait_closed()
            while not ended:
                await asyncio.sleep(0.001)

    run(main, loop)
    if hasattr(server.ServerConnection, "set_connection_exc"):
        words = "stream ends after 199986 bytes, expected 300000 bytes"
        assert ended == [(None, words)]


async def received_from(stream, receive, *, restored_at=None):
    """What a server's connection gives for two messages; and how that client is answered."""
    outcomes = []

    async def collect(connection):
        try:
            while True:
                outcomes.append(await receive(connection))
        except exceptions.ConnectionClosed as error:
            outcomes.append((error.rcvd, error.sent, type(error.__cause__)))

    async with server.serve(collect, "127.0.0.1", 0) as serving:
        reader, writer = await open_raw(serving.sockets[0].getsockname()[1])
        for at in range(0, len(stream), 50_000):
            writer.write(stream[at : at + 50_000])
            await writer.drain()
            await asyncio.sleep(0.002)
            if at == restored_at:
                restore()
        answer = asyncio.ensure_future(reader.read())
        while len(outcomes) < 2 and not answer.done():
            await asyncio.sleep(0.001)
        if not answer.done():
            writer.write(GOODBYE)
        await answer
        writer.close()
        await writer.wait_closed()
    return outcomes, answer.result()


GOODBYE = fastws.serialize_frame(8, b"\x03\xe8", masking_key=b"mask")
TEXTS = [b"x" * 200_000, TEXT.encode() * 8000, b"x" * 180_000 + b"\xc3", b"short", b"\xff"]


async def in_parts(connection):
    return [part async for part in connection.recv_streaming()]


@pytest.mark.parametrize("payload", TEXTS, ids=["ascii", "utf-8", "cut", "short", "bad"])
@pytest.mark.parametrize(
    "receive",
    [lambda c: c.recv(), lambda c: c.recv(decode=False), in_parts],
    ids=["decoded", "bytes", "streamed"],
)
def test_texts_come_out_as_they_always_did(accelerated, payload, receive):
    stream = large_frame(b"before", 1) + large_frame(payload, 1)
    outcomes = []
    for switch_on in (lambda: None, lambda: accelerated("websockets")):
        switch_on()
        run(lambda: put(outcomes, received_from(stream, receive)))
    assert outcomes[1] == outcomes[0]


async def put(outcomes, coroutine):
    outcomes.append(await coroutine)


@pytest.mark.parametrize("payload", TEXTS[:3], ids=["ascii", "utf-8", "cut"])
def test_a_text_under_way_survives_restoring(accelerated, payload):
    stream = large_frame(payload, 1) + large_frame(b"after", 1)
    outcomes = []
    run(lambda: put(outcomes, received_from(stream, lambda c: c.recv())))
    accelerated("websockets")
    run(lambda: put(outcomes, received_from(stream, lambda c: c.recv(), restored_at=50_000)))
    assert outcomes[1] == outcomes[0]


def test_threads_exchange_messages(accelerated):
    accelerated("websockets")

    def echo(connection):
        for message in connection:
            connection.send(message)

    import threading

    with sync_server.serve(echo, "127.0.0.1", 0) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        try:
            port = serving.socket.getsockname()[1]
            with sync_client.connect(f"ws://127.0.0.1:{port}") as connection:
                for message in MESSAGES:
                    connection.send(message)
                    assert connection.recv(timeout=30) == whole(message)
        finally:
            serving.shutdown()
            thread.join(30)


class Wire:
    """A connection of websockets without a socket, and the frames that came out of it."""

    def __init__(self):
        from websockets.protocol import SERVER, Protocol

        self.protocol = Protocol(SERVER, max_size=None)
        self.protocol.receive_data(b"")
        self.receive = lambda data: self.protocol.receive_data(data)

    def messages(self):
        return [bytes(frame.data) for frame in self.protocol.events_received()]


def large_frame(payload, opcode=2):
    return fastws.serialize_frame(opcode, payload, masking_key=b"mask")


@pytest.mark.parametrize("again", [False, True], ids=["off", "off and on"])
def test_a_frame_under_way_survives_restoring(accelerated, again):
    accelerated("websockets")
    wire = Wire()
    payload = bytes(range(256)) * 400
    frame = large_frame(payload)
    wire.receive(frame[:50_000])
    restore()
    if again:
        accelerated("websockets")
    wire.receive(frame[50_000:80_000])
    assert wire.messages() == []
    wire.receive(frame[80_000:] + large_frame(b"small") + frame[:70_000])
    wire.receive(frame[70_000:])
    assert wire.messages() == [payload, b"small", payload]
    assert "receive_data" not in vars(wire.protocol)


def test_what_is_known_of_a_connection_is_forgotten_when_it_went_on_without_us(accelerated):
    accelerated("websockets")
    wire = Wire()
    frame = large_frame(b"payload")
    wire.receive(frame)
    restore()
    wire.receive(frame + frame[:5])
    accelerated("websockets")
    wire.receive(frame[5:] + frame)
    assert wire.messages() == [b"payload"] * 4


def test_a_closed_connection_takes_no_more_of_a_frame_under_way(accelerated):
    accelerated("websockets")
    wire = Wire()
    frame = large_frame(bytes(100_000))
    wire.receive(frame[:50_000])
    wire.protocol.fail(1011)
    wire.receive(frame[50_000:])
    assert wire.messages() == []
    wire.protocol.receive_eof()
    assert wire.protocol.state.name == "CLOSED"


def test_a_subclass_that_handles_frames_itself_sees_them_all(accelerated):
    from websockets.protocol import SERVER, Protocol

    seen = []

    class Watching(Protocol):
        def recv_frame(self, frame):
            seen.append(frame.data)
            super().recv_frame(frame)

    accelerated("websockets")
    protocol = Watching(SERVER)
    for _ in range(3):
        protocol.receive_data(fastws.serialize_frame(1, b"hello", masking_key=b"mask"))
    assert seen == [b"hello"] * 3


def test_debug_logs_show_every_frame(accelerated, caplog):
    accelerated("websockets")
    caplog.set_level("DEBUG", "websockets.server")
    wire = Wire()
    for _ in range(3):
        wire.receive(fastws.serialize_frame(1, b"hello", masking_key=b"mask"))
    assert caplog.text.count("TEXT 'hello'") == 3


def test_connections_can_be_asked_for_without_any_patch():
    connections = pytest.importorskip(
        "fastws.accelerate.websockets.connections", exc_type=ImportError
    )
    from websockets.protocol import Protocol

    original = Protocol.receive_data
    seen = []

    async def watch(connection):
        seen.append(type(connection))
        await echo(connection)

    async def main():
        async with server.serve(
            watch, "127.0.0.1", 0, create_connection=connections.ServerConnection
        ) as serving:
            port = serving.sockets[0].getsockname()[1]
            async with client.connect(
                f"ws://127.0.0.1:{port}", create_connection=connections.ClientConnection
            ) as connection:
                for message in MESSAGES:
                    await connection.send(message)
                    assert await connection.recv() == whole(message)
                assert connection.protocol.__dict__["_fastws"]

    run(main)
    assert seen == [connections.ServerConnection]
    assert Protocol.receive_data is original
