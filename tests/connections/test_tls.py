"""TLS: certificates, names, handshakes that fail, ends that are not orderly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys

import pytest

import fastws.aio
import fastws.sync
from connections.networks import Network
from connections.running import LOOPS, run, until
from fastws.errors import ConnectionClosedError

trustme = pytest.importorskip("trustme")


@pytest.fixture(params=["aio", "sync"])
def client(request):
    return request.param


@pytest.fixture(params=["aio", "sync"])
def server(request):
    return request.param


@pytest.fixture
def tls(client, server, server_tls, client_tls):
    network = Network(client, server, "tls", "asyncio", (server_tls, client_tls), "")
    yield network
    network.end()


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def test_an_unknown_authority_is_refused(tls, caplog):
    requests = []

    def process_request(ws, request):
        requests.append(request)

    caplog.set_level("INFO")
    tls.client_tls = ssl.create_default_context()
    async with tls.serve(echo, process_request=process_request):
        with pytest.raises(ssl.SSLCertVerificationError):
            await tls.open(additional_headers={"Cookie": "secret"})
    assert not requests
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_another_name_than_the_certificates_is_refused_unless_given(tls, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    tls.server_tls = context
    async with tls.serve(echo):
        with pytest.raises(ssl.SSLCertVerificationError):
            await tls.open()
        async with tls.connect(server_hostname="other.example") as ws:
            await ws.send("secure")
            assert await ws.recv() == "secure"


async def test_the_host_can_be_named_apart_from_the_address(tls):
    async with tls.serve(echo):
        port = tls.address[1]
        layer = fastws.aio if tls.client == "aio" else fastws.sync
        options = {"host": "127.0.0.1", "port": port, "ssl": tls.client_tls}
        if tls.client == "aio":
            async with layer.connect("wss://localhost/", **options) as ws:
                assert ws.request.headers["Host"] == "localhost"
        else:
            ws = await tls.in_thread(lambda: layer.connect("wss://localhost/", **options))
            assert ws.request.headers["Host"] == "localhost"
            await tls.in_thread(ws.close)


async def test_plain_clients_of_a_tls_server_fail_and_hurt_nobody(tls, caplog):
    async with tls.serve(echo):
        reader, writer = await asyncio.open_connection(*tls.address)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
        async with tls.connect() as ws:
            await ws.send("still fine")
            assert await ws.recv() == "still fine"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_tls_clients_of_a_plain_server_fail(client, client_tls):
    network = Network(client, "aio", "tcp", "asyncio", (None, client_tls), "")
    async with network.serve(echo):
        network.kind = "tls"
        with pytest.raises(ssl.SSLError):
            await network.open()
    network.end()


async def test_a_client_that_never_begins_the_tls_handshake_is_given_up(tls):
    async with tls.serve(echo, open_timeout=0.1):
        with socket.create_connection(tls.address) as sock:
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(loop.sock_recv(sock, 1), 5) == b""


async def test_a_server_that_never_begins_the_tls_handshake_makes_connect_time_out(tls):
    listener = socket.create_server(("127.0.0.1", 0))
    tls.address = listener.getsockname()
    with listener, pytest.raises(TimeoutError):
        await tls.open(open_timeout=0.1)


async def test_a_stream_cut_without_goodbye_is_1006(tls):
    ended = asyncio.Event()

    async def handler(ws):
        with pytest.raises(ConnectionClosedError):
            await ws.recv()
        ended.set()

    async with tls.serve(handler) as server, tls.raw() as raw:
        raw.writer.transport.abort()
        await ended.wait()
        await until(lambda: not server._connections)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio 3.10 forgets an aborted transport")
async def test_after_an_abort_nothing_encrypted_is_taken_for_frames(server_tls, client_tls):
    """A blocking client that gives up writing still reads what the server said before."""
    network = Network("sync", "aio", "tls", "asyncio", (server_tls, client_tls), "")

    async def stubborn(raw):
        await raw.accept()
        raw.pause()
        await asyncio.sleep(0.3)
        await raw.send(1, "last words")
        await asyncio.sleep(0.3)

    async with network.listen(stubborn):
        ws = await network.open(write_timeout=0.1, close_timeout=0.5, compression=None)
        with pytest.raises(ConnectionClosedError, match="write timeout"):
            await send_forever(ws)
        assert ws.close_code == 1006
    network.end()


async def send_forever(ws):
    while True:
        await ws.send(b"x" * 1_000_000)


@pytest.mark.parametrize("loop_name", LOOPS)
def test_ssl_true_takes_the_systems_authorities(loop_name):
    async def body():
        with contextlib.suppress(OSError):
            await fastws.aio.connect("wss://127.0.0.1:1", ssl=True)

    run(body(), loop_name)


def test_a_wss_address_cannot_go_without_tls():
    with pytest.raises(ValueError, match="TLS"):
        fastws.aio.connect("wss://localhost", ssl=None)


async def test_ssl_is_a_context():
    with pytest.raises(TypeError, match="ssl"):
        await fastws.aio.serve(echo, "127.0.0.1", 0, ssl="cert.pem")
    async with fastws.aio.serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TypeError, match="ssl"):
            await fastws.aio.connect(f"wss://127.0.0.1:{port}", ssl="cert.pem")


async def test_cancelling_connect_at_any_point_leaves_nothing(server_tls, client_tls):
    async def open_and_close(port):
        async with fastws.aio.connect(f"wss://127.0.0.1:{port}", ssl=client_tls):
            pass

    async with fastws.aio.serve(echo, "127.0.0.1", 0, ssl=server_tls) as server:
        port = server.sockets[0].getsockname()[1]
        for turns in range(40):
            task = asyncio.create_task(open_and_close(port))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await until(lambda: not server._connections)
