"""Our connections with Node's ws package, either side of them, from asyncio and blocking code."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from fastws import aio, sync
from fastws.deflate import Deflate
from fastws.errors import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from fastws.frames import Role

WS_PACKAGE = "ws@8"
INSTALL_SECONDS = 120
SECONDS = 20  # for one step; nothing here takes as long
TEST_SECONDS = 60

PEER = Path(__file__).with_name("node_peer.js")
TEXT = "naïve Grüße, 你好, 😀"
MIB = 1024 * 1024

# Ours, Node's, and what the negotiation should come to.
COMPRESSIONS = {
    "none": (None, False, ()),
    "default": ("deflate", {"threshold": 0}, ("permessage-deflate",)),
    "no-context": (
        Deflate(server_no_context_takeover=True, client_no_context_takeover=True, threshold=0),
        {"threshold": 0, "serverNoContextTakeover": True, "clientNoContextTakeover": True},
        ("server_no_context_takeover", "client_no_context_takeover"),
    ),
    "small-windows": (
        Deflate(server_max_window_bits=10, client_max_window_bits=10, threshold=0),
        {"threshold": 0, "serverMaxWindowBits": 9, "clientMaxWindowBits": 9},
        ("server_max_window_bits=9", "client_max_window_bits=9"),
    ),
}


@pytest.fixture(scope="session")
def ws_package(tmp_path_factory):
    """Where `require("ws")` finds the package."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), WS_PACKAGE]
    try:
        npm = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip("npm cannot install ws in time")
    if npm.returncode:
        pytest.skip(f"npm cannot install ws: {npm.stderr.strip().splitlines()[-1:]}")
    return folder / "node_modules"


