"""The code of docs/rooms.md runs as it stands there, and so does the model of docs/scale.md."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re

import pytest
from connections.running import until
from processes import ROOT

from fastws.aio import connect, serve
from fastws.rooms import Hub, id_first


def blocks(page, language="python"):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def names():
    """What the page defines, each block after those before it; ports are any."""
    found = {}
    for block in blocks("rooms.md"):
        exec(compile(block.replace("8765", "0"), "docs/rooms.md", "exec"), found)
    return found


@contextlib.asynccontextmanager
async def serving(handler):
    async with serve(handler, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_the_first_server_is_a_chat(names):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        task = asyncio.ensure_future(names["main"]())
        await until(lambda: output.getvalue().endswith("\n"))
    uri = f"ws://127.0.0.1:{output.getvalue().strip()}/garden"
    async with connect(uri) as ann, connect(uri) as ben:
        await asyncio.sleep(0.05)
        await ann.send("hello")
        assert [await ws.recv() for ws in (ann, ben)] == ["hello", "hello"]
    task.cancel()
    await asyncio.wait([task])


async def test_members(names):
    async with (
        Hub() as hub,
        serving(lambda ws: names["lobby"](hub, ws, "Ann")) as uri,
        connect(uri) as ws,
    ):
        assert await ws.recv() == "1 here: Ann; you are in ['lobby', 'news']"
        await ws.send("hello")
        assert await ws.recv() == "Ann: hello"


class StarletteSocket:
    """What the page uses of one."""

    def __init__(self, texts):
        self.sent = []
        self._texts = texts

    async def accept(self):
        pass

    async def send_text(self, text):
        self.sent.append(text)

    async def send_bytes(self, data):
        raise AssertionError

    async def iter_text(self):
        for text in self._texts:
            yield text
        await until(lambda: len(self.sent) == len(self._texts))


async def test_sockets_of_starlette_and_functions(names):
    async with Hub() as hub:
        socket, lines = StarletteSocket(["one", "two"]), []
        await names["endpoint"](hub, socket)
        assert socket.sent == ["one", "two"]
        await names["log"](hub, lines.append)
        assert lines == ["written down"]


def test_a_websocket_of_starlette_is_a_receiver():
    websockets = pytest.importorskip("starlette.websockets")
    from fastws.rooms.receivers import adapt

    async def unused(*arguments):
        raise AssertionError

    scope = {"type": "websocket", "headers": []}
    adapt(websockets.WebSocket(scope, unused, unused))


async def test_history(names):
    async with names["hub_with_history"]("memory://") as hub:
        async with serving(lambda ws: names["feed"](hub, ws)) as uri:
            async with connect(uri) as ws:
                for number in range(3):
                    await ws.send(str(number))
                got = [(await ws.recv()).partition("\n") for _ in range(3)]
            assert [text for _, _, text in got] == ["0", "1", "2"]
            async with connect(f"{uri}/?last={got[0][0]}") as ws:
                assert [(await ws.recv()).partition("\n") for _ in range(2)] == got[1:]
            async with connect(uri) as ws:
                assert [(await ws.recv()).partition("\n") for _ in range(3)] == got
            async with connect(f"{uri}/?last=1-1") as ws:
                while (await ws.recv()) != "reload":
                    pass
        assert hub._stamp is id_first


async def test_carefulness(names):
    async with (
        Hub() as hub,
        serving(lambda ws: names["careful"](hub, ws)) as uri,
        connect(uri) as ws,
    ):
        await ws.send("hello")
        assert await ws.recv() == "hello"


async def test_figures(names):
    async def handler(ws):
        async with hub.join(ws, "a"):
            await ws.wait_closed()

    async with Hub() as hub, names["serve_with_figures"](hub, handler) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}"):
            await until(lambda: hub.stats().receivers == 1)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            text = (await reader.read()).decode()
            writer.close()
            await writer.wait_closed()
        for name in ("fastws_connections", "fastws_hub_receivers"):
            assert re.search(rf'^{name}{{process="\d+"}} 1$', text, re.MULTILINE), text
        assert "# TYPE fastws_messages_sent counter" in text
        assert text.endswith("# EOF\n")


def test_the_model_of_scale_gives_what_the_page_says():
    [model] = blocks("scale.md")
    names = {}
    exec(compile(model, "docs/scale.md", "exec"), names)
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    for line in names["report"]().splitlines():
        assert line in page
