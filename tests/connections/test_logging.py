"""What is logged, under which name, and what is not worth an error."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import sys

import pytest

from connections.running import until
from fastws import aio, sync
from fastws.errors import ConnectionClosed, InvalidHandshake


async def receive(ws):
    async for _ in ws:
        pass


def levels(caplog):
    return {record.levelname for record in caplog.records if record.name.startswith("fastws")}


async def test_openings_are_told_at_info_under_the_names_of_both_sides(network, caplog):
    caplog.set_level("INFO")
    async with network.serve(receive), network.connect():
        pass
    assert levels(caplog) == {"INFO"}
    names = {record.name for record in caplog.records if record.message == "connection open"}
    assert names == {"fastws.server", "fastws.client"}


async def test_another_logger_can_be_given(network, caplog):
    caplog.set_level("INFO")
    mine = logging.getLogger("mine")
    async with network.serve(receive, logger=mine), network.connect(logger=mine) as ws:
        assert ws.logger is mine
    assert not levels(caplog)
    assert "mine" in {record.name for record in caplog.records}


async def test_port_scanners_are_no_errors(network, caplog):
    """Connect and close; connect and reset; half a request and gone."""
    if sys.version_info < (3, 13) and network.kind == "tls":
        pytest.skip("ssl before Python 3.13 leaves a socket open when it refuses to wrap it")
    caplog.set_level("INFO")
    async with network.serve(receive) as server:
        for payload in (b"", b"GET / HT", b"\x16\x03\x01"):
            for reset in (False, True):
                if network.kind == "unix":
                    sock = socket.socket(socket.AF_UNIX)
                    sock.connect(network.path)
                else:
                    sock = socket.create_connection(network.address)
                with sock:
                    sock.send(payload)
                    if reset and network.kind != "unix":
                        linger = struct.pack("ii", 1, 0)
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await asyncio.sleep(0.02)
        await until(lambda: not server._connections)
        async with network.connect() as ws:
            await ws.send("fine")
    assert levels(caplog) == {"INFO"}


async def test_clients_that_vanish_are_no_errors(network, caplog):
    caplog.set_level("INFO")

    async def handler(ws):
        await ws.recv()
        while True:
            await ws.send(b"x" * 10_000)
            await asyncio.sleep(0)

    async with network.serve(handler, close_timeout=0.5) as server, network.raw() as raw:
        await raw.send(1, "go")
        await raw.recv()
        raw.abort()
        await until(lambda: not server._connections)
    assert levels(caplog) == {"INFO"}


async def test_a_failing_handler_is_an_error_with_its_traceback(network, caplog):
    async def handler(ws):
        raise LookupError("where it went wrong")

    async with network.serve(handler), network.connect() as ws:
        try:
            await ws.recv()
        except ConnectionClosed as error:
            code = error.rcvd.code
    assert code == 1011
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.exc_info[0] is LookupError


async def test_a_connection_class_that_fails_is_an_error_and_hurts_no_other(network, caplog):
    layer = {"aio": aio, "sync": sync}[network.server]
    fail = [True]

    class Failing(layer.ServerConnection):
        def __init__(self, *args, **kwargs):
            if fail:
                fail.clear()
                raise LookupError("from the class")
            super().__init__(*args, **kwargs)

    if (network.server, network.kind) == ("aio", "tls"):
        pytest.skip("the event loop itself makes these connections, and tells its own handler")
    async with network.serve(receive, create_connection=Failing):
        with pytest.raises((OSError, InvalidHandshake)):
            await network.open()
        async with network.connect() as ws:
            await ws.send("fine")
    assert "from the class" in caplog.text
