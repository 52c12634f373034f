"""Our servers behind nginx as a reverse proxy, with our clients in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import os
import queue
import shutil
import socket
import subprocess
import threading
import time

import pytest
from pages.blocks import ROOT, read_blocks

from fastws import aio, sync
from fastws.errors import ConnectionClosed, ConnectionClosedError, InvalidStatus

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
SECONDS = 20  # for one step; nothing here takes as long
TEST_SECONDS = 60
IDLE_SECONDS = 1  # how long the proxy lets a connection be silent
MIB = 1024 * 1024

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

[PAGE] = [
    block.code
    for block in read_blocks((ROOT / "docs/guides/proxies.md").read_text(encoding="utf-8"))
    if block.language == "nginx"
]

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/client_body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {page}
}}
"""


class Nginx:
    """A proxy in front of one server; leave the ``with`` block and it is gone."""

    def __init__(self, folder, backend, idle_seconds=60):
        self._folder = folder
        self._backend = backend
        self._idle_seconds = idle_seconds

    def __enter__(self):
        for _ in range(5):  # somebody may take the port before nginx does
            with socket.create_server(("127.0.0.1", 0)) as sock:
                self.port = sock.getsockname()[1]
            configuration = self._folder / "nginx.conf"
            configuration.write_text(CONFIGURATION.format(folder=self._folder, page=self._page()))
            self._process = subprocess.Popen(
                [NGINX, "-p", self._folder, "-c", configuration, "-e", "error.log"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if self._answers():
                return self
            self._end()
        raise AssertionError((self._folder / "error.log").read_text())

    def _page(self):
        """Return what docs/guides/proxies.md says, for the addresses and times of a test."""
        configuration = PAGE
        for theirs, ours in (
            ("listen 80;", f"listen 127.0.0.1:{self.port};"),
            ("127.0.0.1:8765;", f"{self._backend};"),
            ("timeout 60s;", f"timeout {self._idle_seconds}s;"),
        ):
            assert theirs in configuration
            configuration = configuration.replace(theirs, ours)
        return configuration

    def _answers(self):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self._process.poll() is None
            time.sleep(0.02)
        return False

    def __exit__(self, *exc_info):
        self._end()

    def _end(self):
        self._process.terminate()
        try:
            self._process.wait(SECONDS)
        finally:
            self._process.kill()
            self._process.wait()

    @property
    def uri(self):
        return f"ws://127.0.0.1:{self.port}"

    def request(self, method, path):
        """Return status, headers and body of a plain HTTP request through the proxy."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.headers, response.read()


class Notes:
    """What the server saw."""

    def __init__(self):
        self.requests = []
        self.closed = queue.Queue()

    def process_request(self, connection, request):
        self.requests.append(request)
        if request.path == "/health":
            return connection.respond(200, "fine\n")
        return None

    def note_close(self, error):
        self.closed.put((error.rcvd and (error.rcvd.code, error.rcvd.reason), error.rcvd_then_sent))

    async def aio_handler(self, ws):
        try:
            while True:
                message = await ws.recv()
                if message == "close":
                    await ws.close(4002, "as you like")
                await ws.send(message)
        except ConnectionClosed as error:
            self.note_close(error)

    def sync_handler(self, ws):
        try:
            while True:
                message = ws.recv()
                if message == "close":
                    ws.close(4002, "as you like")
                ws.send(message)
        except ConnectionClosed as error:
            self.note_close(error)


class Blocking:
    """A blocking connection with the methods of an asyncio one, so that scenarios run on both."""

    def __init__(self, ws):
        self._ws = ws

    def __getattr__(self, name):
        return getattr(self._ws, name)

    async def send(self, *args):
        await asyncio.to_thread(self._ws.send, *args)

    async def recv(self):
        return await asyncio.to_thread(self._ws.recv, timeout=SECONDS)

    async def close(self, *args):
        await asyncio.to_thread(self._ws.close, *args)


class Setup:
    """A server of ours, nginx, and clients of ours, all from asyncio or all blocking."""

    def __init__(self, api, folder, unix):
        self._api = api
        self._folder = folder
        self._path = str(folder / "backend") if unix else None

    @contextlib.asynccontextmanager
    async def __call__(self, idle_seconds=60, **options):
        """Yield the proxy, what the server notes, and the server."""
        notes = Notes()
        options["process_request"] = notes.process_request
        async with getattr(self, f"_serve_{self._api}")(notes, options) as (server, address):
            backend = f"unix:{self._path}" if self._path else f"127.0.0.1:{address[1]}"
            with Nginx(self._folder, backend, idle_seconds) as nginx:
                yield nginx, notes, server

    @contextlib.asynccontextmanager
    async def _serve_aio(self, notes, options):
        if self._path:
            serving = aio.unix_serve(notes.aio_handler, self._path, **options)
        else:
            serving = aio.serve(notes.aio_handler, "127.0.0.1", 0, **options)
        async with serving as server:
            yield server, server.sockets[0].getsockname()

    @contextlib.asynccontextmanager
    async def _serve_sync(self, notes, options):
        if self._path:
            server = sync.unix_serve(notes.sync_handler, self._path, **options)
        else:
            server = sync.serve(notes.sync_handler, "127.0.0.1", 0, **options)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server, server.socket.getsockname()
        finally:
            await asyncio.to_thread(server.shutdown)
            thread.join()

    @contextlib.asynccontextmanager
    async def connect(self, uri, **options):
        if self._api == "aio":
            async with aio.connect(uri, proxy=None, **options) as ws:
                yield ws
            return
        ws = await asyncio.to_thread(functools.partial(sync.connect, uri, proxy=None, **options))
        try:
            yield Blocking(ws)
        finally:
            await asyncio.to_thread(ws.close)


@pytest.fixture(params=["aio", "sync"])
def api(request):
    return request.param


@pytest.fixture
def behind_nginx(api, tmp_path):
    return Setup(api, tmp_path, unix=False)


@pytest.fixture
def behind_nginx_on_unix_socket(api, tmp_path):
    return Setup(api, tmp_path, unix=True)


def in_time(test):
    """Run a test's coroutine, but not for ever."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        async def guarded():
            await asyncio.wait_for(test(*args, **kwargs), TEST_SECONDS)

        asyncio.run(guarded())

    return run


async def closing(ws):
    """Return the exception that tells how the connection ended."""
    with pytest.raises(ConnectionClosed) as raised:
        await asyncio.wait_for(ws.recv(), SECONDS)
    return raised.value


async def noted_close(notes):
    return await asyncio.to_thread(notes.closed.get, timeout=SECONDS)


async def echoes(ws):
    for message in ("", b"", "naïve 你好 😀", b"\x00\xff" * 100, "x" * MIB, os.urandom(MIB)):
        await ws.send(message)
        assert await asyncio.wait_for(ws.recv(), SECONDS) == message


@pytest.mark.parametrize("compression", ["deflate", None])
@in_time
async def test_messages_of_any_size_come_back(behind_nginx, compression):
    async with (
        behind_nginx(compression=compression) as (nginx, _, _),
        behind_nginx.connect(nginx.uri) as ws,
    ):
        assert (ws.protocol.extension is not None) == (compression is not None)
        await echoes(ws)
        await ws.send(["in ", "fragments"])
        assert await ws.recv() == "in fragments"


@in_time
async def test_messages_come_back_from_a_unix_socket(behind_nginx_on_unix_socket):
    setup = behind_nginx_on_unix_socket
    async with setup() as (nginx, _, _), setup.connect(nginx.uri) as ws:
        await echoes(ws)


@in_time
async def test_the_server_sees_what_the_proxy_adds(behind_nginx):
    async with (
        behind_nginx(subprotocols=["chat"]) as (nginx, notes, _),
        behind_nginx.connect(
            f"{nginx.uri}/room/1?name=%C3%A4&x=1",
            subprotocols=["other", "chat"],
            origin="http://example.com",
            additional_headers={"X-Ours": "kept"},
        ) as ws,
    ):
        assert ws.subprotocol == "chat"
        (request,) = notes.requests
        assert request.path == "/room/1?name=%C3%A4&x=1"
        headers = request.headers
        assert headers["Host"] == f"127.0.0.1:{nginx.port}"
        assert headers["X-Real-IP"] == headers["X-Forwarded-For"] == "127.0.0.1"
        assert headers["X-Forwarded-Proto"] == "http"
        assert headers["X-Ours"] == "kept"
        assert headers["Origin"] == "http://example.com"


@in_time
async def test_the_clients_close_code_reaches_the_server(behind_nginx):
    async with behind_nginx() as (nginx, notes, _), behind_nginx.connect(nginx.uri) as ws:
        await ws.close(4001, "bye")
        assert (ws.close_code, ws.close_reason) == (4001, "bye")
        assert await noted_close(notes) == ((4001, "bye"), True)


@in_time
async def test_the_servers_close_code_reaches_the_client(behind_nginx):
    async with behind_nginx() as (nginx, notes, _), behind_nginx.connect(nginx.uri) as ws:
        await ws.send("close")
        error = await closing(ws)
        assert (error.rcvd.code, error.rcvd.reason) == (4002, "as you like")
        assert await noted_close(notes) == ((4002, "as you like"), False)


@in_time
async def test_a_server_that_ends_says_goodbye_through_the_proxy(behind_nginx):
    async with behind_nginx() as (nginx, _, server), behind_nginx.connect(nginx.uri) as ws:
        ending = asyncio.create_task(asyncio.to_thread(server.close)) if _blocking(ws) else None
        if ending is None:
            server.close()
        error = await closing(ws)
        assert error.rcvd.code == 1001
        if ending is not None:
            await ending


def _blocking(ws):
    return isinstance(ws, Blocking)


@in_time
async def test_a_message_past_the_limit_closes_with_1009(behind_nginx):
    async with (
        behind_nginx(max_size=1000, compression=None) as (nginx, _, _),
        behind_nginx.connect(nginx.uri) as ws,
    ):
        await ws.send("x" * 100_000)
        assert (await closing(ws)).rcvd.code == 1009


@pytest.mark.parametrize("who", ["server", "client"])
@in_time
async def test_pings_keep_an_idle_connection_open(behind_nginx, who):
    often, never = {"ping_interval": IDLE_SECONDS / 4}, {"ping_interval": None}
    ours, theirs = (often, never) if who == "server" else (never, often)
    async with (
        behind_nginx(idle_seconds=IDLE_SECONDS, **ours) as (nginx, _, _),
        behind_nginx.connect(nginx.uri, **theirs) as ws,
    ):
        # Pings are sent, and answered, while somebody receives.
        with pytest.raises(TimeoutError):
            await _receive_for(ws, 2.5 * IDLE_SECONDS)
        await ws.send("still here")
        assert await ws.recv() == "still here"


async def _receive_for(ws, seconds):
    if _blocking(ws):
        await asyncio.to_thread(ws._ws.recv, timeout=seconds)
        return
    try:
        await asyncio.wait_for(ws.recv(), seconds)
    except asyncio.TimeoutError:
        raise TimeoutError from None  # another class, on Python 3.10


@in_time
async def test_both_sides_notice_when_the_proxy_cuts_an_idle_connection(behind_nginx):
    async with (
        behind_nginx(idle_seconds=IDLE_SECONDS, ping_interval=None) as (nginx, notes, _),
        behind_nginx.connect(nginx.uri, ping_interval=None) as ws,
    ):
        error = await closing(ws)
        assert type(error) is ConnectionClosedError
        assert ws.close_code == 1006
        assert await noted_close(notes) == (None, None)


@in_time
async def test_a_health_check_gets_a_plain_answer(behind_nginx):
    async with behind_nginx() as (nginx, notes, _):
        status, headers, body = await asyncio.to_thread(nginx.request, "GET", "/health")
        assert (status, body) == (200, b"fine\n")
        assert headers["Content-Length"] == "5"
        status, _, body = await asyncio.to_thread(nginx.request, "HEAD", "/health")
        assert (status, body) == (200, b"")
        assert [request.path for request in notes.requests] == ["/health"] * 2
        # The server goes on as before.
        async with behind_nginx.connect(nginx.uri) as ws:
            await ws.send("x")
            assert await ws.recv() == "x"


@in_time
async def test_a_request_that_is_no_upgrade_gets_426(behind_nginx):
    async with behind_nginx() as (nginx, _, _):
        status, headers, _ = await asyncio.to_thread(nginx.request, "GET", "/")
        assert status == 426
        assert headers["Upgrade"] == "websocket"


@in_time
async def test_a_proxy_without_a_server_is_an_invalid_status(behind_nginx, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        unused = sock.getsockname()[1]
    with Nginx(tmp_path, f"127.0.0.1:{unused}") as nginx:
        with pytest.raises(InvalidStatus) as raised:
            async with behind_nginx.connect(nginx.uri):
                pass
        assert raised.value.response.status_code == 502
        assert b"nginx" in raised.value.response.body
