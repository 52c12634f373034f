"""Every example, run as its first lines say."""

import ast
import json
import os
import signal
import sys

import pytest
from processes import ROOT, SECONDS, Process

from fastws.sync import connect

EXAMPLES = ROOT / "examples"
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py"))
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def example(name, *arguments):
    return Process(EXAMPLES / name, *arguments)


def address(process):
    """Where a server says that it is."""
    return process.line().rpartition(" ")[2].replace("http", "ws", 1)


@pytest.mark.parametrize("name", ["echo_asyncio.py", "echo_blocking.py"])
def test_echo(name):
    with example(name, 0) as process, connect(address(process)) as ws:
        for message in ("Hello", b"\x00\xff"):
            ws.send(message)
            assert ws.recv(timeout=SECONDS) == message


def test_ticker_tells_everyone_the_same():
    with example("ticker.py", 0) as process:
        uri = address(process)
        with connect(uri) as one, connect(uri) as other:
            told = [other.recv(timeout=SECONDS) for _ in range(3)]
            assert set(told) <= {one.recv(timeout=SECONDS) for _ in range(6)}
            assert json.loads(told[0]).keys() == {"time", "price"}


def test_chat_keeps_rooms_apart():
    with example("chat.py", 0) as process:
        uri = address(process)
        with connect(uri) as ann, connect(uri) as ben, connect(uri + "garden") as cleo:
            for ws in (cleo, ann):
                ws.send("hello")
            ben.send("hello Ann")
            assert cleo.recv(timeout=SECONDS) == "hello"
            for ws in (ann, ben):
                assert [ws.recv(timeout=SECONDS) for _ in "12"] == ["hello", "hello Ann"]
            with pytest.raises(TimeoutError):
                cleo.recv(timeout=0.05)


def test_client_blocking():
    with (
        example("echo_blocking.py", 0) as server,
        example("client_blocking.py", address(server)) as client,
    ):
        code, output, errors = client.end()
        assert (code, errors) == (0, [])
        assert output[0].startswith("Hello came back after ")
        assert output[3].startswith("100000 bytes came back after ")


# Runs a program that waits less before it connects again, up to five seconds otherwise.
IMPATIENTLY = """
import itertools, runpy, sys
from fastws.aio import connect
connect.__init__.__kwdefaults__["reconnect_delays"] = lambda: itertools.repeat(0.02)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_client_asyncio_comes_back():
    with example("ticker.py", 0) as server:
        uri = address(server)
        with Process("-c", IMPATIENTLY, EXAMPLES / "client_asyncio.py", uri) as client:
            assert client.line() == "connected"
            assert "price" in client.line()
            server.kill()
            while "price" in (line := client.line()):
                pass
            assert line.startswith("lost the connection: no close frame received")
            # Its port is free again: a server that comes back is found.
            with example("ticker.py", uri.rstrip("/").rpartition(":")[2]) as again:
                address(again)
                assert client.line() == "connected"
                assert "price" in client.line()


@posix
@pytest.mark.parametrize(
    "name", [name for name in PROGRAMS if not name.startswith("client_blocking")]
)
def test_ctrl_c_ends_it_without_a_traceback(name):
    if sys.version_info < (3, 11) and name == "client_asyncio.py":
        pytest.skip("asyncio.run of Python 3.10 does not wait for what it interrupts")
    with example("ticker.py", 0) as server:
        argument = address(server) if name.startswith("client") else 0
        with example(name, argument) as process:
            process.line()
            process.signal(signal.SIGINT)
            code, _, errors = process.end()
            assert (code, errors) == (0, [])


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_says_how_to_run_it_and_fits_on_a_page(name):
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert f"python examples/{name}" in ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 100
    assert name in (EXAMPLES / "README.md").read_text(encoding="utf-8")
