"""What WebSocket libraries had to publish advisories for, tried on `Protocol`: the handshake."""

from __future__ import annotations

import re

import pytest
from handshakes import REQUEST_HEADERS
from peers import (
    connecting_pair,
)

from fastws.deflate import Deflate
from fastws.errors import InvalidHandshake, SecurityError
from fastws.frames import Role, State
from fastws.handshake import ServerHandshake
from fastws.http11 import Headers, Request
from fastws.protocol import Protocol


def request_lines(*more, **changes):
    headers = {**REQUEST_HEADERS, **changes}
    lines = [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    return b"\r\n".join([b"GET /chat HTTP/1.1", *lines, *more, b"", b""])


def status_of(wire):
    """The status that a server answers these bytes with, and the whole answer."""
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    events = server.receive_data(wire)
    if events and isinstance(events[-1], Request):
        server.send_response(server.accept())
    (answer,) = server.data_to_send()
    return int(answer[9:12]), answer


def test_a_handshake_one_byte_at_a_time_looks_at_each_byte_a_few_times_only(monkeypatch):
    """What makes it quadratic is going over the same bytes for each one that comes."""
    looked_at = []
    buffers = []

    class Counted(bytearray):
        """A buffer that notes how far its searches go."""

        def __init__(self, *args):
            super().__init__(*args)
            buffers.append(self)

        def find(self, sub, start=0, end=None):
            looked_at.append(len(self) - start)
            return super().find(sub, start, len(self) if end is None else end)

        def rfind(self, sub, start=0, end=None):
            looked_at.append(len(self) - start)
            return super().rfind(sub, start, len(self) if end is None else end)

        def __getitem__(self, key):
            if isinstance(key, slice):
                looked_at.append(len(range(*key.indices(len(self)))))
            return super().__getitem__(key)

    monkeypatch.setattr("fastws.http11.bytearray", Counted, raising=False)
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    wire = request_lines(*[b"X-Header-%d: " % i + b"y" * 500 for i in range(100)])
    assert len(wire) > 50_000
    events = []
    for byte in wire:
        events += server.receive_data(bytes([byte]))
    assert len(events) == 1
    assert buffers
    assert sum(looked_at) < 12 * len(wire)


@pytest.mark.parametrize("byte", [b"\x00", b"\x08", b"\x0b", b"\x0c", b"\x1c", b"\x1f", b"\x7f"])
@pytest.mark.parametrize("place", ["name", "value", "start", "end", "target", "between"])
def test_control_bytes_are_refused_wherever_they_are(byte, place):
    line = {
        "name": b"X-A" + byte + b"B: c",
        "value": b"X-A: b" + byte + b"c",
        "start": b"X-A:" + byte + b"b",
        "end": b"X-A: b" + byte,
        "target": b"X-A: b",
        "between": byte,
    }[place]
    wire = request_lines(line)
    if place == "target":
        wire = wire.replace(b"/chat", b"/ch" + byte + b"at")
    status, answer = status_of(wire)
    assert status == 400
    assert byte not in answer


@pytest.mark.parametrize("byte", [b"\x85", b"\xa0", b"\xe2\x80\xa8"])
def test_what_only_looks_like_white_space_stays_in_the_value(byte):
    """`str.strip` and `str.splitlines` would take these for space and for the end of a line."""
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    line = b"X-A: " + byte + b"b" + byte + b"X-B: c" + byte
    (request,) = server.receive_data(request_lines(line))
    assert request.headers["X-A"].encode("latin-1") == line[len("X-A: ") :]
    assert "X-B" not in request.headers
    # Nor does it hide an option or a key.
    assert status_of(request_lines(Upgrade="websocket\x85"))[0] in (400, 426)
    assert status_of(request_lines(Connection="\x85Upgrade"))[0] in (400, 426)


@pytest.mark.parametrize(
    "line",
    [
        b"Host: other.example.com",
        b"host: server.example.com",
        b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Version: 8",
    ],
)
def test_what_must_come_once_is_refused_twice(line):
    assert status_of(request_lines(line))[0] == 400


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: identity, chunked",
        b"Content-Length: 0\r\nContent-Length: 5",
    ],
)
def test_a_body_that_could_hide_a_second_request_is_refused(line):
    assert status_of(request_lines(line))[0] == 400


@pytest.mark.parametrize(
    "wire",
    [
        request_lines().replace(b"\r\n", b"\n"),
        request_lines(b" folded: line"),
        request_lines(b"X-A : b"),
        request_lines(b": b"),
        request_lines(b"X-A: b\rX-B: c"),
        request_lines().replace(b"HTTP/1.1", b"HTTP/1.1 "),
        request_lines().replace(b"HTTP/1.1", b"HTTP/2.0"),
        request_lines().replace(b"GET ", b"GET  "),
    ],
    ids=["LF", "folded", "space before colon", "no name", "CR", "space", "HTTP/2", "two spaces"],
)
def test_requests_that_proxies_read_differently_are_refused(wire):
    assert status_of(wire)[0] == 400


