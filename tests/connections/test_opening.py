"""The opening handshake: what each side says, may decide, and gets when the other is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest

from connections.raw import REQUEST
from fastws.errors import (
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
    NegotiationError,
)
from fastws.frames import State


async def nothing(ws):
    pass


async def hello(ws):
    await ws.send("hello")


async def refused(network, **options):
    """Connect; return the response that was not 101."""
    with pytest.raises(InvalidStatus) as caught:
        await network.open(**options)
    return caught.value.response


async def test_both_sides_know_request_and_response(network):
    seen = []

    async def handler(ws):
        seen.append((ws.request, ws.response, ws.state, ws.subprotocol, ws.id))
        await ws.recv()

    headers = {"X-Header": "value"}
    async with (
        network.serve(handler, server_header="it"),
        network.connect(
            "/a?b=c", additional_headers=headers, user_agent_header="me", origin="http://o"
        ) as ws,
    ):
        assert (ws.request.path, ws.request.headers["X-Header"]) == ("/a?b=c", "value")
        assert (ws.request.headers["User-Agent"], ws.request.headers["Origin"]) == (
            "me",
            "http://o",
        )
        assert (ws.response.status_code, ws.response.headers["Server"]) == (101, "it")
        assert (ws.state, ws.subprotocol, ws.close_code) == (State.OPEN, None, None)
        await ws.send("go on")
        await ws.wait_closed()
        assert (ws.state, ws.close_code, ws.close_reason) == (State.CLOSED, 1000, "")
    request, response, state, subprotocol, name = seen[0]
    assert (request.path, request.headers["x-header"], subprotocol) == ("/a?b=c", "value", None)
    assert (response.status_code, state) == (101, State.OPEN)
    assert name != ws.id


async def test_names_of_software_can_be_left_out(network):
    async with (
        network.serve(nothing, server_header=None),
        network.connect(user_agent_header=None) as ws,
    ):
        assert "User-Agent" not in ws.request.headers
        assert "Server" not in ws.response.headers


async def test_addresses_of_both_sides_match(network):
    seen = []

    async def handler(ws):
        seen.append((ws.local_address, ws.remote_address))
        await ws.recv()

    async with network.serve(handler), network.connect() as ws:
        await ws.send("go")
        mine = ws.local_address, ws.remote_address
    if network.kind == "unix":
        assert mine[1] == network.path
    else:
        assert seen[0] == (mine[1], mine[0])


async def test_the_first_subprotocol_of_the_server_that_the_client_offers_is_used(network):
    async with (
        network.serve(nothing, subprotocols=["b", "a"]),
        network.connect(subprotocols=["a", "b", "c"]) as ws,
    ):
        assert ws.subprotocol in ("a", "b")
        agreed = ws.subprotocol
        async with network.connect(subprotocols=[agreed]) as other:
            assert other.subprotocol == agreed
        with contextlib.suppress(InvalidStatus):  # the server may insist on one
            async with network.connect(subprotocols=["z"]) as other:
                assert other.subprotocol is None


async def test_select_subprotocol_decides(network):
    offers = []

    def select(ws, offered):
        offers.append(list(offered))
        return "chat" if "chat" in offered else None

    async with network.serve(nothing, select_subprotocol=select, subprotocols=["chat", "x"]):
        async with network.connect(subprotocols=["x", "chat"]) as ws:
            assert ws.subprotocol == "chat"
        async with network.connect(subprotocols=["x"]) as ws:
            assert ws.subprotocol is None
    assert offers[0] == ["x", "chat"]


async def test_select_subprotocol_may_refuse(network):
    def select(ws, offered):
        raise NegotiationError("none of these")

    async with network.serve(nothing, select_subprotocol=select, subprotocols=["a"]):
        response = await refused(network, subprotocols=["a"])
        assert response.status_code == 400
        assert b"none of these" in response.body


async def test_an_error_in_select_subprotocol_is_a_500_and_logged(network, caplog):
    def select(ws, offered):
        raise LookupError("secret detail")

    async with network.serve(nothing, select_subprotocol=select, subprotocols=["a"]):
        response = await refused(network, subprotocols=["a"])
        assert response.status_code == 500
        assert b"secret" not in response.body
    assert "secret detail" in caplog.text
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


@pytest.mark.parametrize("origins", [["http://good"], [re.compile("http://g.*")]])
async def test_only_allowed_origins_may_connect(network, origins):
    async with network.serve(nothing, origins=origins):
        async with network.connect(origin="http://good"):
            pass
        assert (await refused(network, origin="http://evil")).status_code == 403
        assert (await refused(network)).status_code == 403


async def test_no_origin_may_be_allowed_too(network):
    async with network.serve(nothing, origins=[None, "http://good"]), network.connect():
        pass


async def test_process_request_may_answer_instead(network):
    def process_request(ws, request):
        if request.path == "/health":
            return ws.respond(200, "OK\n")
        return None

    async with network.serve(hello, process_request=process_request):
        response = await refused(network, path="/health")
        assert (response.status_code, response.body) == (200, b"OK\n")
        async with network.connect() as ws:
            assert await ws.recv() == "hello"


async def test_process_request_may_wait(network):
    async def process_request(ws, request):
        await asyncio.sleep(0.01)
        return ws.respond(204, "") if request.path == "/no" else None

    async with network.serve(hello, process_request=process_request):
        assert (await refused(network, path="/no")).status_code == 204
        async with network.connect() as ws:
            assert await ws.recv() == "hello"


async def test_an_error_in_process_request_is_a_500_and_logged(network, caplog):
    async def process_request(ws, request):
        raise LookupError("secret detail")

    async with network.serve(nothing, process_request=process_request):
        response = await refused(network)
        assert response.status_code == 500
        assert b"secret" not in response.body
    assert "secret detail" in caplog.text
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


async def test_process_request_must_return_a_response(network, caplog):
    async with network.serve(nothing, process_request=lambda ws, request: (200, {}, b"")):
        assert (await refused(network)).status_code == 500
    assert "must return a Response" in caplog.text


async def test_process_response_may_change_or_replace_the_answer(network):
    def process_response(ws, request, response):
        if request.path == "/no":
            return ws.respond(410, "Gone\n")
        response.headers["Set-Cookie"] = "a=b"
        return None

    async with network.serve(hello, process_response=process_response):
        async with network.connect() as ws:
            assert ws.response.headers["Set-Cookie"] == "a=b"
            assert await ws.recv() == "hello"
        assert (await refused(network, path="/no")).status_code == 410


async def test_an_answer_that_cannot_be_sent_is_a_500(network, caplog):
    def process_request(ws, request):
        response = ws.respond(200, "")
        response.body = "a body must be bytes"
        return response

    async with network.serve(nothing, process_request=process_request):
        assert (await refused(network)).status_code == 500
    assert "ERROR" in {record.levelname for record in caplog.records}


async def test_headers_that_would_split_the_answer_are_refused(network, caplog):
    def process_response(ws, request, response):
        response.headers["X-Split"] = "a\r\nX-Evil: b"

    async with network.serve(nothing, process_response=process_response):
        response = await refused(network)
        assert response.status_code == 500
        assert "X-Evil" not in response.headers


async def test_a_head_request_gets_the_headers_only(network):
    def process_request(ws, request):
        return ws.respond(200, "OK\n")

    async with network.serve(nothing, process_request=process_request), network.raw(False) as raw:
        await raw.write(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, headers, body = await raw.response()
        assert (status, headers["content-length"], body) == (200, "3", b"")


async def test_an_http_1_0_probe_that_closes_its_side_gets_an_answer(network):
    def process_request(ws, request):
        return ws.respond(200, "OK\n")

    async with network.serve(nothing, process_request=process_request), network.raw(False) as raw:
        await raw.write(b"GET /health HTTP/1.0\r\n\r\n")
        if network.kind != "tls":
            raw.writer.write_eof()
        status, _, body = await raw.response()
        assert (status, body) == (200, b"OK\n")


async def test_what_is_no_upgrade_gets_426(network):
    async with network.serve(nothing), network.raw(False) as raw:
        await raw.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, headers, body = await raw.response()
        assert (status, headers["upgrade"]) == (426, "websocket")
        assert b"WebSocket" in body


async def test_what_is_no_http_gets_400(network):
    async with network.serve(nothing), network.raw(False) as raw:
        await raw.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n" * 5)
        assert (await raw.response())[0] == 400


async def test_frames_on_the_heels_of_the_request_are_not_lost(network):
    got = []

    async def handler(ws):
        async for message in ws:
            got.append(message)

    async def process_request(ws, request):
        await asyncio.sleep(0.02)

    for options in ({}, {"process_request": process_request}):
        async with network.serve(handler, **options), network.raw(False) as raw:
            request = REQUEST.format(path="/", headers="").encode()
            await raw.write(request + b"\x81\x82\0\0\0\0hi" + b"\x88\x80\0\0\0\0")
            assert (await raw.response())[0] == 101
            assert await raw.recv_close() == (1005, "")
        assert got == ["hi"]
        got.clear()


async def test_a_request_that_never_ends_gets_408(network):
    """Slowloris: a byte now and then does not buy more time."""
    async with network.serve(nothing, open_timeout=0.1), network.raw(False) as raw:
        for byte in b"GET / HT":
            await raw.write(bytes([byte]))
            await asyncio.sleep(0.005)
        assert (await raw.response())[0] == 408


async def test_a_server_that_never_answers_makes_connect_time_out(network):
    async def silent(raw):
        await raw.request()
        await raw.reader.read()

    async with network.listen(silent):
        with pytest.raises(TimeoutError, match="opening handshake"):
            await network.open(open_timeout=0.1)


async def test_a_server_that_closes_at_once_makes_connect_fail(network):
    async def rude(raw):
        await raw.request()

    async with network.listen(rude):
        with pytest.raises(InvalidHandshake):
            await network.open()


async def test_a_server_that_is_no_web_server_makes_connect_fail(network):
    async def other(raw):
        await raw.request()
        await raw.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    async with network.listen(other):
        with pytest.raises(InvalidMessage):
            await network.open()


async def test_a_response_that_does_not_agree_makes_connect_fail(network):
    async def liar(raw):
        request = await raw.request()
        request["sec-websocket-key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
        await raw.answer(request)

    async with network.listen(liar):
        with pytest.raises(InvalidHandshake, match="Sec-WebSocket-Accept"):
            await network.open()


async def test_frames_on_the_heels_of_the_answer_are_not_lost(network):
    async def eager(raw):
        await raw.answer(await raw.request(), then=b"\x81\x02hi\x88\x02\x03\xe8")
        await raw.recv_close()

    async with network.listen(eager), network.connect() as ws:
        assert [message async for message in ws] == ["hi"]


@pytest.mark.parametrize("layer", ["aio", "sync"])
@pytest.mark.parametrize("uri", ["http://localhost", "localhost", "ws://", "ws://a b/"])
def test_wrong_addresses_are_refused_before_anything_is_sent(layer, uri):
    import fastws.aio
    import fastws.sync

    with pytest.raises(InvalidURI):
        getattr(fastws, layer).connect(uri)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip"},
        {"ping_interval": -1},
        {"close_timeout": 0},
        {"max_queue": -1},
        {"max_queue": (1, 2)},
        {"max_size": -1},
        {"max_size": (1, 2)},
        {"max_fragments": 0},
        {"subprotocols": ["not a token"]},
    ],
)
@pytest.mark.parametrize("layer", ["aio", "sync"])
def test_wrong_arguments_are_refused_at_once(layer, options):
    import fastws.aio
    import fastws.sync

    module = getattr(fastws, layer)
    with pytest.raises((ValueError, TypeError)):
        module.connect("ws://localhost:1", **options)
    with pytest.raises((ValueError, TypeError)):
        module.serve(nothing, "localhost", 0, **options)
