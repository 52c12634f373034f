"""What a client gets instead of a WebSocket connection (ASGI ``websocket.http.response``)."""

import asyncio

import pytest
from connections.running import until

from .serving import serving, standstill

START = "websocket.http.response.start"
BODY = "websocket.http.response.body"


def denying(*events, then=None):
    """An app that sends these; ``then`` gets what it receives after them."""

    async def app(scope, receive, send):
        await receive()
        for event in events:
            await send(event)
        if then is not None:
            then.append(await receive())

    return app


def start(status, *headers):
    return {"type": START, "status": status, "headers": headers}


def body(data=b"", more=False):
    return {"type": BODY, "body": data, "more_body": more}


def cut_in_two(go_on):
    """An app that sends half of a body, and the rest once it may go on."""

    async def app(scope, receive, send):
        await receive()
        await send(start(404, (b"Content-Length", b"6")))
        await send(body(b"abc", more=True))
        await go_on.wait()
        await send(body(b"def"))

    return app


async def answer(app, **options):
    async with serving(app, **options) as site, site.client() as client:
        await client.send_request()
        return await client.response()


async def test_closing_before_accepting_is_403(lines):
    events = []
    status, headers, content = await answer(denying({"type": "websocket.close"}, then=events))
    assert (status, content) == (403, b"")
    assert headers["content-length"] == "0"
    assert headers["server"] == "uvicorn"
    assert events == [{"type": "websocket.disconnect", "code": 1006}]
    assert any(line.endswith('- "WebSocket /" 403') for line in lines())


async def test_a_body_in_one_piece_gets_its_length(lines):
    events = []
    app = denying(start(401, (b"www-authenticate", b"Basic")), body(b"who?"), then=events)
    status, headers, content = await answer(app)
    assert (status, content) == (401, b"who?")
    assert headers["content-length"] == "4"
    assert headers["www-authenticate"] == "Basic"
    assert headers["connection"] == "close"
    assert events == [{"type": "websocket.disconnect", "code": 1006}]
    assert any(line.endswith('- "WebSocket /" 401') for line in lines())


async def test_a_body_of_announced_length_goes_out_piece_by_piece():
    go_on = asyncio.Event()
    async with serving(cut_in_two(go_on)) as site, site.client() as client:
        await client.send_request()
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert await client.reader.readexactly(3) == b"abc"
        go_on.set()
        assert await client.reader.read() == b"def"


async def test_a_body_of_unknown_length_is_chunked():
    app = denying(start(503), body(b"abc", more=True), body(b"", more=True), body(b"d" * 17))
    status, headers, content = await answer(app)
    assert status == 503
    assert headers["transfer-encoding"] == "chunked"
    assert "content-length" not in headers
    assert content == b"3\r\nabc\r\n11\r\n" + b"d" * 17 + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_has_neither_body_nor_length(status):
    got, headers, content = await answer(denying(start(status), body(b"ignored")))
    assert (got, content) == (status, b"")
    assert not {"content-length", "transfer-encoding"} & headers.keys()


async def test_the_app_cannot_say_how_its_body_is_framed():
    app = denying(
        start(400, (b"Transfer-Encoding", b"gzip"), (b"Connection", b"keep-alive")), body(b"ab")
    )
    status, headers, content = await answer(app)
    assert (status, content) == (400, b"ab")
    assert headers["connection"] == "close"
    assert "transfer-encoding" not in headers


async def test_headers_of_the_app_replace_those_of_the_server():
    async with (
        serving(denying(start(400, (b"Server", b"mine")), body())) as site,
        site.client() as client,
    ):
        await client.send_request()
        head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.lower().count(b"\r\nserver: ") == 1
    assert b"\r\nServer: mine\r\n" in head
    assert head.lower().count(b"\r\ndate: ") == 1


