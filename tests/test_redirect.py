"""Redirects of the opening handshake: where they lead, and without what."""

from __future__ import annotations

import pytest
from handshakes import (
    URI,
)

from fastws.errors import (
    InvalidURI,
    SecurityError,
)
from fastws.handshake import ClientHandshake
from fastws.http11 import Headers, Response
from fastws.uri import parse_uri


def redirected(location, status=302, uri=URI, **options):
    client = ClientHandshake(uri, **options)
    return client.redirect(Response(status, "Moved", Headers(Location=location)))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/other?x", "ws://user:pass@server.example.com/other?x"),
        ("other", "ws://user:pass@server.example.com/other"),
        ("?x", "ws://user:pass@server.example.com/chat?x"),
        ("//other.example/p", "ws://other.example/p"),
        ("ws://server.example.com:80/p", "ws://user:pass@server.example.com/p"),
        ("ws://a:b@server.example.com/p", "ws://a:b@server.example.com/p"),
        ("wss://server.example.com/p", "wss://server.example.com/p"),
        ("https://other.example/p", "wss://other.example/p"),
        ("HTTP://other.example/p", "ws://other.example/p"),
        ("/p#fragment", "ws://user:pass@server.example.com/p"),
        ("/caf\xc3\xa9", "ws://user:pass@server.example.com/caf%C3%A9"),
        ("/caf\xe9", "ws://user:pass@server.example.com/caf%C3%A9"),
    ],
)
def test_a_redirect_leads_to_its_location(location, target, status):
    assert redirected(location, status) == parse_uri(target)


def test_what_is_not_a_redirect_leads_nowhere():
    client = ClientHandshake(URI)
    for status in (200, 300, 304, 305, 401):
        assert client.redirect(Response(status, "", Headers(Location="/"))) is None
    assert client.redirect(Response(302, "", Headers())) is None
    assert client.redirect(Response(302, "", Headers([("Location", "/")] * 2))) is None


def test_a_redirect_from_wss_to_ws_is_refused():
    secure = parse_uri("wss://server.example.com/")
    for location in ("ws://server.example.com/", "http://other.example/"):
        with pytest.raises(SecurityError, match="wss to ws"):
            redirected(location, uri=secure)
    assert redirected("/p", uri=secure).secure


@pytest.mark.parametrize(
    "location", ["ftp://h/", "//[::1/", "ws://[::1/", "ws://h:x/", "/a b", "mailto:a@b"]
)
def test_a_redirect_to_something_else_is_refused(location):
    with pytest.raises(InvalidURI):
        redirected(location)


@pytest.mark.parametrize(
    ("target", "private"),
    [
        ("ws://server.example.com/other", True),
        ("wss://server.example.com/chat", False),
        ("ws://server.example.com:81/chat", False),
        ("ws://other.example/chat", False),
    ],
)
def test_credentials_do_not_follow_to_another_origin(target, private):
    names = ["Authorization", "COOKIE", "Proxy-Authorization", "Host", "X-Other"]
    client = ClientHandshake(URI, additional_headers=[(name, "v") for name in names])
    headers = client.additional_headers_for(parse_uri(target))
    expected = names if private else ["X-Other"]
    assert [name for name, _ in headers.raw_items()] == expected
