"""URLs of brokers: which cannot be, and what is said about them."""

from __future__ import annotations

import sys

import pytest

from fastws.rooms import Hub
from fastws.rooms.urls import shown

WRONG = [
    ("nats://", "NATS server: nats://HOST:PORT"),
    ("nats://one:4222,", "NATS server: nats://HOST:PORT"),
    ("nats://one:0", "NATS server: nats://HOST:PORT"),
    ("nats://one:70000", "NATS server: nats://HOST:PORT"),
    ("nats://one/1", "NATS server: nats://HOST:PORT"),
    ("nats://one?name=x", "takes ssl_ca_certs, ssl_certfile, ssl_keyfile, not name"),
    ("tls://one?ssl_ca_certs=/nowhere", "its certificates cannot be read: .*No such file"),
    ("redis://one:x", "Redis server: "),
    ("redis://one:70000,two", "Redis server: "),
    ("redis://one/0?socket_timeout=soon", "Redis server: "),
]


@pytest.mark.parametrize(("url", "problem"), WRONG)
def test_the_url_of_a_broker_that_cannot_be(url, problem):
    pytest.importorskip("nats" if url.startswith(("nats", "tls")) else "redis")
    with pytest.raises(ValueError, match=problem):
        Hub(url)


@pytest.mark.parametrize(
    ("scheme", "client"),
    [("redis", "redis"), ("valkeys", "redis"), ("nats", "nats"), ("tls", "nats")],
)
def test_a_client_that_is_not_installed(scheme, client, monkeypatch):
    for name in list(sys.modules):
        if name.startswith((f"{client}.", "fastws.rooms.redis", "fastws.rooms.nats")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, client, None)
    command = rf"^{scheme}:// needs a package: run pip install 'fastws-core\[{client}\]'$"
    with pytest.raises(ModuleNotFoundError, match=command):
        Hub(f"{scheme}://one")


@pytest.mark.parametrize("url", [url for url, _ in WRONG if "://one" in url])
def test_no_password_is_shown(url):
    pytest.importorskip("nats" if url.startswith(("nats", "tls")) else "redis")
    with pytest.raises(ValueError) as caught:
        Hub(url.replace("://", "://ann:se@cret@"))
    assert "cret" not in str(caught.value)
    assert "one" in str(caught.value)


def test_what_is_shown_of_a_url():
    assert shown("redis://ann:secret@one,two/0?a=b") == "'redis://...@one,two/0?a=b'"
    assert shown("redis://one/a@b") == "'redis://one/a@b'"
    assert shown("nowhere") == "'nowhere'"
