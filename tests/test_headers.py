"""Headers: a dictionary for names in any case and for several values, and lists of tokens."""

from __future__ import annotations

import copy

import pytest

from fastws.errors import InvalidHeader, InvalidHeaderFormat
from fastws.headers import Headers, MultipleValuesError, get_single, parse_fields, parse_tokens


def test_headers_are_found_in_any_case_and_kept_as_given():
    headers = Headers([("Foo", "1"), ("BAR", "2")])
    assert headers["foo"] == headers["FOO"] == "1"
    assert "bar" in headers
    assert "baz" not in headers
    assert 1 not in headers
    assert list(headers) == ["foo", "bar"]
    assert len(headers) == 2
    assert list(headers.raw_items()) == [("Foo", "1"), ("BAR", "2")]
    assert headers.get("baz") is None


def test_setting_a_header_again_adds_a_value():
    headers = Headers(Foo="1")
    headers["foo"] = "2"
    assert headers.get_all("FOO") == ["1", "2"]
    assert headers.get_all("bar") == []
    with pytest.raises(MultipleValuesError, match="Foo"):
        headers["Foo"]
    with pytest.raises(LookupError):
        headers.get("Foo")
    with pytest.raises(KeyError):
        headers["bar"]


def test_deleting_a_header_removes_all_its_values():
    headers = Headers([("Foo", "1"), ("Bar", "2"), ("foo", "3")])
    del headers["FOO"]
    assert headers == Headers(Bar="2")
    with pytest.raises(KeyError):
        del headers["foo"]
    headers.clear()
    assert not headers


def test_headers_take_what_a_dict_takes_and_more():
    headers = Headers({"a": "1"}, b="2")
    headers.update([("c", "3")])
    headers.update(Headers([("d", "4"), ("d", "5")]))
    assert list(headers.raw_items()) == [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("d", "5")]
    assert headers.setdefault("a", "6") == "1"
    assert headers.setdefault("e", "6") == headers["e"] == "6"


LINES = [
    [],
    [("Host", "example.com")],
    [("Empty", ""), ("Colons", "a: b: c"), ("Edges", " \t x \t")],
    [("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("X-Latin", "caf\xe9 \x85 \xa0 \xff")],
]


@pytest.mark.parametrize("pairs", LINES)
def test_headers_kept_as_lines_are_the_headers_they_were(pairs):
    headers = Headers(pairs)
    compact = headers.copy()
    compact.compact()
    again = Headers.trusted("".join(f"{name}: {value}\r\n" for name, value in pairs))
    for other in (compact, again):
        assert str(other) == str(headers)
        assert other.serialize() == headers.serialize()
        assert list(other.raw_items()) == list(headers.raw_items()) == pairs
        assert other == headers
        assert repr(other) == repr(headers)


def test_header_lines_are_parsed_without_the_white_space_around_values():
    assert parse_fields("") == []
    assert parse_fields("A:1\r\nB: 2\r\nC:\t 3 \t\r\nD:\r\nE:  \r\n") == [
        ("A", "1"),
        ("B", "2"),
        ("C", "3"),
        ("D", ""),
        ("E", ""),
    ]
    assert parse_fields("GET / HTTP/1.1\r\nA: b:\xa0\r\n", 16) == [("A", "b:\xa0")]


@pytest.mark.parametrize(
    "line",
    ["A 1\r\n", "A : 1\r\n", " A: 1\r\n", "A: 1\n", "A: \r1\r\n", "A: 1", ": 1\r\n", "A: \0\r\n"],
)
def test_lines_that_are_no_header_are_not_parsed(line):
    assert parse_fields(line) is None
    assert parse_fields(f"B: 2\r\n{line}") is None


def test_headers_kept_as_lines_can_be_changed():
    headers = Headers([("Foo", "1"), ("Bar", "2")])
    headers.compact()
    headers["foo"] = "3"
    assert list(headers.raw_items()) == [("Foo", "1"), ("Bar", "2"), ("foo", "3")]
    headers.compact()
    del headers["FOO"]
    assert str(headers) == "Bar: 2\r\n\r\n"
    headers.compact()
    headers.clear()
    assert not headers


@pytest.mark.parametrize("copied", [Headers.copy, copy.copy, copy.deepcopy])
def test_a_copy_of_headers_is_independent(copied):
    headers = Headers(Foo="1")
    other = copied(headers)
    assert other == headers
    other["Foo"] = "2"
    assert headers.get_all("Foo") == ["1"]
    assert other != headers
    headers.get_all("Foo").append("3")
    assert headers["Foo"] == "1"


def test_headers_are_equal_when_values_are_whatever_the_case_of_names():
    assert Headers(Foo="1", Bar="2") == Headers(bar="2", FOO="1")
    assert Headers(Foo="1") != Headers(Foo="2")
    assert Headers(Foo="1") != {"Foo": "1"}


def test_headers_are_serialized_with_the_line_that_ends_them():
    headers = Headers([("Foo", "1"), ("Bar", "caf\xe9")])
    assert str(headers) == "Foo: 1\r\nBar: caf\xe9\r\n\r\n"
    assert headers.serialize() == b"Foo: 1\r\nBar: caf\xe9\r\n\r\n"
    assert repr(headers) == "Headers([('Foo', '1'), ('Bar', 'caf\xe9')])"


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "caf\xe9", " a", "a\x00", "\u212a"])
def test_a_header_name_that_is_not_a_token_is_refused(name):
    with pytest.raises(ValueError, match="token"):
        Headers([(name, "value")])


@pytest.mark.parametrize(
    "value", ["a\r\nb: c", "a\n", "\r", "\x00", "\x0b", "\x7f", "\u2028", "\u20ac"]
)
def test_a_header_value_that_would_break_http_is_refused(value):
    with pytest.raises(ValueError, match="control character"):
        Headers({"Name": value})


def test_a_header_value_must_be_text():
    with pytest.raises(TypeError, match="must be str"):
        Headers({"Name": 1})


def test_a_header_that_must_be_single_is_neither_missing_nor_repeated():
    headers = Headers([("Foo", "1"), ("Bar", "2"), ("bar", "3")])
    assert get_single(headers, "FOO") == "1"
    with pytest.raises(InvalidHeader, match="missing Baz"):
        get_single(headers, "Baz")
    with pytest.raises(InvalidHeader, match="multiple values"):
        get_single(headers, "Bar")


@pytest.mark.parametrize(
    ("name", "values", "tokens"),
    [
        ("Connection", [], []),
        ("Connection", ["Upgrade"], ["Upgrade"]),
        ("Connection", ["keep-alive, Upgrade"], ["keep-alive", "Upgrade"]),
        ("Connection", ["a\t,b", "c"], ["a", "b", "c"]),
        ("Connection", [", a ,, b,"], ["a", "b"]),
        ("Upgrade", ["HTTP/2.0, websocket"], ["HTTP/2.0", "websocket"]),
    ],
)
def test_a_list_of_tokens_is_parsed(name, values, tokens):
    assert parse_tokens(name, values) == tokens


@pytest.mark.parametrize(
    "value", ["", ",", "a b", "a/b", "a,b c", "a\x0b", "a\x85,b", "a;b", "\xe9"]
)
def test_a_list_that_has_something_else_than_tokens_is_refused(value):
    with pytest.raises(InvalidHeaderFormat, match="expected token"):
        parse_tokens("Connection", [value])
