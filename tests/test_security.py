"""Promises of docs/security.md that are nobody else's topic: logs, defaults, compression."""

import asyncio
import contextlib
import logging
import ssl
import threading
import traceback
import warnings

import pytest
from peers import deflate_pair, transfer

from fastws import PreparedMessage, aio, sync
from fastws.aio import basic_auth, connect, serve
from fastws.errors import (
    ConnectionClosedError,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
)
from fastws.frames import Close, Role
from fastws.handshake import ServerHandshake
from fastws.protocol import Protocol
from fastws.proxy import open_proxy
from fastws.secure import default_context

SECRETS = ("opensesame", "b3BlbnNlc2FtZQ", "Bearer-token", "cookie-value")


CLIENT = {
    "additional_headers": {"X-Token": "Bearer-token", "Cookie": "session=cookie-value"},
    "proxy": None,
}


async def echo(ws):
    async for message in ws:
        await ws.send(message)


def address(port, password="opensesame"):
    return f"ws://ann:{password}@127.0.0.1:{port}/"


def delays():
    yield 0.0


async def meet_with_asyncio():
    """Connect with secrets, be refused with others, try again where nobody is any more."""
    guard = basic_auth(realm="r", credentials=("ann", "opensesame"))
    async with serve(echo, "127.0.0.1", 0, process_request=guard) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(address(port), **CLIENT) as ws:
            await ws.send("hello")
            await ws.recv()
        with pytest.raises(InvalidStatus) as refused:
            await connect(address(port, "opensesame-not"), **CLIENT)
    with contextlib.suppress(StopIteration, RuntimeError):
        async for _ in connect(address(port), **CLIENT, reconnect_delays=delays):
            raise AssertionError("somebody else is there")
    return refused.value


def meet_with_threads():
    """The same without asyncio."""
    guard = sync.basic_auth(realm="r", credentials=("ann", "opensesame"))
    handler = lambda ws: ws.send(ws.recv())  # noqa: E731
    with sync.serve(handler, "127.0.0.1", 0, process_request=guard) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with sync.connect(address(port), **CLIENT) as ws:
            ws.send("hello")
            ws.recv()
        with pytest.raises(InvalidStatus) as refused:
            sync.connect(address(port, "opensesame-not"), **CLIENT)
        server.shutdown()
        thread.join()
    with contextlib.suppress(StopIteration, RuntimeError):
        for _ in sync.reconnect(address(port), **CLIENT, reconnect_delays=delays):
            raise AssertionError("somebody else is there")
    return refused.value


@pytest.mark.parametrize("layer", ["aio", "sync"])
def test_secrets_are_in_no_log_and_no_exception(layer, caplog):
    caplog.set_level(logging.DEBUG)
    error = asyncio.run(meet_with_asyncio()) if layer == "aio" else meet_with_threads()
    told = [record.getMessage() for record in caplog.records]
    assert "connection open" in told
    assert "connection rejected (401)" in told
    assert any(message.startswith("connect failed") for message in told)
    for text in (*told, str(error), repr(error), *(r.exc_text or "" for r in caplog.records)):
        for secret in SECRETS:
            assert secret not in text


@pytest.mark.parametrize(
    "address",
    [
        "https://user:opensesame@proxy.test:1",
        "http://user:opensesame@proxy.test:99999999",
        "http://user:opensesame@",
        "http://user:opensesame@proxy.test/path",
        "user:opensesame@proxy.test",
        "http://user:open/sesame@proxy.test",
        "http://user:opensesame@[::1",
        "http://user:open\u2100sesame@proxy.test",
    ],
)
def test_a_proxys_password_is_in_no_exception(address):
    with pytest.raises(InvalidProxy) as caught:
        open_proxy(address, "sync")
    shown = "".join(traceback.format_exception(caught.type, caught.value, None))
    for text in (str(caught.value), repr(caught.value), shown):
        assert "sesame" not in text


@pytest.mark.parametrize("byte", [0x0A, 0x0D, 0x1B, 0x07, 0x85, 0x9B], ids=hex)
@pytest.mark.parametrize(
    "place", ["GET /{} HTTP/1.1", "Origin: {}", "Upgrade: {}", "Sec-WebSocket-Key: {}", "X{}: y"]
)
def test_what_a_peer_sends_cannot_write_lines_of_its_own_into_a_log(byte, place):
    """Neither line ends nor escape sequences, nor what a terminal takes for such (C1)."""
    first, *rest = ["GET / HTTP/1.1", "Host: h", "Connection: upgrade", "Sec-WebSocket-Version: 13"]
    line = place.format(f"a{chr(byte)}b")
    lines = [line, *rest] if place.startswith("GET") else [first, *rest, line]
    server = Protocol(Role.SERVER, handshake=ServerHandshake(origins=["https://good.test"]))
    server.receive_data("\r\n".join([*lines, "", ""]).encode("latin-1"))
    if server.handshake_exc is None:
        server.send_response(server.accept())
    assert isinstance(server.handshake_exc, InvalidHandshake)
    assert str(server.handshake_exc).isprintable()


