"""The benchmark of uvicorn's WebSocket classes."""

import pytest

from fastws.bench.uvicorn_echo import main

pytest.importorskip("uvicorn.config", reason="uvicorn is not installed")
pytest.importorskip("starlette")


def test_every_server_takes_part(capsys):
    assert main(["--tiny"]) == 0
    printed = capsys.readouterr().out
    assert "fastws (asyncio)" in printed
    assert "uvicorn's default (asyncio)" in printed
    assert "fastws : best peer" in printed
