"""Sec-WebSocket-Extensions: what is parsed, what is refused, and that both ways agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.errors import InvalidHeaderFormat
from fastws.extensions import parse_extensions, serialize_extensions

TOKENS = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=8)
PARAMETERS = st.lists(st.tuples(TOKENS, st.none() | TOKENS), max_size=4)
EXTENSIONS = st.lists(st.tuples(TOKENS, PARAMETERS), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("header", "extensions"),
    [
        ("foo", [("foo", [])]),
        ("foo; bar", [("foo", [("bar", None)])]),
        ("foo;bar=1;baz", [("foo", [("bar", "1"), ("baz", None)])]),
        ("foo \t; \t bar \t= \t1 \t", [("foo", [("bar", "1")])]),
        ('foo; bar="1"', [("foo", [("bar", "1")])]),
        (r'foo; bar="\1\5"', [("foo", [("bar", "15")])]),
        ("foo; bar; bar", [("foo", [("bar", None), ("bar", None)])]),
        ("foo, foo; bar", [("foo", []), ("foo", [("bar", None)])]),
        (", , foo ,, bar , ", [("foo", []), ("bar", [])]),
        (
            "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame",
            [
                ("permessage-deflate", [("client_max_window_bits", None)]),
                ("x-webkit-deflate-frame", []),
            ],
        ),
    ],
)
def test_a_list_of_extensions_is_parsed(header, extensions):
    assert parse_extensions([header]) == extensions


def test_several_headers_are_one_list():
    assert parse_extensions(["foo; a=1", "bar"]) == [("foo", [("a", "1")]), ("bar", [])]


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        ",",
        ";",
        "foo;",
        "foo; ",
        "foo bar",
        "foo; bar baz",
        "foo; bar=",
        "foo; =1",
        "foo; bar=1=2",
        'foo; bar="',
        'foo; bar="1',
        'foo; bar=""',
        'foo; bar="a b"',
        'foo; bar="a\\"b"',
        'foo; bar="1"2',
        '"foo"',
        "foo=1",
        "f\xf6\xf6",
        "foo\x85",
        "foo;\xa0bar",
        "foo\x0b",
        "foo\r\n",
    ],
)
def test_a_malformed_list_is_refused_with_its_position(header):
    with pytest.raises(InvalidHeaderFormat, match="Sec-WebSocket-Extensions"):
        parse_extensions([header])


@given(EXTENSIONS)
def test_what_is_serialized_is_parsed_back(extensions):
    assert parse_extensions([serialize_extensions(extensions)]) == extensions


@given(st.text(st.characters(max_codepoint=255)) | st.text('ab;,="\\ \t'))
def test_any_text_is_parsed_or_refused(header):
    try:
        extensions = parse_extensions([header])
    except InvalidHeaderFormat:
        return
    assert parse_extensions([serialize_extensions(extensions)]) == extensions
