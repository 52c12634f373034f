"""WebSocket addresses: what they mean, and which are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.errors import InvalidURI
from fastws.uri import URI, parse_uri


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("ws://localhost", URI(False, "localhost", 80, "", "")),
        ("ws://localhost/", URI(False, "localhost", 80, "/", "")),
        ("WSS://Example.COM/A?b=C", URI(True, "example.com", 443, "/A", "b=C")),
        ("ws://localhost:8765/p", URI(False, "localhost", 8765, "/p", "")),
        ("ws://localhost:/p", URI(False, "localhost", 80, "/p", "")),
        ("ws://h?q=/?:@", URI(False, "h", 80, "", "q=/?:@")),
        ("ws://h/a%20b?c=%23|{}", URI(False, "h", 80, "/a%20b", "c=%23|{}")),
        ("ws://127.0.0.1/", URI(False, "127.0.0.1", 80, "/", "")),
        ("ws://[::1]:8080/", URI(False, "::1", 8080, "/", "")),
        ("ws://[FE80:0::1%25eth0]/", URI(False, "fe80::1%eth0", 80, "/", "")),
        ("ws://example.com./", URI(False, "example.com.", 80, "/", "")),
        ("ws://b\xfccher.example/", URI(False, "xn--bcher-kva.example", 80, "/", "")),
        ("ws://h/\xfc?\u20ac", URI(False, "h", 80, "/%C3%BC", "%E2%82%AC")),
        ("ws://u:p@h/", URI(False, "h", 80, "/", "", "u", "p")),
        ("ws://u@h/", URI(False, "h", 80, "/", "", "u", "")),
        ("ws://a%40b:c%3Ad@h/", URI(False, "h", 80, "/", "", "a@b", "c:d")),
    ],
)
def test_an_address_is_parsed(text, uri):
    assert parse_uri(text) == uri


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "start with ws"),
        ("localhost", "start with ws"),
        ("http://localhost/", "start with ws"),
        ("ws:/localhost", "start with ws"),
        ("ws://", "no host"),
        ("ws://:80/", "no host"),
        ("ws:///path", "no host"),
        ("ws://h/#top", "fragment"),
        ("ws://h/#", "fragment"),
        (" ws://h/", "space"),
        ("ws://h/a b", "space"),
        ("ws://h/\r\nHost: evil", "control"),
        ("ws://h/\x00", "control"),
        ("ws://h/\x85", "control"),
        ("ws://h:0/", "port"),
        ("ws://h:65536/", "port"),
        ("ws://h:80a/", "port"),
        ("ws://h:\u0661/", "port"),
        ("ws://h:-1/", "port"),
        ("ws://[::1/", "bracket"),
        ("ws://[::1]80/", "bracket"),
        ("ws://[localhost]/", "IPv6"),
        ("ws://[::1%eth0]/", "IPv6"),
        ("ws://[fe80::1%25]/", "zone"),
        ("ws://::1/", "no host"),
        ("ws://a..b/", "domain name"),
        ("ws://./", "domain name"),
        ("ws://h\\@evil/", "backslash"),
        ("ws://h%2eexample/", "domain name"),
        ("ws://" + "a" * 64 + ".example/", "domain name"),
        ("ws://" + "a." * 200 + "example/", "too long"),
        ("ws://a\u2100b/", "domain name"),
        ("ws://a\uff0fb/", "domain name"),
        ("ws://h/\ud800", "surrogate"),
        ("ws://u:p@evil@h/", "two @"),
        ("ws://a%3ab:p@h/", "colon"),
        ("ws://u:%0a@h/", "control"),
        ("ws://u:%ff@h/", "UTF-8"),
    ],
)
def test_an_address_that_is_not_one_is_refused_with_the_problem(text, problem):
    with pytest.raises(InvalidURI, match=problem):
        parse_uri(text)


@pytest.mark.parametrize(
    ("text", "resource_name"),
    [("ws://h", "/"), ("ws://h?q", "/?q"), ("ws://h/p", "/p"), ("ws://h/p?q=1&r", "/p?q=1&r")],
)
def test_the_resource_name_is_path_and_query(text, resource_name):
    assert parse_uri(text).resource_name == resource_name


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("ws://h:80", "h"),
        ("ws://h:443", "h:443"),
        ("wss://h:443", "h"),
        ("wss://h:80", "h:80"),
        ("ws://[::1]", "[::1]"),
        ("ws://[fe80::1%25eth0]:81", "[fe80::1]:81"),
    ],
)
def test_the_host_header_leaves_out_default_ports_and_zones(text, host):
    assert parse_uri(text).host_header == host


def test_user_information_becomes_basic_authentication():
    # The example of RFC 7617 §2.
    uri = parse_uri("ws://Aladdin:open%20sesame@h/")
    assert uri.user_info == ("Aladdin", "open sesame")
    assert uri.authorization == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert parse_uri("ws://h/").authorization is None


def test_passwords_are_not_in_what_gets_logged():
    uri = parse_uri("wss://user:secret@h:1/p?q")
    assert "secret" not in repr(uri)
    assert str(uri) == "wss://h:1/p?q"
    with pytest.raises(InvalidURI) as caught:
        parse_uri("ws://user:secret@h:99999/")
    assert "secret" not in str(caught.value)


@given(st.text())
def test_any_text_after_the_scheme_is_an_address_or_refused(text):
    try:
        uri = parse_uri("ws://" + text)
    except InvalidURI:
        return
    for part in (uri.host_header, uri.resource_name):
        assert part.isascii()
        assert part.isprintable()
        assert " " not in part
    assert parse_uri(str(uri)).resource_name == uri.resource_name
