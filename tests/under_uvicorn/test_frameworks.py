"""Starlette, FastAPI and Django Channels, and uvicorn as its users start it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fastws.aio import connect
from fastws.errors import InvalidStatus

from .serving import WS, serving

ROOT = Path(__file__).parent.parent.parent


async def talk(site, path="/"):
    """What every framework's echo has to answer."""
    async with connect(site.url(path)) as ws:
        for message in ("héllo", "", "x" * 70_000):
            await ws.send(message)
            assert await ws.recv() == message
    return ws


async def test_starlette():
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocketDisconnect

    left = []

    async def echo(websocket):
        await websocket.accept()
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect as error:
            left.append(error.code)

    async def deny(websocket):
        await websocket.send_denial_response(PlainTextResponse("no", status_code=402))

    async def deny_slowly(websocket):
        parts = (part async for part in _parts())
        await websocket.send_denial_response(StreamingResponse(parts, status_code=429))

    async def _parts():
        for part in ("a", "b", "c"):
            yield part

    routes = [
        WebSocketRoute("/", echo),
        WebSocketRoute("/deny", deny),
        WebSocketRoute("/slowly", deny_slowly),
    ]
    async with serving(Starlette(routes=routes)) as site:
        await talk(site)
        for path, status, body in (("/deny", 402, b"no"), ("/slowly", 429, b"abc")):
            with pytest.raises(InvalidStatus) as refused:
                await connect(site.url(path))
            assert refused.value.response.status_code == status
            assert refused.value.response.body == body
        with pytest.raises(InvalidStatus, match="403"):
            await connect(site.url("/nowhere"))
    assert left == [1000]


async def test_fastapi():
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()

    async def token(websocket: fastapi.WebSocket):
        return websocket.query_params["token"]

    @app.websocket("/{room}")
    async def echo(websocket: fastapi.WebSocket, room: str, token: str = fastapi.Depends(token)):
        await websocket.accept(headers=[(b"x-room", f"{room} {token}".encode())])
        async for message in websocket.iter_text():
            await websocket.send_text(message)

    async with serving(app) as site:
        ws = await talk(site, "/lobby?token=t")
        assert ws.response.headers["x-room"] == "lobby t"
        with pytest.raises(InvalidStatus, match="500"):
            await connect(site.url("/lobby"))  # the dependency fails


@pytest.fixture(scope="session")
def channels():
    """Django and Channels, set up, with the thread that they never end already running."""
    pytest.importorskip("channels")
    from asgiref.sync import sync_to_async
    from django.conf import settings

    layers = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    settings.configure(CHANNEL_LAYERS=layers)
    asyncio.run(sync_to_async(int)())


async def test_django_channels(channels):
    from channels.generic.websocket import AsyncWebsocketConsumer
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.urls import path

    left = asyncio.get_running_loop().create_future()

    class Echo(AsyncWebsocketConsumer):
        groups = ("everybody",)

        async def receive(self, text_data=None, bytes_data=None):
            event = {"type": "tell", "text": text_data}
            await self.channel_layer.group_send("everybody", event)

        async def tell(self, event):
            await self.send(text_data=event["text"])

        async def disconnect(self, code):
            left.set_result(code)

    app = ProtocolTypeRouter({"websocket": URLRouter([path("echo/", Echo.as_asgi())])})
    async with serving(app) as site:
        await talk(site, "/echo/")
        assert await asyncio.wait_for(left, 5) == 1000


@pytest.mark.skipif(os.name != "posix", reason="sends SIGTERM")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_command_line_serves_and_shuts_down(loop, tmp_path):
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    (tmp_path / "program.py").write_text(
        "from under_uvicorn.serving import echo as app\n", encoding="utf-8"
    )
    path = os.pathsep.join(map(str, [ROOT, ROOT / "tests"]))
    command = ["uvicorn", "program:app", "--ws", WS, "--port", "0", "--loop", loop]
    with subprocess.Popen(
        [sys.executable, "-m", *command, "--app-dir", str(tmp_path), "--lifespan", "off"],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        try:
            while b"running on" not in (line := process.stderr.readline()):
                assert line, "uvicorn ended"
            port = int(line.split(b":")[-1].split()[0])
            assert asyncio.run(_until_restart(port, process)) == 1012
            log = process.stderr.read().decode()
            assert process.wait(10) in (0, -signal.SIGTERM)
        finally:
            process.kill()
    assert '"WebSocket /a" [accepted]' in log
    assert "Traceback" not in log


async def _until_restart(port, process):
    async with connect(f"ws://127.0.0.1:{port}/a") as ws:
        await ws.send("x")
        assert await ws.recv() == "x"
        process.send_signal(signal.SIGTERM)
        await ws.wait_closed()
        return ws.close_code
