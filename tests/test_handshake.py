"""The server's side of the opening handshake: every rule of RFC 6455 §4.2, and hostile bytes."""

from __future__ import annotations

import base64
import re

import pytest
from handshakes import (
    ACCEPT,
    KEY,
    REQUEST_HEADERS,
    URI,
    Deflate,
    answer,
    request,
)
from hypothesis import given
from hypothesis import strategies as st

from fastws.errors import (
    InvalidHandshake,
    InvalidHeader,
    InvalidHeaderFormat,
    InvalidHeaderValue,
    InvalidMessage,
    InvalidMethod,
    InvalidOrigin,
    InvalidUpgrade,
    NegotiationError,
)
from fastws.handshake import ClientHandshake, ServerHandshake, accept_key
from fastws.http11 import Headers


@pytest.mark.parametrize(
    ("key", "accept"), [(KEY, ACCEPT), ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk=")]
)
def test_the_accept_value_is_the_one_of_the_rfc(key, accept):
    assert accept_key(key) == accept
    accepted, server = answer(request(Sec_WebSocket_Key=key))
    assert accepted.headers["Sec-WebSocket-Accept"] == accept
    assert server.error is None


def test_a_valid_request_is_answered_with_101():
    accepted, server = answer(request(), server_header=None)
    assert accepted.serialize() == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"\r\n"
    )
    assert (server.subprotocol, server.extension, server.error) == (None, None, None)


def test_a_request_comes_once_and_only_when_it_is_complete():
    server = ServerHandshake()
    data = request().serialize()
    results = [server.receive_data(data[i : i + 1]) for i in range(len(data))]
    assert results[:-1] == [None] * (len(data) - 1)
    assert server.accept(results[-1]).status_code == 101
    assert server.receive_data(b"\x81") is None
    assert server.trailing == b"\x81"
    assert server.receive_data(b"\x02") is None
    assert server.trailing == b"\x81\x02"


@pytest.mark.parametrize(
    "changes",
    [
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": "keep-alive,UPGRADE"},
        {"Connection": ["keep-alive", "upgrade"]},
        {"Connection": ", upgrade ,"},
        {"Upgrade": "WebSocket"},
        {"Upgrade": "h2c, websocket"},
        {"Upgrade": "HTTP/2.0, websocket"},
        {"Host": "[::1]:8765"},
        {"Host": ""},
        {"Content_Length": "0"},
        {"Sec_WebSocket_Extensions": "x-unknown; a=b, permessage-deflate"},
        {"Sec_WebSocket_Protocol": "chat"},
        {"Origin": "https://anywhere.example"},
        {"X_Other": ["1", "2"]},
    ],
)
def test_a_request_that_varies_within_the_rules_is_accepted(changes):
    accepted, server = answer(request(**changes))
    assert accepted.status_code == 101
    assert server.error is None


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"method": "POST"}, 405, InvalidMethod),
        ({"method": "HEAD"}, 405, InvalidMethod),
        ({"method": "get"}, 405, InvalidMethod),
        ({"protocol": "HTTP/1.0"}, 426, InvalidUpgrade),
        ({"Host": None}, 400, InvalidHeader),
        ({"Host": ["a", "a"]}, 400, InvalidHeader),
        ({"Host": "a/b"}, 400, InvalidHeaderValue),
        ({"Host": "a@b"}, 400, InvalidHeaderValue),
        ({"Connection": None}, 426, InvalidUpgrade),
        ({"Connection": "keep-alive"}, 426, InvalidUpgrade),
        ({"Connection": "notUpgrade"}, 426, InvalidUpgrade),
        ({"Connection": "Up grade"}, 400, InvalidHeaderFormat),
        ({"Connection": ""}, 400, InvalidHeaderFormat),
        ({"Upgrade": None}, 426, InvalidUpgrade),
        ({"Upgrade": "h2c"}, 426, InvalidUpgrade),
        ({"Upgrade": "websocket/13"}, 426, InvalidUpgrade),
        ({"Sec_WebSocket_Version": None}, 400, InvalidHeader),
        ({"Sec_WebSocket_Version": ["13", "13"]}, 400, InvalidHeader),
        ({"Sec_WebSocket_Version": "8"}, 426, InvalidHeaderValue),
        ({"Sec_WebSocket_Version": "13, 8"}, 426, InvalidHeaderValue),
        ({"Sec_WebSocket_Version": "013"}, 426, InvalidHeaderValue),
        ({"Sec_WebSocket_Key": None}, 400, InvalidHeader),
        ({"Sec_WebSocket_Key": [KEY, KEY]}, 400, InvalidHeader),
        ({"Sec_WebSocket_Key": ""}, 400, InvalidHeaderValue),
        ({"Sec_WebSocket_Key": KEY[:-1]}, 400, InvalidHeaderValue),
        ({"Sec_WebSocket_Key": KEY + "="}, 400, InvalidHeaderValue),
        ({"Sec_WebSocket_Key": base64.b64encode(bytes(15)).decode()}, 400, InvalidHeaderValue),
        ({"Sec_WebSocket_Key": base64.b64encode(bytes(17)).decode()}, 400, InvalidHeaderValue),
        ({"Sec_WebSocket_Key": "_" + KEY[1:]}, 400, InvalidHeaderValue),
        ({"Origin": ["http://a", "http://a"]}, 400, InvalidHeader),
        ({"Content_Length": "5"}, 400, InvalidMessage),
        ({"Content_Length": ["0", "5"]}, 400, InvalidMessage),
        ({"Transfer_Encoding": "chunked"}, 400, InvalidMessage),
        ({"Sec_WebSocket_Extensions": "permessage-deflate;"}, 400, InvalidHeaderFormat),
        ({"Sec_WebSocket_Protocol": "a b"}, 400, InvalidHeaderFormat),
        ({"Sec_WebSocket_Protocol": "a/b"}, 400, InvalidHeaderFormat),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(changes, status, error):
    refused, server = answer(request(**changes))
    assert refused.status_code == status
    assert type(server.error) is error
    assert refused.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "close" in refused.headers["Connection"]
    assert "Date" in refused.headers
    if changes.get("method") == "HEAD":
        assert refused.body == b""
        assert int(refused.headers["Content-Length"]) > 0
    else:
        assert str(server.error).encode() in refused.body
        assert refused.headers["Content-Length"] == str(len(refused.body))
    assert refused.headers.get("Allow") == ("GET" if status == 405 else None)
    assert refused.headers.get("Upgrade") == ("websocket" if status == 426 else None)


