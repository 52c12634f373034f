"""The opening handshake inside `Protocol`: states, early data, refusals, deadlines."""

from __future__ import annotations

import pytest
from handshakes import KEY as REQUEST_KEY
from handshakes import REQUEST_HEADERS
from peers import (
    Frame,
    connecting_pair,
    frames,
    from_peer,
    shake_hands,
    transfer,
)

from fastws.deflate import Deflate
from fastws.errors import (
    ConnectionClosedError,
    InvalidHandshake,
    InvalidOrigin,
    InvalidState,
    InvalidStatus,
    ProtocolError,
)
from fastws.frames import Opcode, Ping, Role, State
from fastws.handshake import ServerHandshake, accept_key
from fastws.http11 import Headers, Request, Response
from fastws.protocol import Protocol

TEXT = "héllo wörld, " * 20


def request_bytes(**changes):
    headers = {**REQUEST_HEADERS, **changes}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return ("GET /chat HTTP/1.1\r\n" + "".join(lines) + "\r\n").encode()


def test_without_a_handshake_a_connection_is_open_at_once(role):
    protocol = Protocol(role)
    assert protocol.state is State.OPEN
    assert protocol.data_to_send() == []
    assert protocol.close_code is None
    assert protocol.close_reason is None
    assert not protocol.eof_to_send
    with pytest.raises(InvalidState, match="is OPEN"):
        protocol.send_response(Response(101, "Switching Protocols", Headers()))


