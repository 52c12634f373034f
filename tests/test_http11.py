"""Heads and bodies of HTTP/1.1: what is parsed, what is refused, at every way to cut the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.errors import InvalidHandshake, InvalidMessage, SecurityError
from fastws.http11 import (
    Headers,
    Limits,
    Request,
    RequestParser,
    Response,
    ResponseParser,
)

REQUEST = (
    b"GET /chat?room=1 HTTP/1.1\r\n"
    b"Host: server.example.com\r\n"
    b"Upgrade:websocket\r\n"
    b"X-Spaces: \t a \t b \t \r\n"
    b"X-Empty:\r\n"
    b"X-Twice: 1\r\n"
    b"x-twice: 2\r\n"
    b"\r\n"
)
PAIRS = [
    ("Host", "server.example.com"),
    ("Upgrade", "websocket"),
    ("X-Spaces", "a \t b"),
    ("X-Empty", ""),
    ("X-Twice", "1"),
    ("x-twice", "2"),
]
LIMITS = Limits(max_line_length=40, max_headers=4, max_head_length=120, max_body_length=10)


def parse(parser, *chunks):
    """Return the one message that comes out, and the error that does."""
    results = []
    try:
        for chunk in chunks:
            result = parser.receive_data(chunk)
            if result is not None:
                results.append(result)
    except InvalidHandshake as error:
        return None, (type(error), str(error))
    assert len(results) <= 1
    return results[0] if results else None, None


def one_by_one(data):
    return [data[i : i + 1] for i in range(len(data))]


def refusal(data, limits=LIMITS):
    result, error = parse(RequestParser(limits), data)
    assert result is None
    # Cut anywhere, the refusal is the same.
    assert parse(RequestParser(limits), *one_by_one(data)) == (None, error)
    return error


# Requests


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
def test_a_request_is_parsed_from_any_buffer(buffer):
    request, _ = parse(RequestParser(), buffer(REQUEST[:50]), buffer(REQUEST[50:]))
    assert list(request.headers.raw_items()) == PAIRS


def test_a_request_is_the_same_at_every_split():
    for split in range(len(REQUEST) + 1):
        parser = RequestParser()
        request, error = parse(parser, REQUEST[:split], REQUEST[split:])
        assert error is None
        assert list(request.headers.raw_items()) == PAIRS
        assert parser.trailing == b""


def test_a_request_without_headers_is_parsed():
    for method, protocol in [("GET", "HTTP/1.0"), ("HEAD", "HTTP/1.1")]:
        data = f"{method} * {protocol}\r\n\r\n".encode()
        request, _ = parse(RequestParser(), *one_by_one(data))
        assert request == Request("*", Headers(), method, protocol)


def test_bytes_after_the_request_are_kept():
    trailing = b"X: y\r\n\r\n\x81\x00\n"
    for chunks in ([REQUEST + trailing], one_by_one(REQUEST + trailing)):
        parser = RequestParser()
        request, _ = parse(parser, *chunks)
        assert list(request.headers.raw_items()) == PAIRS
        assert parser.trailing == trailing


def test_one_byte_at_a_time_each_byte_is_looked_at_a_few_times_only():
    class CountingBuffer(bytearray):
        looked_at = 0

        def find(self, sub, start, stop):
            self.looked_at += max(min(stop, len(self)) - start, 0)
            return super().find(sub, start, stop)

        def rfind(self, sub, start, stop):
            self.looked_at += max(min(stop, len(self)) - start, 0)
            return super().rfind(sub, start, stop)

        def __getitem__(self, index):
            self.looked_at += len(range(*index.indices(len(self))))
            return super().__getitem__(index)

    data = b"GET / HTTP/1.1\r\n" + b"X: %s\r\n" % (b"y" * 8000) * 7 + b"\r\n"
    parser = RequestParser()
    buffer = parser._head._buffer = CountingBuffer()
    request, error = parse(parser, *one_by_one(data))
    assert error is None
    assert len(request.headers.get_all("X")) == 7
    assert buffer is parser._head._buffer
    assert buffer.looked_at < 8 * len(data)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"X: \x0b", "control byte 0x0b"),
        (b"X\x0c: y", "control byte 0x0c"),
        (b"X: \x00", "control byte 0x00"),
        (b"X: \x7f", "control byte 0x7f"),
        (b"X\x85: y", "not a token"),
        (b"\xa0X: y", "not a token"),
        (b"X: y\nZ: y", "LF instead of CRLF"),
        (b"X: y\r\r", "CR that does not end it"),
        (b"X: y\rZ: y", "CR that does not end it"),
        (b" X: y", "folded"),
        (b"\tX: y", "folded"),
        (b"X : y", "white space before the colon"),
        (b"X\t: y", "white space before the colon"),
        (b"X Y: y", "not a token"),
        (b": y", "not a token"),
        (b"X", "without a colon"),
        (b"X(: y", "not a token"),
    ],
)
def test_a_malformed_header_line_is_refused(line, problem):
    for before, after in [(b"", b""), (b"A: b\r\n", b""), (b"", b"A: b\r\n")]:
        head = b"GET / HTTP/1.1\r\n" + before + line + b"\r\n" + after + b"\r\n"
        kind, message = refusal(head)
        assert kind is InvalidMessage
        assert problem in message


def test_what_looks_like_a_line_break_to_python_is_none_in_a_value():
    head = b"GET / HTTP/1.1\r\nX: \x85a\x85\xa0\r\n\r\n"
    request, _ = parse(RequestParser(), head)
    assert list(request.headers.raw_items()) == [("X", "\x85a\x85\xa0")]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET /",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET / /  HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GET / http/1.1",
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1\r",
        b"G@T / HTTP/1.1",
        b"GET /\xe9 HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"SSH-2.0-OpenSSH_9",
    ],
)
def test_a_malformed_request_line_is_refused_once_it_is_complete(line):
    kind, message = refusal(line + b"\r\n")
    assert kind is InvalidMessage
    assert "first line" in message


def test_a_tls_handshake_is_refused_at_its_first_byte():
    assert refusal(b"\x16\x03\x01")[0] is InvalidMessage


def test_limits_are_inclusive_and_what_is_past_them_is_refused():
    start = b"GET / HTTP/1.1\r\n"
    longest = b"X: " + b"y" * 37 + b"\r\n"
    for lines, accepted in [
        (longest, True),
        (longest.replace(b"X", b"XX"), False),
        (b"X: y\r\n" * 4, True),
        (b"X: y\r\n" * 5, False),
        (longest * 2 + b"X: " + b"y" * 13 + b"\r\n", True),  # 120 bytes with start and end
        (longest * 2 + b"X: " + b"y" * 14 + b"\r\n", False),
    ]:
        head = start + lines + b"\r\n"
        request, error = parse(RequestParser(LIMITS), head)
        assert parse(RequestParser(LIMITS), *one_by_one(head)) == (request, error)
        assert (request is not None) == accepted


def test_too_many_bytes_and_too_many_headers_are_told_apart():
    start = b"GET / HTTP/1.1\r\n"
    assert refusal(b"GET /" + b"a" * 40)[0] is SecurityError
    assert refusal(start + b"X: " + b"y" * 100)[0] is SecurityError
    assert refusal(start + (b"X: " + b"y" * 35 + b"\r\n") * 3)[0] is SecurityError
    assert refusal(start + b"X: y\r\n" * 5) == (InvalidMessage, "more than 4 headers")


def test_an_endless_line_is_refused_without_its_end():
    parser = RequestParser()
    for _ in range(8):
        assert parser.receive_data(b"a" * 1024) is None
    with pytest.raises(SecurityError, match="8192"):
        parser.receive_data(b"aa")


@pytest.mark.parametrize("bad", [b"X : y\r\n", b"X: \x00", b"X: y\n", b"X: " + b"y" * 40])
def test_after_a_refusal_nothing_is_accepted(bad):
    parser = RequestParser(LIMITS)
    for data in (b"GET / HTTP/1.1\r\n" + bad, b"", b"\r\n\r\n", REQUEST):
        with pytest.raises(InvalidHandshake):
            parser.receive_data(data)


HEAD_BYTES = st.binary(max_size=200) | st.lists(
    st.sampled_from(
        [b"GET / HTTP/1.1", b"\r\n", b"\n", b"\r", b"X: y", b":", b" ", b"X", b"\x00", b"\x85"]
        + [b"a" * 39, b"HTTP/1.1 404 No", b"Content-Length: 3", b"Transfer-Encoding: chunked", b"3"]
    ),
    max_size=30,
).map(b"".join)


@given(st.sampled_from([RequestParser, ResponseParser]), HEAD_BYTES, st.data())
def test_any_bytes_give_the_same_result_however_they_are_cut(parser, data, draw):
    data = draw.draw(st.sampled_from([b"", b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n"])) + data
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=5)))
    chunks = [data[i:j] for i, j in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    whole = parse(parser(LIMITS), data)
    assert parse(parser(LIMITS), *one_by_one(data)) == whole
    assert parse(parser(LIMITS), *chunks) == whole


TOKENS = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=8)
VALUES = st.text([chr(i) for i in range(33, 256) if i != 127] + [" ", "\t"], max_size=20).map(
    lambda value: value.strip(" \t")
)


@given(st.lists(st.tuples(TOKENS, VALUES), max_size=10))
def test_what_is_serialized_is_parsed_back(pairs):
    request = Request("/", Headers(pairs))
    assert parse(RequestParser(), request.serialize()) == (request, None)
    response = Response(101, "Switching Protocols", Headers(pairs))
    assert parse(ResponseParser(), response.serialize()) == (response, None)


@pytest.mark.parametrize(
    "message",
    [
        Request("/ HTTP/1.1\r\nX: y", Headers()),
        Request("/caf\xe9", Headers()),
        Request("/", Headers(), method="GET\r\n"),
        Response(200, "OK\r\nX: y", Headers()),
        Response(200, "\x00", Headers()),
        Response(99, "Low", Headers()),
        Response(600, "High", Headers()),
    ],
)
def test_a_first_line_that_would_break_http_is_not_serialized(message):
    with pytest.raises(ValueError):
        message.serialize()


# Responses


def response_of(data, method="GET", limits=LIMITS):
    """Return the response, and what came after it; the same at once and byte by byte."""
    results = []
    for chunks in ([data], one_by_one(data)):
        parser = ResponseParser(limits, method)
        response, error = parse(parser, *chunks)
        assert error is None
        if response is None:
            response = parser.receive_eof()
        results.append((response, parser.trailing))
    assert results[0] == results[1]
    return results[0]


@pytest.mark.parametrize(
    ("head", "body", "trailing"),
    [
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x00", b"", b"\x81\x00"),
        (b"HTTP/1.1 101 S\r\nContent-Length: 2\r\n\r\n\x81\x00", b"", b"\x81\x00"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nabcd", b"abc", b"d"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\nabcd", b"", b"abcd"),
        (b"HTTP/1.1 204 No\r\n\r\nabcd", b"", b"abcd"),
        (b"HTTP/1.1 304 No\r\n\r\nabcd", b"", b"abcd"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\nabcd", b"abcd", b""),
        (b"HTTP/1.1 404 No\r\n\r\nabcd", b"abcd", b""),
        (b"HTTP/1.0 404\r\n\r\nabcd", b"abcd", b""),
        (b"HTTP/1.1 404 No\r\n\r\n0123456789ab", b"0123456789", b"ab"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 99\r\n\r\n0123456789ab", b"0123456789", b"ab"),
        (b"HTTP/1.1 404 No\r\nTransfer-Encoding: gzip\r\n\r\nabcd", b"abcd", b""),
        (b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 404 No\r\n\r\nab", b"ab", b""),
    ],
)
def test_a_body_ends_where_http_says(head, body, trailing):
    response, rest = response_of(head)
    assert response.body == body
    assert rest == trailing


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"3\r\nabc\r\n2;x=y\r\nde\r\n00\r\nT: t\r\n\r\n", b"abcde"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"8\r\n01234567\r\n8\r\n89abcdef\r\n0\r\n\r\n", b"0123456789"),
        (b"ffffffffff\r\n0123456789ab", b"0123456789"),
        (b"3\r\nab", b"ab"),
    ],
)
def test_a_body_in_chunks_is_put_together(data, body):
    response, _ = response_of(b"HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    assert response.body == body


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"\r\n",
        b"-1\r\n",
        b"0x1\r\n",
        b"1\na",
        b"1\r\nabc\r\n",
        b"1\r\na\nb",
        b"1000000000000000\r\n",
        b"1;" + b"x" * 50,
    ],
)
def test_a_malformed_chunk_is_refused(data):
    data = b"HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n" + data
    for chunks in ([data], one_by_one(data)):
        result, error = parse(ResponseParser(LIMITS), *chunks)
        assert result is None
        assert error is not None


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 600 High\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.0 101 Switching\r\n\r\n",
        b"HTTP/1.1 404 No\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 404 No\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 404 No\r\nContent-Length: \xb2\r\n\r\n",
        b"HTTP/1.1 404 No\r\nContent-Length: " + b"9" * 20 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9,
    ],
)
def test_a_malformed_response_is_refused(data):
    for chunks in ([data], one_by_one(data)):
        result, error = parse(ResponseParser(LIMITS), *chunks)
        assert result is None
        assert error is not None


def test_a_response_to_head_or_connect_has_no_body():
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    for method in ("HEAD", "CONNECT"):
        response, trailing = response_of(data, method)
        assert (response.body, trailing) == (b"", b"abc")
    assert response_of(data.replace(b"200", b"407"), "CONNECT")[0].body == b"abc"


def test_the_end_of_the_stream_is_an_error_in_a_head_only():
    parser = ResponseParser()
    parser.receive_data(b"HTTP/1.1 204 No Content\r\n")
    with pytest.raises(InvalidMessage, match="closed"):
        parser.receive_eof()
    assert parser.receive_data(b"\r\n") is not None
    assert parser.receive_eof() is None