def test_headers_without_end_are_refused_in_number_and_in_length():
    assert status_of(request_lines(*[b"X: y"] * 200))[0] == 400
    assert status_of(request_lines(b"X: " + b"y" * 9000))[0] == 431
    assert status_of(b"GET /" + b"y" * 9000)[0] == 431
    assert status_of(request_lines(*[b"X: " + b"y" * 8000] * 9))[0] == 431


def test_a_server_cannot_keep_a_client_reading_headers_forever():
    for endless in (b"HTTP/1.1 103 Early Hints\r\n\r\n", b"X: " + b"y" * 80 + b"\r\n", b"y" * 100):
        client, _ = connecting_pair()
        client.send_request()
        start = b"" if endless.startswith(b"HTTP") else b"HTTP/1.1 101 Switching Protocols\r\n"
        events = client.receive_data(start)
        received = 0
        while not events:
            events = client.receive_data(endless)
            received += len(endless)
            assert received < 200_000
        assert isinstance(events[-1], InvalidHandshake)
        assert client.state is State.CLOSING


def test_a_server_cannot_keep_a_client_reading_a_refusal_forever():
    for head in (b"\r\n", b"Content-Length: 99999999999\r\n\r\n"):
        client, _ = connecting_pair()
        client.send_request()
        events = client.receive_data(b"HTTP/1.1 403 Forbidden\r\n" + head)
        for _ in range(20):
            events += client.receive_data(bytes(2**17))
        response, error = events
        assert len(response.body) == 2**20
        assert isinstance(error, InvalidHandshake)


@pytest.mark.parametrize(
    "value",
    [
        'permessage-deflate; a="' + "\\c" * 3900,
        'permessage-deflate; a="' + "\\c" * 3900 + '"; b="' + "x",
        "permessage-deflate" + "; a" * 2000 + "!(",
        "permessage-deflate" + " " * 7900 + "!(",
        "permessage-deflate;" + "\t " * 3900 + "a",
        "," * 8000,
        "a" * 8000,
    ],
    ids=["open quote", "second quote", "parameters", "spaces", "tabs", "commas", "name"],
)
def test_an_extension_header_made_to_backtrack_is_judged_at_once(value):
    """Exponential time would not end; the answer is any, as long as there is one."""
    server = Protocol(Role.SERVER, handshake=ServerHandshake(deflate=Deflate()))
    server.receive_data(request_lines(**{"Sec-WebSocket-Extensions": value}))
    server.send_response(server.accept())
    assert server.response.status_code in (101, 400)


@pytest.mark.parametrize("value", ["a" + " " * 7900 + "b", "a" + "\t ," * 2600 + "(", ", " * 4000])
def test_a_subprotocol_header_made_to_backtrack_is_judged_at_once(value):
    server = Protocol(Role.SERVER, handshake=ServerHandshake(subprotocols=["chat"]))
    server.receive_data(request_lines(**{"Sec-WebSocket-Protocol": value}))
    server.send_response(server.accept())
    assert server.response.status_code == 400


@pytest.mark.parametrize("bad", ["a\r\nX-Evil: b", "a\nb", "a\rb", "a\x00b"])
def test_headers_of_ours_cannot_be_split(bad):
    handshake = ServerHandshake()
    with pytest.raises(ValueError, match="control character"):
        handshake.reject(403, "no", {"X-A": bad})
    with pytest.raises(ValueError, match="control character"):
        connecting_pair({"additional_headers": {"X-A": bad}})
    with pytest.raises(ValueError, match="control character"):
        connecting_pair({"origin": bad})
    with pytest.raises(ValueError):
        connecting_pair({"subprotocols": [bad]})
    with pytest.raises(ValueError, match="not a token"):
        Headers({bad: "value"})


def test_what_a_request_says_is_not_repeated_raw_in_the_answer():
    value = "\x85<script>"
    status, answer = status_of(request_lines(Origin=value, Upgrade=value))
    assert status in (400, 426)
    head = answer.partition(b"\r\n\r\n")[0]
    assert b"<script>" not in head
    assert b"Content-Type: text/plain" in head


@pytest.mark.parametrize(
    "listed", ["https://example.com", re.compile(r"https://example\.com")], ids=["str", "pattern"]
)
def test_an_origin_is_matched_as_a_whole(listed):
    lookalikes = (
        "https://example.com.evil.net",
        "https://evil.net/https://example.com",
        "https://example.com:444",
        "http://example.com",
        "null",
        "",
    )
    for origin in lookalikes:
        handshake = ServerHandshake(origins=[listed])
        server = Protocol(Role.SERVER, handshake=handshake)
        server.receive_data(request_lines(Origin=origin))
        server.send_response(server.accept())
        assert server.response.status_code == 403


def test_too_much_of_anything_is_told_apart_from_bad_syntax():
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    (error,) = server.receive_data(b"x" * 10_000)
    assert isinstance(error, SecurityError)
