"""The closing handshake (RFC 6455 §7): who closes, who echoes, who waits, and how long."""

from __future__ import annotations

import pytest
from peers import Frame, close_frame, from_peer, open_pair, sent, settle, transfer

from fastws.errors import (
    ConnectionClosedError,
    ConnectionClosedOK,
    ProtocolError,
)
from fastws.frames import Close, CloseCode, Opcode, Ping, Role, State
from fastws.protocol import Protocol

NO_STATUS = Close(CloseCode.NO_STATUS_RCVD)
# RFC 6455 §7.4: what may be on the wire.
ALLOWED_CODES = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
FORBIDDEN_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535]


def close_payload(code, reason=""):
    return code.to_bytes(2, "big") + reason.encode()


def test_a_close_is_echoed_and_the_server_closes_tcp_first(role):
    client, server = open_pair()
    ours, theirs = (client, server) if role is Role.CLIENT else (server, client)
    ours.send_close(1001, "going home")
    assert ours.state is State.CLOSING
    assert not ours.eof_to_send
    assert transfer(ours, theirs) == [Close(1001, "going home")]
    assert theirs.state is State.CLOSING
    assert transfer(theirs, ours) == [Close(1001, "going home")]
    assert server.eof_to_send
    assert not client.eof_to_send
    assert client.receive_eof() == []
    assert client.eof_to_send
    assert server.receive_eof() == []
    for protocol in (client, server):
        assert protocol.state is State.CLOSED
        assert protocol.next_deadline is None
        assert not protocol.aborted
        assert isinstance(protocol.close_exc, ConnectionClosedOK)
        assert protocol.data_to_send() == []
        assert protocol.close_rcvd == protocol.close_sent == Close(1001, "going home")
        assert (protocol.close_code, protocol.close_reason) == (1001, "going home")
    assert ours.close_rcvd_then_sent is False
    assert theirs.close_rcvd_then_sent is True
    assert str(theirs.close_exc) == (
        "received 1001 (going away) going home; then sent 1001 (going away) going home"
    )


@pytest.mark.parametrize("code", ALLOWED_CODES)
def test_every_allowed_code_goes_both_ways(role, code):
    client, server = open_pair()
    ours, theirs = (client, server) if role is Role.CLIENT else (server, client)
    ours.send_close(code, "why")
    settle(ours, theirs)
    ours.receive_eof()
    theirs.receive_eof()
    assert theirs.close_rcvd == ours.close_rcvd == Close(code, "why")
    kind = ConnectionClosedOK if code in (1000, 1001) else ConnectionClosedError
    assert type(ours.close_exc) is type(theirs.close_exc) is kind


def test_a_close_without_a_code_is_echoed_without_one(role):
    protocol = Protocol(role)
    assert protocol.receive_data(close_frame(protocol)) == [NO_STATUS]
    assert sent(protocol) == [Frame(Opcode.CLOSE, b"")]
    protocol.receive_eof()
    assert protocol.close_code == 1005
    assert protocol.close_reason == ""
    assert isinstance(protocol.close_exc, ConnectionClosedOK)


def test_we_can_close_without_a_code(role):
    protocol = Protocol(role)
    protocol.send_close(CloseCode.NO_STATUS_RCVD)
    assert sent(protocol) == [Frame(Opcode.CLOSE, b"")]


def test_both_sides_may_close_at_once():
    client, server = open_pair()
    client.send_close(1000, "client")
    server.send_close(1001, "server")
    from_client, from_server = client.data_to_send(), server.data_to_send()
    assert server.receive_data(b"".join(from_client)) == [Close(1000, "client")]
    assert client.receive_data(b"".join(from_server)) == [Close(1001, "server")]
    assert client.data_to_send() == []
    assert server.data_to_send() == []
    assert server.eof_to_send
    assert not client.eof_to_send
    client.receive_eof()
    server.receive_eof()
    for protocol, other in ((client, Close(1001, "server")), (server, Close(1000, "client"))):
        assert protocol.close_rcvd == other
        # Each side sent its own before it saw the other's.
        assert protocol.close_rcvd_then_sent is False
        assert isinstance(protocol.close_exc, ConnectionClosedOK)


def test_queued_messages_go_out_before_the_close(role):
    protocol = Protocol(role)
    protocol.send_message("last words")
    protocol.receive_data(from_peer(protocol, Opcode.PING, b"p"))
    protocol.send_close()
    assert [frame.opcode for frame in sent(protocol)] == [Opcode.PONG, Opcode.TEXT, Opcode.CLOSE]


def test_a_close_frame_may_end_a_message_half_sent_or_half_received(role):
    protocol = Protocol(role)
    protocol.send_fragment("half")
    wire = from_peer(protocol, Opcode.TEXT, b"half", fin=False) + close_frame(protocol, 1000)
    assert protocol.receive_data(wire) == [Close(1000, "")]
    assert [frame.opcode for frame in sent(protocol)] == [Opcode.TEXT, Opcode.CLOSE]


def test_messages_still_arrive_while_we_wait_for_the_peer_to_close(role):
    protocol = Protocol(role)
    protocol.send_close()
    protocol.data_to_send()
    wire = from_peer(protocol, Opcode.TEXT, b"late") + from_peer(protocol, Opcode.PING, b"p")
    wire += close_frame(protocol, 1000) + from_peer(protocol, Opcode.TEXT, b"never")
    assert protocol.receive_data(wire) == ["late", Ping(b"p"), Close(1000, "")]
    # After our close frame there is nothing to send any more, not even a pong.
    assert protocol.data_to_send() == []


