"""Unix sockets: paths of every kind, files left behind, TLS over them."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path

import pytest

import fastws.aio
import fastws.sync

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are none here")


async def echo(ws):
    async for message in ws:
        await ws.send(message)


def blocking_echo(ws):
    for message in ws:
        ws.send(message)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "socket"


@pytest.mark.parametrize("kind", [str, Path])
async def test_a_path_may_be_a_string_or_a_path(path, kind):
    path = kind(path)
    async with fastws.aio.unix_serve(echo, path), fastws.aio.unix_connect(path) as ws:
        await ws.send("hello")
        assert await ws.recv() == "hello"
        assert ws.request.headers["Host"] == "localhost"
        assert ws.remote_address == os.fspath(path)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_may_be_a_string_or_a_path_in_blocking_code(path, kind, thread):
    path = kind(path)
    with fastws.sync.unix_serve(blocking_echo, path) as server:
        thread(server.serve_forever)
        with fastws.sync.unix_connect(path, "ws://other.example/there") as ws:
            ws.send("hello")
            assert ws.recv() == "hello"
            assert (ws.request.headers["Host"], ws.request.path) == ("other.example", "/there")


async def test_tls_goes_over_unix_sockets_too(path, server_tls, client_tls):
    async with (
        fastws.aio.unix_serve(echo, path, ssl=server_tls),
        fastws.aio.unix_connect(path, ssl=client_tls) as ws,
    ):
        await ws.send("hello")
        assert await ws.recv() == "hello"


def test_tls_goes_over_unix_sockets_in_blocking_code(path, server_tls, client_tls, thread):
    with fastws.sync.unix_serve(blocking_echo, path, ssl=server_tls) as server:
        thread(server.serve_forever)
        with fastws.sync.unix_connect(path, ssl=client_tls) as ws:
            ws.send("hello")
            assert ws.recv() == "hello"


async def test_a_socket_that_an_earlier_server_left_is_replaced(path):
    for _ in range(2):
        left = socket.socket(socket.AF_UNIX)
        if not path.exists():
            left.bind(str(path))
        left.close()
        async with fastws.aio.unix_serve(echo, path), fastws.aio.unix_connect(path):
            pass
    with fastws.sync.unix_serve(blocking_echo, path):
        pass
    with fastws.sync.unix_serve(blocking_echo, path):
        pass


async def test_a_file_that_is_no_socket_is_left_alone(path):
    path.write_text("precious")
    with pytest.raises(OSError):
        await fastws.aio.unix_serve(echo, path)
    with pytest.raises(OSError):
        fastws.sync.unix_serve(blocking_echo, path)
    assert path.read_text() == "precious"


async def test_a_path_that_cannot_be_listened_on_is_named(tmp_path):
    for path in (tmp_path / "missing" / "socket", tmp_path / ("a" * 200)):
        words = f"cannot listen on {re.escape(str(path))}: (?!None)"
        with pytest.raises(OSError, match=words):
            await fastws.aio.unix_serve(echo, path)
        with pytest.raises(OSError, match=words):
            fastws.sync.unix_serve(blocking_echo, path)


async def test_a_path_or_a_socket_is_needed():
    with pytest.raises(ValueError, match="give a path, or sock"):
        await fastws.aio.unix_serve(echo)
    with pytest.raises(ValueError, match="give a path, or sock"):
        fastws.sync.unix_serve(blocking_echo)


def test_an_argument_that_nobody_knows_is_an_error(path):
    with pytest.raises(TypeError, match="compresion"):
        fastws.sync.unix_serve(blocking_echo, path, compresion=None)
    assert not path.exists()
    with (
        socket.socket(socket.AF_UNIX) as sock,
        pytest.raises(TypeError, match="compresion"),
    ):
        fastws.sync.serve(blocking_echo, sock=sock, compresion=None)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no files")
@pytest.mark.parametrize("kind", [str, os.fsencode])
async def test_a_name_in_the_abstract_namespace_is_listened_on(kind):
    name = kind(f"\0fastws-test-{os.getpid()}")
    async with fastws.aio.unix_serve(echo, name), fastws.aio.unix_connect(name) as ws:
        await ws.send("hello")
        assert await ws.recv() == "hello"
    with fastws.sync.unix_serve(blocking_echo, name) as server:
        assert server.socket.getsockname() == os.fsencode(name)


async def test_connecting_to_nobody_fails(path):
    with pytest.raises(FileNotFoundError):
        await fastws.aio.unix_connect(path)
    with pytest.raises(FileNotFoundError):
        fastws.sync.unix_connect(path)


async def test_a_listening_socket_can_be_given(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    async with fastws.aio.serve(echo, sock=listener), fastws.aio.unix_connect(path) as ws:
        await ws.send("hello")
        assert await ws.recv() == "hello"


async def test_a_connected_socket_can_be_given(path):
    async with fastws.aio.unix_serve(echo, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        async with fastws.aio.connect("ws://localhost/", sock=sock) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