def test_a_wrong_version_is_told_the_right_one():
    refused, _ = answer(request(Sec_WebSocket_Version="8"))
    assert refused.headers["Sec-WebSocket-Version"] == "13"


def test_a_web_page_request_is_told_what_to_do():
    refused, _ = answer(request(Connection=None, Upgrade=None))
    assert b"WebSocket client" in refused.body
    assert refused.headers["Connection"] == "Upgrade, close"


ORIGINS = ["https://example.com", re.compile(r"https://[a-z]+\.example\.com"), None]


@pytest.mark.parametrize("origin", ["https://example.com", "https://a.example.com", None])
def test_an_origin_that_is_listed_is_accepted(origin):
    accepted, _ = answer(request(Origin=origin), origins=ORIGINS)
    assert accepted.status_code == 101


@pytest.mark.parametrize(
    ("origin", "origins"),
    [
        ("http://example.com", ORIGINS),
        ("https://a.example.com.evil.com", ORIGINS),
        ("https://EXAMPLE.com", ORIGINS),
        (None, ORIGINS[:2]),
        ("https://example.com", []),
        ("null", [None]),
    ],
)
def test_an_origin_that_is_not_listed_is_refused(origin, origins):
    refused, server = answer(request(Origin=origin), origins=origins)
    assert refused.status_code == 403
    assert type(server.error) is InvalidOrigin


@pytest.mark.parametrize(
    ("offered", "supported", "selected"),
    [
        (None, None, None),
        ("a, b", None, None),
        ("a, b", [], None),
        ("a, b", ["b", "a"], "b"),
        (["a", "b"], ["c", "b"], "b"),
    ],
)
def test_the_first_of_the_servers_subprotocols_that_is_offered_is_selected(
    offered, supported, selected
):
    accepted, server = answer(request(Sec_WebSocket_Protocol=offered), subprotocols=supported)
    assert accepted.status_code == 101
    assert accepted.headers.get("Sec-WebSocket-Protocol") == server.subprotocol == selected


@pytest.mark.parametrize("offered", [None, "b", "A"])
def test_no_common_subprotocol_is_an_error(offered):
    refused, server = answer(request(Sec_WebSocket_Protocol=offered), subprotocols=["a"])
    assert refused.status_code == 400
    assert type(server.error) is NegotiationError
    assert "Sec-WebSocket-Protocol" not in refused.headers


def test_a_hook_selects_the_subprotocol():
    asked = request(Sec_WebSocket_Protocol="a, b")
    seen = []

    def select_last(offered):
        seen.append(offered)
        return offered[-1]

    assert answer(asked, select_subprotocol=select_last)[1].subprotocol == "b"
    assert seen == [["a", "b"]]
    accepted, server = answer(asked, select_subprotocol=lambda offered: None)
    assert (accepted.status_code, server.subprotocol) == (101, None)


def test_a_hook_that_fails_or_selects_what_was_not_offered_gives_500():
    for select in (lambda offered: 1 / 0, lambda offered: "c\r\nX: y"):
        refused, server = answer(request(Sec_WebSocket_Protocol="a"), select_subprotocol=select)
        assert refused.status_code == 500
        assert server.error is not None
        assert str(server.error).encode() not in refused.body