REQUESTS = [
    request_bytes(),
    request_bytes(**{"Sec-WebSocket-Protocol": "chat", "X": "", "Cookie": "a=1; b: caf\xe9"}),
    request_bytes().replace(b"/chat", b"/a?b=c:d").replace(b"Host: ", b"hOST:\t  "),
    request_bytes(**{"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}),
]


@pytest.mark.parametrize("data", REQUESTS)
def test_a_compact_handshake_is_what_it_was(data):
    protocols = []
    for compact in (False, True):
        options = {"subprotocols": ["chat"]} if b"Protocol" in data else {}
        handshake = ServerHandshake(deflate=Deflate(), **options)
        server = Protocol(Role.SERVER, handshake=handshake)
        server.receive_data(data)
        server.send_response(server.accept(), compact=compact)
        protocols.append(server)
    before, after = protocols
    assert after.request == before.request
    assert after.request.serialize() == before.request.serialize()
    assert after.response == before.response
    assert after.response.headers["Sec-WebSocket-Accept"] == accept_key(REQUEST_KEY)
    assert after.request is after.request is after.handshake.request
    assert after.response is after.response
    assert after.subprotocol == before.subprotocol
    assert after.data_to_send() == before.data_to_send()


def test_a_compact_handshake_is_known_to_the_object_that_made_it():
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    server.receive_data(REQUESTS[0] + b"\x89")
    server.send_response(server.accept(), compact=True)
    assert server.handshake.request.path == "/chat"
    assert server.handshake.request is server.request
    assert server.handshake.trailing == b"\x89"


def test_a_handshake_opens_both_sides():
    client, server = connecting_pair(
        {"subprotocols": ["chat"], "deflate": Deflate()},
        {"subprotocols": ["chat"], "deflate": Deflate()},
    )
    assert client.state is server.state is State.CONNECTING
    request = client.send_request()
    assert transfer(client, server) == [request]
    assert server.state is State.CONNECTING
    response = server.accept()
    assert server.send_response(response) == []
    assert server.state is State.OPEN
    assert transfer(server, client) == [response]
    assert client.state is State.OPEN
    for protocol in (client, server):
        assert protocol.request == request
        assert protocol.response == response
        assert protocol.subprotocol == "chat"
        assert protocol.extension is not None
        assert protocol.handshake_exc is None
        assert not protocol.refused
    client.send_message(TEXT)
    assert transfer(client, server) == [TEXT]
    server.send_message(TEXT.encode())
    assert transfer(server, client) == [TEXT.encode()]


@pytest.mark.parametrize(
    ("key", "accept"),
    [
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
    ],
)
def test_the_keys_of_the_rfc_and_of_the_tutorials_are_accepted_with_their_answers(key, accept):
    assert accept_key(key) == accept
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    (request,) = server.receive_data(request_bytes(**{"Sec-WebSocket-Key": key}))
    assert isinstance(request, Request)
    server.send_response(server.accept())
    assert f"\r\nSec-WebSocket-Accept: {accept}\r\n".encode() in server.data_to_send()[0]


def test_the_seeds_of_the_tutorials_go_through_the_whole_stack():
    """What a browser sends to `new WebSocket(...)` followed by `ws.send("hello")`."""
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    server.receive_data(
        b"GET /chat HTTP/1.1\r\nHost: example.com:8000\r\nUpgrade: websocket\r\n"
        b"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    server.send_response(server.accept())
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in b"".join(server.data_to_send())
    # RFC 6455 §5.7: a masked "Hello", and the same as an unmasked answer.
    assert server.receive_data(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58") == ["Hello"]
    server.send_message("Hello")
    assert server.data_to_send() == [b"\x81\x05Hello"]


def test_a_handshake_is_the_same_at_every_split():
    wire = request_bytes() + from_peer(Protocol(Role.SERVER), Opcode.TEXT, b"early")
    for cut in range(len(wire) + 1):
        server = Protocol(Role.SERVER, handshake=ServerHandshake())
        events = server.receive_data(wire[:cut]) + server.receive_data(wire[cut:])
        assert [type(event) for event in events] == [Request]
        assert server.send_response(server.accept()) == ["early"]


def test_an_answer_is_the_same_at_every_split():
    client, server = connecting_pair()
    client.send_request()
    transfer(client, server)
    server.send_response(server.accept())
    server.send_message("at once")
    wire = b"".join(server.data_to_send())
    for cut in range(len(wire) + 1):
        key = client.handshake.key
        other, _ = connecting_pair({"key": key})
        other.send_request()
        events = other.receive_data(wire[:cut]) + other.receive_data(memoryview(wire)[cut:])
        assert events == [server.response, "at once"]


def test_a_rejection_ends_both_sides():
    client, server = connecting_pair(None, {"origins": ["https://example.com"]})
    client.send_request()
    transfer(client, server)
    response = server.accept()
    assert response.status_code == 403
    assert server.send_response(response) == []
    assert server.refused
    assert server.state is State.CLOSING
    assert isinstance(server.handshake_exc, InvalidOrigin)
    received, error = transfer(server, client)
    assert server.eof_to_send
    assert (received.status_code, received.body) == (response.status_code, response.body)
    assert isinstance(error, InvalidStatus)
    assert client.handshake_exc is error
    assert client.refused
    assert client.eof_to_send
    for protocol in (client, server):
        with pytest.raises(ConnectionClosedError, match=r"403|Origin"):
            protocol.send_message("too late")
        assert protocol.receive_data(b"\x81\x00") == []
        assert protocol.receive_eof() == []
        assert protocol.state is State.CLOSED
        assert protocol.data_to_send() == []


def test_a_plain_answer_to_a_health_check_is_no_error():
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    server.receive_data(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    server.send_response(server.handshake.reject(200, "OK\n"))
    assert server.data_to_send()[0].endswith(b"\r\n\r\nOK\n")
    assert server.refused
    assert server.eof_to_send
    assert server.handshake_exc is None


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"\x16\x03\x01\x02\x00", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 9000, 431),
        (request_bytes(**{"Sec-WebSocket-Version": "12"}), 426),
        (request_bytes(**{"Sec-WebSocket-Key": "short"}), 400),
    ],
    ids=["TLS", "POST", "web page", "LF", "long line", "version", "key"],
)
def test_a_bad_request_is_answered_with_its_status_and_nothing_after_it_is_read(wire, status):
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    events = server.receive_data(wire)
    if isinstance(events[0], Request):
        server.send_response(server.accept())
    else:
        assert isinstance(events[0], InvalidHandshake)
        assert len(events) == 1
    assert server.response.status_code == status
    assert server.data_to_send()[0].startswith(b"HTTP/1.1 %d " % status)
    assert isinstance(server.handshake_exc, InvalidHandshake)
    assert server.eof_to_send
    assert server.receive_data(request_bytes()) == []
    assert server.data_to_send() == []


def test_an_answer_that_does_not_fit_the_key_is_refused():
    client, server = connecting_pair()
    client.send_request()
    client.data_to_send()
    server.receive_data(request_bytes(**{"Sec-WebSocket-Key": REQUEST_KEY}))
    server.send_response(server.accept())
    received, error = transfer(server, client)
    assert received.status_code == 101
    assert isinstance(error, InvalidHandshake)
    assert "Sec-WebSocket-Accept" in str(error)
    assert client.state is State.CLOSING
    assert client.data_to_send() == []


def test_messages_sent_on_the_heels_of_a_request_wait_for_its_answer():
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    early = from_peer(server, Opcode.TEXT, b"one") + from_peer(server, Opcode.PING, b"two")
    (request,) = server.receive_data(request_bytes() + early[:4])
    assert isinstance(request, Request)
    for byte in early[4:]:
        assert server.receive_data(bytes([byte])) == []
    assert server.send_response(server.accept()) == ["one", Ping(b"two")]
    answer, pong = server.data_to_send()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert frames(pong) == [Frame(Opcode.PONG, b"two")]


@pytest.mark.parametrize("cut", [0, 10_000, None])
def test_data_before_the_answer_has_a_limit_however_it_is_cut(cut):
    limit = 64 * 1024
    wire = request_bytes()
    for extra in (0, 1):
        server = Protocol(Role.SERVER, handshake=ServerHandshake())
        early = bytes(limit + extra)
        split = len(wire) + (len(early) if cut is None else cut)
        events = server.receive_data((wire + early)[:split])
        events += server.receive_data((wire + early)[split:])
        assert isinstance(events[0], Request)
        if not extra:
            assert len(events) == 1
            assert server.state is State.CONNECTING
            continue
        assert "too much data" in str(events[1])
        assert server.data_to_send()[0].startswith(b"HTTP/1.1 400 ")
        with pytest.raises(InvalidState, match="CLOSING"):
            server.send_response(server.accept())
        assert server.data_to_send() == []


def test_a_violation_in_early_data_fails_the_connection_after_the_answer():
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    server.receive_data(request_bytes() + b"\x81\x00")
    (error,) = server.send_response(server.accept())
    assert isinstance(error, ProtocolError)
    answer, close = server.data_to_send()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert frames(close)[0].payload[:2] == b"\x03\xea"
    assert server.handshake_exc is None


@pytest.mark.parametrize("half", [b"", b"GET / HTTP/1.1\r\nHost"])
def test_the_end_of_the_stream_during_the_handshake_ends_a_server(half):
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    assert server.receive_data(half) == []
    (error,) = server.receive_eof()
    assert "closed during the opening handshake" in str(error)
    assert server.handshake_exc is error
    assert server.state is State.CLOSED
    assert server.eof_to_send
    assert server.next_deadline is None
    assert server.data_to_send() == []
    assert server.receive_eof() == []


def test_the_end_of_the_stream_before_the_answer_ends_a_server_that_may_not_answer():
    server = Protocol(Role.SERVER, handshake=ServerHandshake())
    server.receive_data(request_bytes())
    (error,) = server.receive_eof()
    assert isinstance(error, InvalidHandshake)
    with pytest.raises(InvalidState, match="CLOSED"):
        server.send_response(server.accept())
    with pytest.raises(ConnectionClosedError, match="during the opening handshake"):
        server.send_message("too late")


@pytest.mark.parametrize("half", [b"", b"HTTP/1.1 101 Switching Protocols\r\nUpgr"])
def test_the_end_of_the_stream_during_the_handshake_ends_a_client(half):
    client, _ = connecting_pair()
    client.send_request()
    assert client.receive_data(half) == []
    (error,) = client.receive_eof()
    assert isinstance(error, InvalidHandshake)
    assert client.handshake_exc is error
    assert client.state is State.CLOSED
    assert client.next_deadline is None


def test_the_end_of_the_stream_may_be_the_end_of_a_refusal():
    client, _ = connecting_pair()
    client.send_request()
    assert client.receive_data(b"HTTP/1.1 503 Busy\r\n\r\ntry ") == []
    assert client.receive_data(b"later") == []
    response, error = client.receive_eof()
    assert (response.status_code, response.body) == (503, b"try later")
    assert isinstance(error, InvalidStatus)
    assert error.response is response
    assert client.state is State.CLOSED
    assert client.next_deadline is None


def test_a_slow_request_is_answered_with_408():
    server = Protocol(Role.SERVER, handshake=ServerHandshake(), open_timeout=7, now=100.0)
    server.receive_data(b"GET / HTTP/1.1\r\n", 103.0)
    assert server.next_deadline == 107.0
    assert server.handle_timeout(106.9) == []
    (error,) = server.handle_timeout(107.0)
    assert isinstance(error, TimeoutError)
    assert server.handshake_exc is error
    assert server.data_to_send()[0].startswith(b"HTTP/1.1 408 ")
    assert server.state is State.CLOSING
    assert server.eof_to_send
    assert not server.aborted
    assert server.next_deadline == 117.0
    assert server.handle_timeout(117.0) == []
    assert server.aborted
    assert server.next_deadline is None


def test_a_server_that_takes_too_long_to_answer_says_408_itself():
    server = Protocol(Role.SERVER, handshake=ServerHandshake(), open_timeout=7)
    server.receive_data(request_bytes())
    (error,) = server.handle_timeout(7.0)
    assert isinstance(error, TimeoutError)
    with pytest.raises(InvalidState):
        server.send_response(server.accept())
    assert [data[:13] for data in server.data_to_send()] == [b"HTTP/1.1 408 "]


def test_a_slow_answer_is_a_timeout_for_the_client():
    client, _ = connecting_pair(open_timeout=7)
    client.send_request()
    client.data_to_send()
    (error,) = client.handle_timeout(7.0)
    assert isinstance(error, TimeoutError)
    assert client.handshake_exc is error
    assert client.refused
    assert client.eof_to_send
    assert client.data_to_send() == []
    assert client.receive_data(b"HTTP/1.1 101 ") == []


def test_the_opening_deadline_ends_with_the_handshake():
    client, server = connecting_pair(open_timeout=7, ping_interval=None)
    assert client.next_deadline == server.next_deadline == 7
    shake_hands(client, server)
    assert client.next_deadline is None
    assert server.next_deadline is None
    assert server.handle_timeout(1000.0) == []
    assert server.state is State.OPEN


def test_without_an_opening_timeout_a_handshake_may_take_forever():
    client, server = connecting_pair(open_timeout=None)
    assert client.next_deadline is None
    assert server.next_deadline is None
    assert server.handle_timeout(1e9) == []
    shake_hands(client, server)
    assert server.state is State.OPEN


@pytest.mark.parametrize("send", ["send_message", "send_ping", "send_pong", "send_fragment"])
def test_nothing_can_be_sent_before_the_handshake_is_finished(send):
    for protocol in connecting_pair():
        with pytest.raises(InvalidState, match="handshake is not finished"):
            getattr(protocol, send)(b"early")
        assert protocol.data_to_send() == []


def test_urgent_frames_never_go_before_the_handshake_response():
    client, server = connecting_pair()
    client.send_request()
    transfer(client, server)
    server.receive_data(from_peer(server, Opcode.PING, b"1"))
    server.send_response(server.accept())
    server.send_message("message")
    server.send_ping(b"ping")
    server.send_pong(b"pong")
    answer, *rest = server.data_to_send()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert frames(b"".join(rest)) == [
        Frame(Opcode.PING, b"ping"),
        Frame(Opcode.PONG, b"pong"),
        Frame(Opcode.PONG, b"1"),
        Frame(Opcode.TEXT, b"message"),
    ]