@pytest.mark.parametrize("status", [99, 101, 199, 600])
async def test_a_status_that_cannot_end_a_handshake_is_the_apps_error(status, lines):
    got, _, content = await answer(denying(start(status)))
    assert (got, content) == (500, b"Internal Server Error")
    assert "Exception in ASGI application\n" in lines()


async def test_a_status_that_python_does_not_know_has_no_phrase():
    status, _, content = await answer(denying(start(599), body(b"x")))
    assert (status, content) == (599, b"x")


async def test_an_app_that_fails_before_its_body_is_answered_for():
    async def app(scope, receive, send):
        await receive()
        await send(start(404))
        raise RuntimeError("no body")

    status, _, content = await answer(app)
    assert (status, content) == (500, b"Internal Server Error")


async def test_an_app_that_fails_within_its_body_breaks_off():
    async def app(scope, receive, send):
        await receive()
        await send(start(404))
        await send(body(b"abc", more=True))
        raise RuntimeError("half a body")

    status, _, content = await answer(app)
    assert (status, content) == (404, b"3\r\nabc\r\n")


async def test_an_app_that_forgets_the_body_sends_an_empty_one():
    status, headers, content = await answer(denying(start(404)))
    assert (status, content) == (404, b"")
    assert headers["content-length"] == "0"


async def test_nothing_else_fits_into_a_response():
    problems = []

    async def app(scope, receive, send):
        await receive()
        await send(start(404))
        for kind in ("websocket.accept", START):
            try:
                await send({"type": kind, "status": 200})
            except RuntimeError as error:
                problems.append(str(error))
        await send(body())
        try:
            await send(body())
        except RuntimeError as error:
            problems.append(str(error))

    assert (await answer(app))[0] == 404
    assert problems == [
        f"Expected ASGI message '{BODY}' but got 'websocket.accept'.",
        f"Expected ASGI message '{BODY}' but got '{START}'.",
        f"Unexpected ASGI message '{BODY}', after sending 'websocket.close' "
        "or response already completed.",
    ]


async def test_a_client_that_does_not_read_holds_a_long_body_up():
    sent = 0
    piece = bytes(64 * 1024)
    gone = asyncio.Event()

    async def app(scope, receive, send):
        nonlocal sent
        await receive()
        await send(start(404))
        try:
            while True:
                await send(body(piece, more=True))
                sent += 1
        except OSError:
            gone.set()

    async with serving(app) as site:
        async with site.client() as client:
            client.pause()
            await client.send_request()
            assert await standstill(lambda: sent) < 1000
            client.abort()
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_response_under_way_is_finished_when_the_server_shuts_down():
    go_on = asyncio.Event()
    async with serving(cut_in_two(go_on)) as site, site.client() as client:
        await client.send_request()
        await client.reader.readuntil(b"abc")
        stopping = site.stop()
        await asyncio.sleep(0.01)
        go_on.set()
        assert await client.reader.read() == b"def"
        await stopping


async def test_an_app_that_decides_nothing_is_answered_for(lines):
    async def app(scope, receive, send):
        await receive()

    status, headers, content = await answer(app)
    assert (status, content) == (500, b"Internal Server Error")
    assert headers["connection"] == "close"
    assert "ASGI callable returned without completing handshake." in lines()


async def test_an_app_that_fails_before_it_decides_is_answered_for(lines):
    async def app(scope, receive, send):
        raise ZeroDivisionError

    status, _, content = await answer(app)
    assert (status, content) == (500, b"Internal Server Error")
    assert "Exception in ASGI application\n" in lines()


async def test_shutting_down_answers_those_who_wait_for_a_decision():
    events = []

    async def app(scope, receive, send):
        await receive()
        events.append(await receive())

    async with serving(app) as site, site.client() as client:
        await client.send_request()
        await until(lambda: site.server.server_state.tasks)
        stopping = site.stop()
        status, _, content = await client.response()
        assert (status, content) == (503, b"The server is shutting down.\n")
        await client.close()
        await stopping
    assert events == [{"type": "websocket.disconnect", "code": 1006}]
