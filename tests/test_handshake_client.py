"""The client's side of the opening handshake (RFC 6455 §4.1), and both sides together."""

from __future__ import annotations

import base64
import os

import pytest
from handshakes import (
    ACCEPT,
    KEY,
    REQUEST_HEADERS,
    URI,
    Deflate,
    request,
    response,
    verified,
)

from fastws.errors import (
    InvalidHandshake,
    InvalidHeader,
    InvalidHeaderFormat,
    InvalidHeaderValue,
    InvalidMessage,
    InvalidStatus,
    InvalidUpgrade,
    NegotiationError,
)
from fastws.handshake import ClientHandshake, ServerHandshake
from fastws.http11 import Headers, Limits


def test_the_request_has_what_the_rfc_asks_for():
    client = ClientHandshake(
        URI, origin="https://o", subprotocols=["a", "b"], deflate=Deflate(), key=KEY
    )
    assert client.request.serialize().startswith(b"GET /chat?q HTTP/1.1\r\nHost: ")
    headers = client.request.headers.copy()
    del headers["User-Agent"]
    assert headers == Headers(
        {
            **REQUEST_HEADERS,
            "Authorization": "Basic dXNlcjpwYXNz",
            "Origin": "https://o",
            "Sec-WebSocket-Protocol": "a, b",
            "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
        }
    )


def test_every_handshake_has_its_own_key_of_16_bytes(monkeypatch):
    keys = {ClientHandshake(URI).key for _ in range(10)}
    assert len(keys) == 10
    assert {len(base64.b64decode(key, validate=True)) for key in keys} == {16}
    monkeypatch.setattr(os, "urandom", lambda size: bytes(range(size)))
    assert base64.b64decode(ClientHandshake(URI).key) == bytes(range(16))


def test_additional_headers_replace_those_that_can_be():
    client = ClientHandshake(
        URI,
        origin="https://o",
        additional_headers={
            "host": "h",
            "authorization": "Bearer t",
            "origin": "null",
            "user-agent": "u",
            "X": "y",
        },
    )
    for name, value in [
        ("Host", "h"),
        ("Authorization", "Bearer t"),
        ("Origin", "null"),
        ("User-Agent", "u"),
        ("X", "y"),
    ]:
        assert client.request.headers.get_all(name) == [value]
    assert "User-Agent" not in ClientHandshake(URI, user_agent_header=None).request.headers


@pytest.mark.parametrize(
    "name", ["Connection", "upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol"]
)
def test_additional_headers_cannot_replace_the_handshake(name):
    with pytest.raises(ValueError, match="set by the handshake"):
        ClientHandshake(URI, additional_headers={name: "x"})


@pytest.mark.parametrize(
    "options",
    [
        {"additional_headers": {"X": "a\r\nb: c"}},
        {"additional_headers": [("X\n", "a")]},
        {"origin": "a\x00"},
        {"user_agent_header": "a\n"},
        {"subprotocols": ["a b"]},
        {"subprotocols": [""]},
        {"key": "a\r\n"},
    ],
)
def test_a_request_that_would_break_http_is_refused(options):
    with pytest.raises(ValueError):
        ClientHandshake(URI, **options)


@pytest.mark.parametrize("handshake", [ServerHandshake, lambda **o: ClientHandshake(URI, **o)])
def test_subprotocols_must_be_a_list(handshake):
    with pytest.raises(TypeError, match="list"):
        handshake(subprotocols="chat")


def test_a_valid_response_is_verified():
    client = verified(response(Upgrade="WebSocket", Connection="keep-alive, upgrade"))
    assert (client.subprotocol, client.extension) == (None, None)


