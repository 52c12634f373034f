"""Promises of docs/security.md that are nobody else's topic: logs, defaults, compression."""

import asyncio
import contextlib
import logging
import ssl
import traceback

import pytest
from peers import deflate_pair

from fastws import aio, sync
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

SECRETS = ("opensesame", "b3BlbnNlc2FtZQ", "Bearer-token", "cookie-value")


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def meet(ws, uri, headers):
    """Connect with secrets, be refused with others, and cause an error on the server."""
    async with connect(uri, additional_headers=headers, proxy=None) as ws:
        await ws.send("hello")
        await ws.recv()
    wrong = uri.replace("opensesame", "opensesame-not")
    with pytest.raises(InvalidStatus) as refused:
        await connect(wrong, additional_headers=headers, proxy=None)
    return refused.value


def test_secrets_are_in_no_log_and_no_exception(caplog):
    caplog.set_level(logging.DEBUG)
    headers = {"X-Token": "Bearer-token", "Cookie": "session=cookie-value"}

    async def main():
        guard = basic_auth(realm="r", credentials=("ann", "opensesame"))
        async with serve(echo, "127.0.0.1", 0, process_request=guard) as server:
            port = server.sockets[0].getsockname()[1]
            error = await meet(None, f"ws://ann:opensesame@127.0.0.1:{port}/", headers)
        # Nobody is there any more.
        uri = f"ws://ann:opensesame@127.0.0.1:{port}/"
        retries = connect(uri, additional_headers=headers, proxy=None, reconnect_delays=delays)
        with contextlib.suppress(StopIteration, RuntimeError):
            async for _ in retries:
                raise AssertionError("somebody else is there")
        return error

    def delays():
        yield 0.0

    error = asyncio.run(main())
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


@pytest.mark.parametrize("layer", ["aio", "sync"])
def test_clients_check_certificates_by_default(layer, monkeypatch):
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
                connecting = aio.connect(uri, proxy=None)
            else:
                connecting = asyncio.to_thread(sync.connect, uri, proxy=None)
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
    # TLS 1.2, unless whoever built this Python leaves that to the system's policy.
    assert context.minimum_version == create().minimum_version


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
