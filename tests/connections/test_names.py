"""The names of the websockets package that fastws promises to have, with the same defaults."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import fastws
from fastws import aio, sync

websockets = pytest.importorskip("websockets", minversion="17")

import websockets.asyncio.client as their_client  # noqa: E402
import websockets.asyncio.server as their_server  # noqa: E402
import websockets.sync.client as their_blocking_client  # noqa: E402
import websockets.sync.server as their_blocking_server  # noqa: E402

DOCUMENT = Path(__file__).parents[2] / "docs" / "from-websockets.md"

PAIRS = {
    "aio.connect": (aio.connect, their_client.connect),
    "aio.serve": (aio.serve, their_server.serve),
    "aio.unix_connect": (aio.unix_connect, their_client.unix_connect),
    "aio.unix_serve": (aio.unix_serve, their_server.unix_serve),
    "aio.basic_auth": (aio.basic_auth, their_server.basic_auth),
    "sync.reconnect": (sync.reconnect, their_blocking_client.reconnect),
    "sync.serve": (sync.serve, their_blocking_server.serve),
    "sync.unix_serve": (sync.unix_serve, their_blocking_server.unix_serve),
    "sync.basic_auth": (sync.basic_auth, their_blocking_server.basic_auth),
}

METHODS = {
    "aio": (aio.Connection, their_client.ClientConnection),
    "sync": (sync.Connection, their_blocking_client.ClientConnection),
}

USED = ["send", "recv", "recv_streaming", "ping", "pong", "close", "wait_closed"]


@pytest.mark.parametrize("name", PAIRS)
def test_parameters_have_the_same_names_and_defaults(name):
    ours, theirs = map(inspect.signature, PAIRS[name])
    said = DOCUMENT.read_text(encoding="utf-8")
    for parameter in theirs.parameters.values():
        if parameter.name not in ours.parameters:
            assert f"`{parameter.name}`" in said, f"{parameter.name} is not in the document"
            continue
        mine = ours.parameters[parameter.name]
        if parameter.name.endswith("_header") or callable(parameter.default):
            continue  # each has its own
        assert mine.default == parameter.default, parameter.name


@pytest.mark.parametrize("layer", METHODS)
@pytest.mark.parametrize("method", USED)
def test_methods_take_the_same_arguments(layer, method):
    ours, theirs = METHODS[layer]
    wanted = inspect.signature(getattr(theirs, method)).parameters
    has = inspect.signature(getattr(ours, method)).parameters
    assert set(wanted) <= set(has)
    assert all(has[name].default == wanted[name].default for name in wanted)


@pytest.mark.parametrize("layer", METHODS)
def test_facts_have_the_same_names(layer):
    ours, theirs = METHODS[layer]
    public = {name for name, value in vars(ours.__mro__[-2]).items() if isinstance(value, property)}
    properties = {
        name
        for cls in theirs.__mro__
        for name, value in vars(cls).items()
        if isinstance(value, property) and not name.startswith("_")
    }
    assert properties - {"close_exc"} <= public | {"transport"}


def test_exceptions_have_the_same_names_or_are_in_the_document():
    said = DOCUMENT.read_text(encoding="utf-8")
    for name in websockets.__all__:
        value = getattr(websockets, name)
        if isinstance(value, type) and issubclass(value, Exception) and not hasattr(fastws, name):
            assert f"`{name}`" in said, name


def test_every_row_of_the_document_has_all_its_columns():
    columns = 0
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        count = len(re.findall(r"(?<!\\)\|", line))
        columns = columns or count
        assert count == columns, line
