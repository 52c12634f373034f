"""How a connection fails (RFC 6455 §7.1.7), and what is reported of any end (§7.1.5, §7.1.6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers import Frame, close_frame, frames, from_peer, sent

from fastws.errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
)
from fastws.frames import Close, CloseCode, Opcode, Role, State
from fastws.protocol import Protocol


def close_payload(code, reason=""):
    return code.to_bytes(2, "big") + reason.encode()


def test_a_violation_is_answered_with_its_code_and_reason_and_ends_everything(role):
    protocol = Protocol(role)
    protocol.send_message("queued")
    wire = from_peer(protocol, Opcode.TEXT, b"\xff") + from_peer(protocol, Opcode.TEXT, b"never")
    (error,) = protocol.receive_data(wire)
    assert (error.code, error.reason) == (1007, "text message is not UTF-8")
    assert sent(protocol) == [
        Frame(Opcode.TEXT, b"queued"),
        Frame(Opcode.CLOSE, close_payload(1007, "text message is not UTF-8")),
    ]
    assert protocol.state is State.CLOSING
    # RFC 6455 §7.1.7: even a client need not wait for the server here.
    assert protocol.eof_to_send
    assert protocol.receive_data(close_frame(protocol, 1007)) == []
    protocol.receive_eof()
    assert (protocol.close_code, protocol.close_reason) == (1006, "")
    exc = protocol.close_exc
    assert isinstance(exc, ConnectionClosedError)
    assert str(exc) == (
        "sent 1007 (invalid data) text message is not UTF-8; no close frame received "
        "(text message is not UTF-8)"
    )


def test_a_violation_after_our_close_sends_no_second_one(role):
    protocol = Protocol(role)
    protocol.send_close(1000)
    protocol.data_to_send()
    (error,) = protocol.receive_data(from_peer(protocol, 0xB))
    assert error.code == 1002
    assert protocol.data_to_send() == []
    assert protocol.eof_to_send
    assert protocol.close_sent == Close(1000, "")
    assert protocol.close_exc.cause == "reserved opcode 0xb"


def test_a_driver_can_fail_the_connection_and_then_takes_nothing_more(role):
    protocol = Protocol(role)
    half = from_peer(protocol, Opcode.BINARY, bytes(50_000))
    assert protocol.receive_data(half[:20]) == []
    protocol.fail(CloseCode.INTERNAL_ERROR, "the disk is full", 3.0)
    assert sent(protocol) == [Frame(Opcode.CLOSE, close_payload(1011, "the disk is full"))]
    assert protocol.eof_to_send
    assert protocol.next_deadline == 13.0
    buffer = protocol.get_buffer()
    if buffer is not None:
        assert protocol.buffer_updated(len(buffer)) == []
    assert protocol.receive_data(half) == []
    assert protocol.receive_data(close_frame(protocol, 1011)) == []
    protocol.fail(CloseCode.PROTOCOL_ERROR, "something else")
    assert protocol.data_to_send() == []
    protocol.receive_eof()
    assert protocol.close_exc.cause == "the disk is full"


@pytest.mark.parametrize("reason", ["x" * 200, "é" * 100, "€" * 60, "x" + "👋" * 50])
def test_a_long_reason_is_cut_between_code_points(role, reason):
    protocol = Protocol(role)
    protocol.fail(1011, reason)
    payload = sent(protocol)[0].payload
    assert 120 < len(payload) <= 125
    assert reason.startswith(payload[2:].decode())
    assert protocol.close_exc.cause == reason


def test_the_end_of_the_stream_without_a_close_is_abnormal(role):
    for half in (b"", b"\x81"):
        protocol = Protocol(role)
        protocol.receive_data(half)
        assert protocol.receive_eof() == []
        assert protocol.state is State.CLOSED
        assert protocol.eof_to_send
        assert (protocol.close_code, protocol.close_reason) == (1006, "")
        exc = protocol.close_exc
        assert isinstance(exc, ConnectionClosedError)
        assert (exc.rcvd, exc.sent, exc.rcvd_then_sent) == (None, None, None)
        assert str(exc) == "no close frame received or sent (the connection was lost)"
        assert protocol.receive_data(from_peer(protocol, Opcode.TEXT, b"late")) == []
        assert protocol.next_deadline is None


def test_the_end_of_the_stream_instead_of_an_echo_is_abnormal(role):
    protocol = Protocol(role)
    protocol.send_close(1000, "bye")
    protocol.receive_eof()
    assert protocol.close_code == 1006
    exc = protocol.close_exc
    assert isinstance(exc, ConnectionClosedError)
    assert str(exc) == (
        "sent 1000 (normal closure) bye; no close frame received (the connection was lost)"
    )


def test_code_and_reason_are_unknown_until_the_connection_is_closed(role):
    protocol = Protocol(role)
    assert (protocol.close_code, protocol.close_reason) == (None, None)
    protocol.receive_data(close_frame(protocol, 4000, "private"))
    assert (protocol.close_code, protocol.close_reason) == (None, None)
    protocol.receive_eof()
    assert (protocol.close_code, protocol.close_reason) == (4000, "private")


STEPS = st.sampled_from(
    ["they close", "we close", "they break a rule", "we fail", "the deadline comes", "eof"]
)


@given(
    st.sampled_from(Role),
    st.lists(STEPS, max_size=5),
    st.sampled_from([1000, 1001, 1005, 1011, 3000]),
    st.sampled_from([1000, 1001, 1005, 1008, 4999]),
)
def test_every_order_of_events_gives_a_consistent_report(role, steps, their_code, our_code):
    protocol = Protocol(role)
    received = first = None
    reading, opened = True, True
    wire = b""
    for step in [*steps, "eof"]:
        if step == "they close" and reading:
            code = None if their_code == 1005 else their_code
            protocol.receive_data(close_frame(protocol, code))
            received, reading = Close(their_code, ""), False
            first = first or "they"
        elif step == "we close":
            protocol.send_close(our_code)
            first = first or "we"
        elif step == "they break a rule" and reading:
            protocol.receive_data(from_peer(protocol, 0x3))
            reading, first = False, first or "error"
        elif step == "we fail":
            protocol.fail(1011, "we fail")
            reading, first = False, first or "error"
        elif step == "the deadline comes":
            if protocol.next_deadline is not None and protocol.state is State.CLOSING:
                protocol.handle_timeout(protocol.next_deadline)
                assert protocol.aborted
        elif step == "eof":
            protocol.receive_eof()
            reading = False
            first = first or "eof"
        wire += b"".join(protocol.data_to_send())
        opened = opened and first is None
        assert (protocol.state is State.OPEN) is opened
    assert protocol.state is State.CLOSED
    assert protocol.next_deadline is None
    assert protocol.eof_to_send
    # One close frame at most, and nothing after it.
    assert [frame.opcode for frame in frames(wire)] == [Opcode.CLOSE] * (first != "eof")
    assert protocol.close_rcvd == received
    assert (protocol.close_sent is not None) is (first != "eof")
    assert protocol.close_code == (1006 if received is None else their_code)
    both = received is not None and protocol.close_sent is not None
    assert protocol.close_exc.rcvd_then_sent == (first == "they" if both else None)
    ok = (1000, 1001, 1005)
    expected_ok = both and their_code in ok and protocol.close_sent.code in ok
    kind = ConnectionClosedOK if expected_ok else ConnectionClosedError
    assert type(protocol.close_exc) is kind
    assert bool(protocol.close_exc.cause) <= (not expected_ok)
    with pytest.raises(ConnectionClosed) as caught:
        protocol.send_message("late")
    assert str(caught.value) == str(protocol.close_exc)
