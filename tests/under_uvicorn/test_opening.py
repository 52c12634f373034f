"""The opening handshake: scope, accepting, subprotocols, headers, refusals of bad requests."""

import asyncio
import socket

import pytest
from connections.running import until
from wire import TEXT

from .serving import accept, echo, serving


class Scopes:
    """An app that notes the scopes of its connections."""

    def __init__(self):
        self.seen = []

    async def __call__(self, scope, receive, send):
        self.seen.append(scope)
        await accept(receive, send)
        await receive()


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_the_scope_has_every_key_of_asgi(http):
    if http == "httptools":
        pytest.importorskip("httptools")
    app = Scopes()
    async with serving(app, http=http, root_path="/mount") as site:
        headers = ["X-Twice: a", "X-Twice: é", "Sec-WebSocket-Protocol: chat, superchat"]
        async with site.opened("/a%20b/%C3%A9?x=1&y=%20", headers) as client:
            peer = client.writer.get_extra_info("sockname")
    [scope] = app.seen
    headers = scope.pop("headers")
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": site.address,
        "client": peer,
        "root_path": "/mount",
        "path": "/mount/a b/é",
        "raw_path": b"/mount/a%20b/%C3%A9",
        "query_string": b"x=1&y=%20",
        "subprotocols": ["chat", "superchat"],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
    assert (b"upgrade", b"websocket") in headers
    assert [value for name, value in headers if name == b"x-twice"] == [b"a", "é".encode()]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
async def test_a_unix_socket_has_a_path_and_no_client(tmp_path, lines):
    app = Scopes()
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "socket"))
    async with serving(app, sock) as site, site.opened():
        pass
    # Older releases of uvicorn do not say.
    assert app.seen[0]["server"] in ((str(tmp_path / "socket"), None), None)
    assert app.seen[0]["client"] is None
    assert ' - "WebSocket /" [accepted]' in lines()


async def test_each_connection_has_its_own_copy_of_the_lifespan_state():
    app = Scopes()

    async def with_lifespan(scope, receive, send):
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        scope["state"]["database"] = 1
        while (event := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{event['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async with serving(with_lifespan, lifespan="off") as site:
        site.server.lifespan.state["database"] = 1
        async with site.opened(), site.opened():
            pass
    first, second = (scope["state"] for scope in app.seen)
    assert first == second == {"database": 1}
    assert first is not second


@pytest.fixture
def certificate_files(authority):
    """What uvicorn wants to know of a certificate for localhost."""
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    with (
        certificate.private_key_pem.tempfile() as key,
        certificate.cert_chain_pems[0].tempfile() as chain,
    ):
        yield {"ssl_keyfile": key, "ssl_certfile": chain}


async def test_the_scheme_of_tls_is_wss(certificate_files, client_tls):
    app = Scopes()
    async with (
        serving(app, **certificate_files) as site,
        site.opened(ssl=client_tls, server_hostname="localhost") as client,
    ):
        await client.send_close()
        assert await client.recv_close() == (1000, "")
    assert app.seen[0]["scheme"] == "wss"
    assert app.seen[0]["client"] is not None


async def test_messages_pass_over_tls(certificate_files, client_tls):
    text = "é" * 200_000
    async with (
        serving(echo, **certificate_files) as site,
        site.opened(ssl=client_tls, server_hostname="localhost") as client,
    ):
        for payload in ("short", text, "short"):
            await client.send(TEXT, payload)
            assert (await client.recv()).payload == payload.encode()


async def test_accepting_sends_the_servers_headers_and_those_of_the_app(lines):
    async def app(scope, receive, send):
        headers = [(b"x-app", b"1"), (b"set-cookie", b"a=b"), (b"set-cookie", b"c=d")]
        await accept(receive, send, headers=headers, subprotocol="superchat")
        await receive()

    async with (
        serving(app) as site,
        site.opened(headers=["Sec-WebSocket-Protocol: chat, superchat"]) as client,
    ):
        headers = client.headers
    assert headers["server"] == "uvicorn"
    assert "date" in headers
    assert headers["x-app"] == "1"
    assert headers["set-cookie"] == "c=d"
    assert headers["sec-websocket-protocol"] == "superchat"
    assert any(line.endswith('- "WebSocket /" [accepted]') for line in lines())


async def test_no_subprotocol_is_chosen_for_the_app():
    async with (
        serving(echo) as site,
        site.opened(headers=["Sec-WebSocket-Protocol: chat"]) as client,
    ):
        assert "sec-websocket-protocol" not in client.headers


@pytest.mark.parametrize("wanted", [True, False])
async def test_compression_is_agreed_to_unless_it_is_turned_off(wanted):
    offer = ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"]
    async with (
        serving(echo, ws_per_message_deflate=wanted) as site,
        site.opened(headers=offer) as client,
    ):
        assert ("sec-websocket-extensions" in client.headers) is wanted


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-bad", b"a\r\nset-cookie: b")],
        [(b"bad name", b"a")],
        [(b"sec-websocket-accept", b"mine")],
        [(b"Sec-WebSocket-Extensions", b"permessage-deflate")],
    ],
)
async def test_headers_that_would_break_the_handshake_are_the_apps_error(headers, lines):
    async def app(scope, receive, send):
        await accept(receive, send, headers=headers)

    async with serving(app) as site, site.client() as client:
        await client.send_request()
        status, _, body = await client.response()
    assert (status, body) == (500, b"Internal Server Error")
    assert "Exception in ASGI application\n" in lines()
    assert not any("accepted" in line for line in lines())


@pytest.mark.parametrize(
    ("request_lines", "reason"),
    [
        ("Sec-WebSocket-Version: 13\r\n", "missing Sec-WebSocket-Key header"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "missing Sec-WebSocket-Version"),
        (
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
            "invalid Sec-WebSocket-Key header",
        ),
    ],
)
async def test_a_bad_request_never_reaches_the_app(request_lines, reason, lines):
    async def app(scope, receive, send):
        raise AssertionError("the app was called")

    async with serving(app) as site, site.client() as client:
        await client.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + request_lines.encode()
            + b"\r\n"
        )
        status, _, body = await client.response()
    assert status == 400
    assert reason in body.decode()
    assert any("opening handshake failed" in line and reason in line for line in lines())