def test_nothing_after_a_close_frame_is_read(role):
    protocol = Protocol(role)
    assert protocol.receive_data(close_frame(protocol, 1000)) == [Close(1000, "")]
    protocol.data_to_send()
    for wire in (from_peer(protocol, Opcode.TEXT, b"late"), close_frame(protocol, 1001), b"\xff"):
        assert protocol.receive_data(wire) == []
    assert protocol.data_to_send() == []
    assert protocol.close_rcvd == Close(1000, "")


def test_closing_again_does_nothing(role):
    protocol = Protocol(role)
    protocol.send_close(1000, "first", 5.0)
    protocol.send_close(1001, "second", 9.0)
    assert sent(protocol) == [Frame(Opcode.CLOSE, close_payload(1000, "first"))]
    assert protocol.close_sent == Close(1000, "first")
    assert protocol.next_deadline == 15.0
    protocol.receive_eof()
    protocol.send_close(1001, "third")
    assert protocol.data_to_send() == []


@pytest.mark.parametrize("code", FORBIDDEN_CODES)
def test_a_code_that_is_not_allowed_on_the_wire_is_refused_from_us_and_from_them(role, code):
    protocol = Protocol(role)
    with pytest.raises(ValueError, match=r"not allowed on the wire|needs a status code"):
        protocol.send_close(code, "reason")
    assert protocol.state is State.OPEN
    assert protocol.data_to_send() == []
    (error,) = protocol.receive_data(close_frame(protocol, code))
    assert type(error) is ProtocolError
    assert error.code == 1002
    assert sent(protocol)[0].payload[:2] == b"\x03\xea"
    assert protocol.eof_to_send
    protocol.receive_eof()
    # RFC 6455 §7.1.5: no valid close frame was received.
    assert protocol.close_code == 1006


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"\x03", 1002), (b"\x03\xe8\xff", 1007), (b"\x03\xe8ok\xed\xa0\x80", 1007)],
)
def test_a_malformed_close_frame_is_a_violation(role, payload, code):
    protocol = Protocol(role)
    (error,) = protocol.receive_data(from_peer(protocol, Opcode.CLOSE, payload))
    assert error.code == code
    assert sent(protocol)[0].payload[:2] == code.to_bytes(2, "big")
    assert isinstance(protocol.close_exc, ConnectionClosedError)


def test_a_reason_that_does_not_fit_is_refused_in_any_state(role):
    protocol = Protocol(role)
    protocol.send_close(1000, "x" * 123)
    for again in (protocol, Protocol(role)):
        with pytest.raises(ValueError, match="at most 123 bytes"):
            again.send_close(1000, "é" * 62)
        with pytest.raises(TypeError):
            again.send_close(1000, b"bytes")
        with pytest.raises(UnicodeEncodeError):
            again.send_close(1000, "\ud800")
    assert len(sent(protocol)[0].payload) == 125


def test_a_peer_that_does_not_answer_our_close_is_aborted(role):
    protocol = Protocol(role, close_timeout=4, now=100.0)
    protocol.send_close(now=101.0)
    assert protocol.next_deadline == 105.0
    assert protocol.handle_timeout(104.9) == []
    assert not protocol.aborted
    # What it sends meanwhile gives it no more time.
    protocol.receive_data(from_peer(protocol, Opcode.TEXT, b"busy"), 104.9)
    assert protocol.next_deadline == 105.0
    assert protocol.handle_timeout(105.0) == []
    assert protocol.aborted
    assert protocol.eof_to_send
    assert protocol.next_deadline is None
    protocol.receive_eof()
    assert protocol.close_code == 1006
    assert protocol.close_exc.cause == "timed out waiting for the peer to close"


def test_a_client_waits_for_the_server_to_close_tcp_but_not_forever():
    client = Protocol(Role.CLIENT, close_timeout=4)
    client.receive_data(close_frame(client, 1000), 10.0)
    assert not client.eof_to_send
    assert client.next_deadline == 14.0
    client.handle_timeout(14.0)
    assert client.aborted
    client.receive_eof()
    # The closing handshake itself was complete.
    assert client.close_code == 1000
    assert type(client.close_exc) is ConnectionClosedOK
    assert client.close_exc.cause == ""


def test_a_server_that_closed_its_direction_waits_for_the_client_but_not_forever():
    server = Protocol(Role.SERVER, close_timeout=4)
    server.receive_data(close_frame(server, 1000), 10.0)
    assert server.eof_to_send
    assert server.next_deadline == 14.0
    server.handle_timeout(14.0)
    assert server.aborted


def test_after_a_failure_the_peer_has_the_same_time(role):
    protocol = Protocol(role, close_timeout=4)
    protocol.receive_data(from_peer(protocol, 0x3), 10.0)
    assert protocol.next_deadline == 14.0
    protocol.handle_timeout(14.0)
    assert protocol.aborted
    assert protocol.close_exc.cause == "reserved opcode 0x3"


def test_without_a_close_timeout_nobody_is_aborted(role):
    protocol = Protocol(role, close_timeout=None)
    protocol.send_close()
    assert protocol.next_deadline is None
    assert protocol.handle_timeout(1e9) == []
    assert not protocol.aborted