def test_what_the_server_selects_is_kept():
    deflate = Deflate()
    client = verified(
        response(
            Sec_WebSocket_Protocol="b",
            Sec_WebSocket_Extensions="permessage-deflate; server_max_window_bits=10",
        ),
        subprotocols=["a", "b"],
        deflate=deflate,
    )
    assert (client.subprotocol, client.extension) == ("b", "extension")
    assert deflate.asked == [("server_max_window_bits", "10")]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"Connection": None}, InvalidUpgrade),
        ({"Connection": "close"}, InvalidUpgrade),
        ({"Upgrade": None}, InvalidUpgrade),
        ({"Upgrade": "h2c"}, InvalidUpgrade),
        ({"Upgrade": "h2c, websocket"}, InvalidUpgrade),
        ({"Upgrade": ["websocket", "websocket"]}, InvalidUpgrade),
        ({"Sec_WebSocket_Accept": None}, InvalidHeader),
        ({"Sec_WebSocket_Accept": ""}, InvalidHeaderValue),
        ({"Sec_WebSocket_Accept": ACCEPT.lower()}, InvalidHeaderValue),
        ({"Sec_WebSocket_Accept": [ACCEPT, ACCEPT]}, InvalidHeader),
        ({"Sec_WebSocket_Protocol": "c"}, NegotiationError),
        ({"Sec_WebSocket_Protocol": "A"}, NegotiationError),
        ({"Sec_WebSocket_Protocol": "a, b"}, NegotiationError),
        ({"Sec_WebSocket_Protocol": ["a", "a"]}, NegotiationError),
        ({"Sec_WebSocket_Protocol": ""}, InvalidHeaderFormat),
        ({"Sec_WebSocket_Extensions": "x-other"}, NegotiationError),
        ({"Sec_WebSocket_Extensions": "permessage-deflate, x-other"}, NegotiationError),
        ({"Sec_WebSocket_Extensions": "permessage-deflate; bad"}, NegotiationError),
        ({"Sec_WebSocket_Extensions": ["permessage-deflate"] * 2}, NegotiationError),
        ({"Sec_WebSocket_Extensions": "permessage-deflate;"}, InvalidHeaderFormat),
        ({"Sec_WebSocket_Extensions": ""}, InvalidHeaderFormat),
    ],
)
def test_a_response_that_breaks_a_rule_is_refused(changes, error):
    with pytest.raises(InvalidHandshake) as caught:
        verified(response(**changes), subprotocols=["a", "b"], deflate=Deflate())
    assert type(caught.value) is error


def test_what_was_not_offered_is_refused():
    with pytest.raises(NegotiationError, match="permessage-deflate"):
        verified(response(Sec_WebSocket_Extensions="permessage-deflate"))
    with pytest.raises(NegotiationError, match="subprotocol a"):
        verified(response(Sec_WebSocket_Protocol="a"))


@pytest.mark.parametrize("status", [200, 301, 401, 407, 503])
def test_another_status_is_reported_with_the_whole_response(status):
    client = ClientHandshake(URI)
    assert client.receive_data(b"HTTP/1.1 %d No\r\nX: y\r\n\r\nbo" % status) is None
    assert client.receive_data(b"dy") is None
    refused = client.receive_eof()
    with pytest.raises(InvalidStatus, match=str(status)) as caught:
        client.verify(refused)
    assert caught.value.response is refused
    assert (refused.status_code, refused.headers["X"], refused.body) == (status, "y", b"body")


def test_frames_that_come_with_the_response_are_kept():
    client = ClientHandshake(URI, key=KEY)
    assert client.receive_data(response().serialize() + b"\x81\x02hi") is not None
    assert client.receive_data(b"\x89\x00") is None
    assert client.trailing == b"\x81\x02hi\x89\x00"
    assert client.receive_eof() is None


def test_limits_are_parameters():
    limits = Limits(max_headers=1)
    for handshake, data in [
        (ServerHandshake(limits=limits), request().serialize()),
        (ClientHandshake(URI, limits=limits), response().serialize()),
    ]:
        with pytest.raises(InvalidMessage, match="more than 1 headers"):
            handshake.receive_data(data)


def test_our_client_and_our_server_agree():
    client = ClientHandshake(URI, subprotocols=["a"], deflate=Deflate())
    server = ServerHandshake(subprotocols=["a"], deflate=Deflate())
    accepted = server.accept(server.receive_data(client.request.serialize()))
    client.verify(client.receive_data(accepted.serialize()))
    assert client.subprotocol == server.subprotocol == "a"
    assert client.extension == server.extension == "extension"


def test_the_websockets_package_agrees_on_both_roles():
    websockets = pytest.importorskip("websockets.client")
    servers = pytest.importorskip("websockets.server")
    peers_uri = pytest.importorskip("websockets.uri")

    peer_client = websockets.ClientProtocol(
        peers_uri.parse_uri("ws://h/p?q"), subprotocols=["b", "a"]
    )
    peer_client.send_request(peer_client.connect())
    server = ServerHandshake(subprotocols=["a"])
    accepted = server.accept(server.receive_data(b"".join(peer_client.data_to_send())))
    peer_client.receive_data(accepted.serialize())
    assert peer_client.handshake_exc is None
    assert peer_client.subprotocol == server.subprotocol == "a"

    peer_server = servers.ServerProtocol(subprotocols=["a"])
    client = ClientHandshake(URI, subprotocols=["b", "a"])
    peer_server.receive_data(client.request.serialize())
    peer_server.send_response(peer_server.accept(peer_server.events_received()[0]))
    client.verify(client.receive_data(b"".join(peer_server.data_to_send())))
    assert client.subprotocol == "a"