def test_the_deflate_configuration_sees_all_offers_in_order():
    deflate = Deflate()
    accepted, server = answer(
        request(Sec_WebSocket_Extensions=["permessage-deflate; a, x-other", "permessage-deflate"]),
        deflate=deflate,
    )
    assert deflate.asked == [[("a", None)], []]
    assert (
        accepted.headers["Sec-WebSocket-Extensions"]
        == "permessage-deflate; server_max_window_bits=10"
    )
    assert server.extension == "extension"


@pytest.mark.parametrize(
    ("header", "deflate"),
    [
        (None, Deflate()),
        ("x-other", Deflate()),
        ("permessage-deflate", Deflate(answer=None)),
        ("permessage-deflate", None),
    ],
)
def test_without_a_common_extension_there_is_none_in_the_answer(header, deflate):
    accepted, server = answer(request(Sec_WebSocket_Extensions=header), deflate=deflate)
    assert accepted.status_code == 101
    assert "Sec-WebSocket-Extensions" not in accepted.headers
    assert server.extension is None


def test_a_refusal_leaves_nothing_negotiated():
    refused, server = answer(
        request(Sec_WebSocket_Extensions="permessage-deflate"),
        deflate=Deflate(),
        subprotocols=["a"],
    )
    assert refused.status_code == 400
    assert (server.extension, server.subprotocol) == (None, None)


def test_a_plain_answer_has_the_headers_of_one():
    server = ServerHandshake(server_header="test")
    answered = server.reject(200, "caf\xe9\n", {"X-Other": "1", "content-type": "text/html"})
    assert answered.reason_phrase == "OK"
    assert answered.body == b"caf\xc3\xa9\n"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answered.headers["Date"])
    del answered.headers["Date"]
    assert answered.headers == Headers(
        {
            "X-Other": "1",
            "Content-Type": "text/html",
            "Connection": "close",
            "Server": "test",
            "Content-Length": "6",
        }
    )
    assert server.error is None


def test_a_probe_gets_a_plain_answer_with_or_without_a_body():
    for data, body in [
        (b"HEAD /healthz HTTP/1.0\r\n\r\n", b""),
        (b"GET /healthz HTTP/1.0\r\n\r\n", b"OK\n"),
    ]:
        server = ServerHandshake()
        assert server.receive_data(data).path == "/healthz"
        answered = server.reject(200, "OK\n")
        assert (answered.body, answered.headers["Content-Length"]) == (body, "3")


def test_an_answer_that_has_no_body_announces_none():
    answered = ServerHandshake().reject(204, "")
    assert "Content-Length" not in answered.headers
    with pytest.raises(ValueError, match="no body"):
        ServerHandshake().reject(204, "text")


def test_answers_refuse_headers_that_would_break_http():
    with pytest.raises(ValueError, match="control character"):
        ServerHandshake().reject(200, "", {"X": "a\r\nb"})
    with pytest.raises(ValueError, match="control character"):
        ServerHandshake(server_header="a\nb")
    accepted, _ = answer(request())
    with pytest.raises(ValueError, match="control character"):
        accepted.headers["Set-Cookie"] = "a\x00b"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 129 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 8192 + b"\r\n", 431),
        (b"GET /" + b"a" * 9000, 431),
        (b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 9, 431),
        (b"GET / HTTP/1.1\r\nX: y\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX : y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n X: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: \x0b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: \x0c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX\x85: y\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
    ],
)
def test_bytes_that_are_not_http_are_answered_with_a_status(data, status):
    server = ServerHandshake()
    with pytest.raises(InvalidHandshake) as caught:
        server.receive_data(data)
    refused = server.error_response(caught.value)
    assert refused.status_code == status
    assert server.error is caught.value


def test_what_goes_wrong_in_the_application_is_not_told_to_the_client():
    server = ServerHandshake()
    error = RuntimeError("secret")
    refused = server.error_response(error)
    assert refused.status_code == 500
    assert b"secret" not in refused.body
    assert server.error is error


REQUEST_PARTS = st.sampled_from(
    [f"{name}: {value}\r\n".encode() for name, value in REQUEST_HEADERS.items()]
    + [
        b"Connection: keep-alive, Upgrade\r\n",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        b"Sec-WebSocket-Extensions: a; b=\r\n",
        b"Sec-WebSocket-Protocol: a, b\r\n",
        b"Origin: null\r\n",
        b"Content-Length: 1\r\n",
        b"\xff: \x85\r\n",
        b": ,;=\r\n",
        b"\r\n",
    ]
)


@given(st.lists(REQUEST_PARTS, max_size=12).map(b"".join) | st.binary(max_size=100))
def test_any_bytes_are_incomplete_or_answered(data):
    server = ServerHandshake(subprotocols=["a"], origins=[None], deflate=Deflate())
    try:
        asked = server.receive_data(b"GET / HTTP/1.1\r\n" + data + b"\r\n\r\n")
    except InvalidHandshake as error:
        answered = server.error_response(error)
    else:
        answered = server.accept(asked)
    assert answered.status_code in (101, 400, 403, 426)
    assert (answered.status_code == 101) == (server.error is None)
    assert ClientHandshake(URI).receive_data(answered.serialize()) is not None
