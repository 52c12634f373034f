"""Redirects in the opening handshake: followed, and what may not follow them."""

from __future__ import annotations

import socket

import pytest

from connections.networks import Network
from fastws import aio, sync
from fastws.errors import InvalidStatus, SecurityError


def redirecting(where, status=302):
    """A ``process_request`` that sends ``/old`` elsewhere, and the requests it saw."""
    seen = []

    def process_request(ws, request):
        seen.append(request)
        if not request.path.startswith("/old"):
            return None
        response = ws.respond(status, "Moved\n")
        response.headers["Location"] = where() if callable(where) else where
        return response

    process_request.seen = seen
    return process_request


async def hello(ws):
    await ws.send("hello")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_on_the_same_server_is_followed_with_everything(network, status):
    process_request = redirecting("/new?a=b", status)
    options = {"additional_headers": {"Authorization": "Bearer x", "Cookie": "c=d", "X-Other": "y"}}
    async with (
        network.serve(hello, process_request=process_request),
        network.connect("/old", **options) as ws,
    ):
        assert await ws.recv() == "hello"
        assert ws.request.path == "/new?a=b"
    first, second = process_request.seen
    assert (first.path, second.path) == ("/old", "/new?a=b")
    assert second.headers["Authorization"] == "Bearer x"
    assert (second.headers["Cookie"], second.headers["X-Other"]) == ("c=d", "y")


async def test_credentials_do_not_follow_to_another_origin(network):
    if network.kind == "unix":
        pytest.skip("a Unix socket leads to one place only")
    process_request = redirecting("")
    other = Network(
        network.client, network.server, network.kind, network.loop_name,
        (network.server_tls, network.client_tls), "",
    )  # fmt: skip
    options = {"additional_headers": {"Authorization": "Bearer x", "Cookie": "c=d", "X-Other": "y"}}
    async with other.serve(hello, process_request=process_request):
        away = redirecting(f"{other.uri}/new")
        async with (
            network.serve(hello, process_request=away),
            network.connect("/old", **options) as ws,
        ):
            assert await ws.recv() == "hello"
    other.end()
    assert "Authorization" in away.seen[0].headers
    (request,) = process_request.seen
    assert "Authorization" not in request.headers
    assert "Cookie" not in request.headers
    assert request.headers["X-Other"] == "y"


async def test_a_redirect_from_wss_to_ws_is_refused(network):
    if network.kind != "tls":
        pytest.skip("it begins with wss")
    async with network.serve(hello, process_request=redirecting("ws://127.0.0.1:1/new")):
        with pytest.raises(SecurityError, match="wss to ws"):
            await network.open("/old")


async def test_redirects_without_end_are_given_up(network):
    process_request = redirecting("/old")
    async with network.serve(hello, process_request=process_request):
        with pytest.raises(SecurityError, match="redirects"):
            await network.open("/old")
    assert len(process_request.seen) == 11


async def test_a_redirect_without_a_place_is_the_answer(network):
    def process_request(ws, request):
        return ws.respond(302, "nowhere\n")

    async with network.serve(hello, process_request=process_request):
        with pytest.raises(InvalidStatus) as caught:
            await network.open("/old")
        assert caught.value.response.body == b"nowhere\n"


async def test_what_was_given_for_one_place_is_not_used_for_another(network):
    away = redirecting(
        "wss://elsewhere.example/new" if network.kind == "tls" else "ws://e.example/"
    )
    async with network.serve(hello, process_request=away):
        options = {}
        if network.kind != "unix":
            options = {"host": "127.0.0.1", "port": network.address[1]}
        with pytest.raises(ValueError, match="cannot follow a redirect"):
            await network.open("/old", **options)


async def test_a_socket_that_was_given_is_not_used_twice(network):
    if network.kind == "unix":
        pytest.skip("unix_connect() takes a path")
    async with network.serve(hello, process_request=redirecting("/new")):
        sock = socket.create_connection(network.address)
        with pytest.raises(ValueError, match="the socket that was given"):
            await network.open("/old", sock=sock)
        async with network.connect(sock=socket.create_connection(network.address)) as ws:
            assert await ws.recv() == "hello"


@pytest.mark.parametrize("layer", [aio, sync], ids=["aio", "sync"])
def test_tls_settings_for_ws_addresses_are_refused(layer, client_tls):
    with pytest.raises(ValueError, match="ssl"):
        layer.connect("ws://localhost", ssl=client_tls)