async def test_an_unknown_version_is_told_which_one_is_spoken():
    async with serving(echo) as site, site.client() as client:
        await client.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n"
        )
        status, headers, _ = await client.response()
    assert (status, headers["sec-websocket-version"]) == (426, "13")


async def test_frames_that_come_before_the_app_accepts_are_kept_for_it():
    decided = asyncio.Event()

    async def app(scope, receive, send):
        await decided.wait()
        await echo(scope, receive, send)

    async with serving(app) as site, site.client() as client:
        await client.send_request()
        await until(lambda: site.server.server_state.tasks)
        await client.send(TEXT, "early")
        await client.send(TEXT, "bird")
        await asyncio.sleep(0.01)
        decided.set()
        await client.response()
        assert [(await client.recv()).payload for _ in range(2)] == [b"early", b"bird"]


async def test_a_flood_before_the_app_accepts_is_refused(lines):
    disconnected = asyncio.get_running_loop().create_future()

    async def app(scope, receive, send):
        await receive()
        disconnected.set_result(await receive())
        with pytest.raises(OSError):
            await send({"type": "websocket.accept"})

    async with serving(app) as site, site.client() as client:
        await client.send_request()
        await until(lambda: site.server.server_state.tasks)
        await client.write(bytes(80 * 1024))
        status, _, _ = await client.response()
        assert status == 400
        assert await disconnected == {"type": "websocket.disconnect", "code": 1006}
    assert any("too much data" in line for line in lines())


async def test_the_client_may_leave_before_the_app_accepts():
    outcome = asyncio.get_running_loop().create_future()

    async def app(scope, receive, send):
        await receive()
        event = await receive()
        try:
            await send({"type": "websocket.accept"})
        except OSError:
            outcome.set_result(event)

    async with serving(app) as site:
        async with site.client() as client:
            await client.send_request()
            await until(lambda: site.server.server_state.tasks)
        assert await outcome == {"type": "websocket.disconnect", "code": 1006}