@pytest.mark.parametrize(
    ("layer", "options"),
    [("aio", {}), ("sync", {}), ("sync", {"ssl": None})],
    ids=["aio", "sync", "sync, None"],
)
def test_clients_check_certificates_by_default(layer, options, monkeypatch):
    """The context that a wss address gets is Python's own, with its checks."""
    made = []
    create = ssl.create_default_context

    def note(*args, **kwargs):
        made.append(create(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", note)

    async def main():
        async with serve(echo, "127.0.0.1", 0) as server:  # plain: the TLS handshake fails
            uri = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            if layer == "aio":
                connecting = aio.connect(uri, proxy=None, **options)
            else:
                connecting = asyncio.to_thread(sync.connect, uri, proxy=None, **options)
            with pytest.raises(OSError):
                await connecting

    logging.getLogger("fastws.server").disabled = True
    try:
        asyncio.run(main())
    finally:
        logging.getLogger("fastws.server").disabled = False
    [context] = made
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert not agrees_on_tls_1_1(context)


def agrees_on_tls_1_1(context):
    """Whether a client goes on with a server that has TLS 1.1 at most, and takes any cipher."""
    old_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old_server.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        old_server.maximum_version = ssl.TLSVersion.TLSv1_1
    old_server.set_ciphers("ALL:@SECLEVEL=0")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = old_server.wrap_bio(to_server, to_client, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    # Without a certificate it ends in an error anyway, one or another.
    with pytest.raises(ssl.SSLError) as caught:
        server.do_handshake()
    return "PROTOCOL" not in (caught.value.reason or "")


def test_a_system_without_a_policy_gets_no_older_version(monkeypatch):
    create = ssl.create_default_context

    def permissive():
        context = create()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    monkeypatch.setattr(ssl, "create_default_context", permissive)
    if not agrees_on_tls_1_1(permissive()):
        pytest.skip("this OpenSSL has no TLS 1.1 any more")
    assert not agrees_on_tls_1_1(default_context())


def test_a_message_sent_without_compression_leaves_no_trace_in_the_next():
    """A guess of the secret is not shorter than a wrong guess: there is nothing to refer to."""
    secret = "session=0123456789abcdef0123456789abcdef" * 3

    def length_after(first, guess, **options):
        client, _ = deflate_pair()
        client.send_message(first, **options)
        client.data_to_send()
        client.send_message(guess, compress=True)
        return sum(map(len, client.data_to_send()))

    other = secret[::-1]
    assert length_after(secret, secret, compress=True) < length_after(other, secret, compress=True)
    apart = {length_after(first, secret, compress=False) for first in (secret, other)}
    assert len(apart) == 1


def test_what_one_connection_sends_helps_to_compress_for_no_other():
    """Nor do broadcasts refer to what their receivers were sent before."""
    secret = "session=0123456789abcdef0123456789abcdef" * 3

    def told():
        client, server = deflate_pair()
        server.send_message(secret)
        assert transfer(server, client) == [secret]
        return server

    def compressed(server, message):
        server.send_message(message)
        [wire] = server.data_to_send()
        assert wire[0] & 0x40
        return wire

    one, fresh = told(), compressed(deflate_pair()[1], secret)
    assert compressed(deflate_pair()[1], secret) == fresh
    prepared = compressed(deflate_pair()[1], PreparedMessage(secret))
    assert compressed(one, PreparedMessage(secret)) == prepared
    # Where one message may refer to another, it does, so that this means something.
    assert len(compressed(told(), secret)) < len(fresh)


@pytest.mark.parametrize(
    "reason", ["a\n2000-01-01 ERROR all is lost", "\x1b[2J", "\x9b2J", "\u202e"]
)
def test_a_close_reason_is_one_line_in_a_log(reason):
    close = Close(4000, reason)
    assert close.reason == reason
    assert str(ConnectionClosedError(close, None)).isprintable()


@pytest.mark.parametrize(
    "uri", ["ws://ann:open/sesame@h/", "ws://ann:open#sesame@h/p", "ws://a:opensesame@h:x"]
)
def test_a_password_that_was_not_escaped_is_in_no_exception(uri):
    with pytest.raises(InvalidURI) as caught:
        connect(uri)
    assert "sesame" not in str(caught.value)
    assert "open" not in str(caught.value)