class Node:
    """A process of ``node_peer.js``; leave the ``with`` block and it is gone."""

    def __init__(self, ws_package, port, options, subprotocols=()):
        options = {"perMessageDeflate": False, **options}
        self._process = subprocess.Popen(
            ["node", str(PEER), str(port), json.dumps(options), *subprotocols],
            env={**os.environ, "NODE_PATH": str(ws_package)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._reports = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._reports.put(json.loads(line))

    async def report(self, key):
        """Return the next report, which must be about this."""
        report = await asyncio.to_thread(self._reports.get, timeout=SECONDS)
        assert list(report) == [key], report
        return report[key]

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._process.stdin.close()
        try:
            self._process.wait(SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            self._process.stdout.close()


class Blocking:
    """A blocking connection with the methods of an asyncio one, so that scenarios run on both."""

    def __init__(self, ws):
        self._ws = ws

    def __getattr__(self, name):
        return getattr(self._ws, name)

    async def send(self, *args, **kwargs):
        self._ws.send(*args, **kwargs)

    async def recv(self):
        return self._ws.recv(timeout=SECONDS)

    async def ping(self, data):
        answered = self._ws.ping(data)

        async def wait():
            while not answered.is_set():
                # Only who receives sees a pong.
                with contextlib.suppress(TimeoutError):
                    raise AssertionError(self._ws.recv(timeout=0.01))
            return self._ws.latency

        return wait()

    async def close(self, *args):
        self._ws.close(*args)


class Meeting:
    """How our side and Node's come together: who connects, and which of our APIs it is."""

    def __init__(self, ws_package, role, api):
        self.role = role
        self._node = functools.partial(Node, ws_package)
        self._api = api

    @contextlib.asynccontextmanager
    async def __call__(self, node_options=None, subprotocols=(), **options):
        """Yield our connection and Node, which must have no errors that the test does not take."""
        with contextlib.ExitStack() as stack:
            start_node = functools.partial(self._start, stack, node_options or {}, subprotocols)
            if subprotocols:
                options["subprotocols"] = subprotocols
            opened = getattr(self, f"_{self._api}_{self.role.name.lower()}")
            async with opened(start_node, options) as ws:
                yield ws, self._started
            assert self._started._reports.empty(), self._started._reports.get()

    def _start(self, stack, node_options, subprotocols, port):
        if port == 0:
            subprotocols = ()
        self._started = stack.enter_context(self._node(port, node_options, subprotocols))
        return self._started

    @contextlib.asynccontextmanager
    async def _aio_client(self, start_node, options):
        port = await start_node(0).report("port")
        async with aio.connect(f"ws://127.0.0.1:{port}/", proxy=None, **options) as ws:
            yield ws

    @contextlib.asynccontextmanager
    async def _aio_server(self, start_node, options):
        connections = asyncio.Queue()
        done = asyncio.Event()

        async def handler(ws):
            connections.put_nowait(ws)
            await done.wait()

        async with aio.serve(handler, "127.0.0.1", 0, **options) as server:
            start_node(server.sockets[0].getsockname()[1])
            try:
                yield await asyncio.wait_for(connections.get(), SECONDS)
            finally:
                done.set()

    @contextlib.asynccontextmanager
    async def _sync_client(self, start_node, options):
        port = await start_node(0).report("port")
        with sync.connect(f"ws://127.0.0.1:{port}/", proxy=None, **options) as ws:
            yield Blocking(ws)

    @contextlib.asynccontextmanager
    async def _sync_server(self, start_node, options):
        connections = queue.Queue()
        done = threading.Event()

        def handler(ws):
            connections.put(ws)
            done.wait()

        with sync.serve(handler, "127.0.0.1", 0, **options) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                start_node(server.socket.getsockname()[1])
                yield Blocking(connections.get(timeout=SECONDS))
            finally:
                done.set()
                server.shutdown()
                thread.join()


@pytest.fixture(params=["aio", "sync"])
def api(request):
    return request.param


@pytest.fixture
def meet(ws_package, role, api):
    return Meeting(ws_package, role, api)


def in_time(test):
    """Run a test's coroutine, but not for ever."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        async def guarded():
            await asyncio.wait_for(test(*args, **kwargs), TEST_SECONDS)

        asyncio.run(guarded())

    return run


async def ask(ws, command, argument=None):
    await ws.send("!" + json.dumps([command, argument]))


async def closing(ws):
    """Return the exception that tells how the connection ended."""
    with pytest.raises(ConnectionClosed) as raised:
        await asyncio.wait_for(ws.recv(), SECONDS)
    return raised.value


@pytest.mark.parametrize("compression", COMPRESSIONS)
@in_time
async def test_messages_come_back_as_they_were_sent(meet, compression):
    ours, node_deflate, negotiated = COMPRESSIONS[compression]
    options = {"perMessageDeflate": node_deflate}
    async with meet(options, compression=ours, max_size=MIB) as (ws, node):
        extensions = "permessage-deflate" if negotiated else ""
        assert (await node.report("open"))["extensions"] == extensions
        header = ws.response.headers.get("Sec-WebSocket-Extensions", "")
        assert all(parameter in header for parameter in negotiated)
        for message in ("", b"", "x", b"\x00", TEXT, "ä" * (MIB // 2), os.urandom(MIB)):
            await ws.send(message)
            assert await asyncio.wait_for(ws.recv(), SECONDS) == message
        # The same again and again is what a kept context is for; a wrong one would show here.
        for number in range(200):
            message = f"{TEXT} {number % 7} " * 10
            await ws.send(message)
            assert await asyncio.wait_for(ws.recv(), SECONDS) == message
        await ws.close()
        assert await node.report("close") == [1000, ""]


@pytest.mark.parametrize("compression", ["none", "default"])
@in_time
async def test_fragments_make_one_message_on_the_other_side(meet, compression):
    ours, node_deflate, _ = COMPRESSIONS[compression]
    async with meet({"perMessageDeflate": node_deflate}, compression=ours) as (ws, node):
        await node.report("open")
        await ws.send([TEXT, "", "more"])
        assert await ws.recv() == TEXT + "more"
        await ws.send([b"a", bytearray(b"b" * 1000), memoryview(b"c")])
        assert await ws.recv() == b"a" + b"b" * 1000 + b"c"
        # Cut in the middle of a character.
        encoded = TEXT.encode()
        parts = [encoded[:3], encoded[3:-2], b"", encoded[-2:]]
        await ask(ws, "textFragments", [part.hex() for part in parts])
        assert await ws.recv() == TEXT
        await ask(ws, "binaryFragments", [b"1".hex(), b"2".hex(), ""])
        assert await ws.recv() == b"12"
        await ws.close()
        await node.report("close")


@in_time
async def test_pings_are_answered_on_both_sides(meet):
    async with meet() as (ws, node):
        await node.report("open")
        pong = await ws.ping("are you there?")
        assert 0 < await asyncio.wait_for(pong, SECONDS) < SECONDS
        assert await node.report("ping") == "are you there?"
        await ask(ws, "ping", "and you?")
        await ws.send("after the ping")
        assert await ws.recv() == "after the ping"
        assert await node.report("pong") == "and you?"
        # Nobody asked for these.
        await ask(ws, "pong", "unasked")
        if isinstance(ws, Blocking):
            ws.pong("unasked")
        else:
            await ws.pong("unasked")
        assert await node.report("pong") == "unasked"
        await ws.close()
        await node.report("close")


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "going"), (3000, TEXT), (4999, "x" * 123)]
)
@in_time
async def test_our_close_code_and_reason_arrive(meet, code, reason):
    async with meet() as (ws, node):
        await node.report("open")
        await ws.close(code, reason)
        assert await node.report("close") == [code, reason]
        assert (ws.close_code, ws.close_reason) == (code, reason)
        error = await closing(ws)
        assert error.rcvd_then_sent is False


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (1000, "done", ConnectionClosedOK),
        (1001, "", ConnectionClosedOK),
        (1011, "broken", ConnectionClosedError),
        (1013, "", ConnectionClosedError),
        pytest.param(4000, "😀" * 30, ConnectionClosedError, id="long"),
    ],
)
@in_time
async def test_their_close_code_and_reason_arrive(meet, code, reason, kind):
    async with meet() as (ws, node):
        await node.report("open")
        await ask(ws, "close", [code, reason])
        error = await closing(ws)
        assert type(error) is kind
        assert (error.rcvd.code, error.rcvd.reason, error.rcvd_then_sent) == (code, reason, True)
        assert await node.report("close") == [code, reason]


@in_time
async def test_a_close_without_a_code_is_1005(meet):
    async with meet() as (ws, node):
        await node.report("open")
        await ask(ws, "close", [])
        assert type(await closing(ws)) is ConnectionClosedOK
        assert ws.close_code == 1005
        assert await node.report("close") == [1005, ""]


@in_time
async def test_a_lost_connection_is_1006(meet):
    async with meet() as (ws, node):
        await node.report("open")
        await ask(ws, "terminate")
        assert type(await closing(ws)) is ConnectionClosedError
        assert ws.close_code == 1006
        assert await node.report("close") == [1006, ""]


@pytest.mark.parametrize("compression", ["none", "default"])
@in_time
async def test_many_messages_keep_their_order(meet, compression):
    ours, node_deflate, _ = COMPRESSIONS[compression]
    async with meet({"perMessageDeflate": node_deflate}, compression=ours) as (ws, node):
        await node.report("open")
        await ask(ws, "repeat", [3000, "from Node"])
        for number in range(3000):
            assert await ws.recv() == f"from Node {number}"
        for start in range(0, 3000, 100):
            for number in range(start, start + 100):
                await ws.send(f"from here {number}")
            for number in range(start, start + 100):
                assert await ws.recv() == f"from here {number}"
        await ws.close()
        await node.report("close")


@in_time
async def test_their_limit_closes_with_1009(meet):
    async with meet({"maxPayload": 1000}) as (ws, node):
        await node.report("open")
        await ws.send(b"x" * 1000)
        assert await ws.recv() == b"x" * 1000
        await ws.send(b"x" * 1001)
        assert (await closing(ws)).rcvd.code == 1009
        assert await node.report("error") == "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"
        assert (await node.report("close"))[0] == 1006


@pytest.mark.parametrize("compression", ["none", "default"])
@in_time
async def test_our_limit_closes_with_1009(meet, compression):
    ours, node_deflate, _ = COMPRESSIONS[compression]
    options = {"perMessageDeflate": node_deflate}
    async with meet(options, compression=ours, max_size=1000) as (ws, node):
        await node.report("open")
        await ask(ws, "send", 1000)
        assert await ws.recv() == b"b" * 1000
        await ask(ws, "send", 1001)
        assert (await closing(ws)).sent.code == 1009
        assert (await node.report("close"))[0] == 1009


@in_time
async def test_text_that_is_not_utf8_closes_with_1007(meet):
    async with meet() as (ws, node):
        await node.report("open")
        await ask(ws, "textFragments", [b"fine".hex(), b"\xc3\x28".hex()])
        assert (await closing(ws)).sent.code == 1007
        assert (await node.report("close"))[0] == 1007


@in_time
async def test_a_wrong_mask_bit_closes_with_1002(meet):
    async with meet() as (ws, node):
        await node.report("open")
        await ask(ws, "wrongMask", ws.protocol.role is Role.CLIENT)
        assert (await closing(ws)).sent.code == 1002
        assert (await node.report("close"))[0] == 1002


@in_time
async def test_subprotocols_are_agreed_on(meet):
    async with meet(subprotocols=["chat", "superchat"]) as (ws, node):
        assert ws.subprotocol == "chat"
        assert (await node.report("open"))["subprotocol"] == "chat"
        await ws.close()
        await node.report("close")
