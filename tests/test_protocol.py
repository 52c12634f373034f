"""`Protocol` once it is open: pings and pongs, limits, violations, what may be sent when."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers import (
    Frame,
    close_frame,
    deflate_pair,
    from_peer,
    open_pair,
    sent,
    settle,
    transfer,
)
from reading import in_pieces, seen

from fastws.errors import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    PayloadTooBig,
    ProtocolError,
)
from fastws.frames import Close, CloseCode, Opcode, Ping, Pong, Role, State
from fastws.protocol import Protocol


def test_a_ping_is_answered_with_its_payload(role):
    protocol = Protocol(role)
    for payload in (b"", b"payload", bytes(125)):
        assert protocol.receive_data(from_peer(protocol, Opcode.PING, payload)) == [Ping(payload)]
        assert sent(protocol) == [Frame(Opcode.PONG, payload)]


def test_a_ping_between_fragments_is_answered_at_once(role):
    protocol = Protocol(role)
    wire = from_peer(protocol, Opcode.TEXT, b"a", fin=False)
    wire += from_peer(protocol, Opcode.PING, b"now")
    assert protocol.receive_data(wire) == [Ping(b"now")]
    assert sent(protocol) == [Frame(Opcode.PONG, b"now")]
    assert protocol.receive_data(from_peer(protocol, Opcode.CONTINUATION, b"b")) == ["ab"]


def test_pings_pongs_and_their_latency(role):
    protocol = Protocol(role)
    answered = []
    payload = protocol.send_ping(now=10.0, on_pong=answered.append)
    assert len(payload) == 4
    assert sent(protocol) == [Frame(Opcode.PING, payload)]
    pong = from_peer(protocol, Opcode.PONG, payload)
    assert protocol.receive_data(pong, 10.25) == [Pong(payload)]
    assert answered == [0.25]
    assert protocol.latency == 0.25
    # It is answered now: the same pong again was not asked for.
    assert protocol.receive_data(pong, 99.0) == [Pong(payload)]
    assert answered == [0.25]
    assert protocol.latency == 0.25


def test_a_later_pong_answers_earlier_pings(role):
    protocol = Protocol(role)
    answered = []
    for number in range(4):
        protocol.send_ping(
            b"%d" % number,
            now=float(number),
            on_pong=lambda latency, number=number: answered.append((number, latency)),
        )
    protocol.receive_data(from_peer(protocol, Opcode.PONG, b"2"), 10.0)
    assert answered == [(0, 10.0), (1, 9.0), (2, 8.0)]
    assert protocol.latency == 8.0
    protocol.receive_data(from_peer(protocol, Opcode.PONG, b"1"), 11.0)
    assert len(answered) == 3
    protocol.receive_data(from_peer(protocol, Opcode.PONG, b"3"), 12.0)
    assert answered[3:] == [(3, 9.0)]


@pytest.mark.parametrize("payload", [b"", b"never sent", b"01"])
def test_a_pong_that_nobody_asked_for_is_ignored(role, payload):
    protocol = Protocol(role)
    answered = []
    protocol.send_ping(b"0", on_pong=answered.append)
    protocol.data_to_send()
    events = protocol.receive_data(from_peer(protocol, Opcode.PONG, payload), 5.0)
    assert events == [Pong(payload)]
    assert answered == []
    assert protocol.latency == 0.0
    assert protocol.data_to_send() == []
    assert protocol.state is State.OPEN


def test_two_pings_with_one_payload_cannot_wait_at_once(role):
    protocol = Protocol(role)
    protocol.send_ping("same")
    with pytest.raises(ConcurrencyError, match="same payload"):
        protocol.send_ping(b"same")
    assert sent(protocol) == [Frame(Opcode.PING, b"same")]
    protocol.receive_data(from_peer(protocol, Opcode.PONG, b"same"))
    assert protocol.send_ping(bytearray(b"same")) == b"same"


def test_payloads_we_choose_are_not_repeated_while_they_wait(role, monkeypatch):
    draws = iter([b"aaaa", b"aaaa", b"aaaa", b"bbbb"])
    monkeypatch.setattr("fastws.protocol.os.urandom", lambda size: next(draws))
    protocol = Protocol(role, ping_interval=None)
    # A client draws its masking keys elsewhere, from a pool that may be empty.
    monkeypatch.setattr("fastws.writer.new_masking_key", lambda: b"mask")
    assert protocol.send_ping() == b"aaaa"
    assert protocol.send_ping() == b"bbbb"


def test_control_frames_have_at_most_125_bytes(role):
    protocol = Protocol(role)
    protocol.send_ping(bytes(125))
    protocol.send_pong(bytes(125))
    assert [len(frame.payload) for frame in sent(protocol)] == [125, 125]
    answered = []
    for payload in (bytes(126), "é" * 63, bytes(70_000)):
        with pytest.raises(ValueError, match="at most 125 bytes"):
            protocol.send_ping(payload, on_pong=answered.append)
        with pytest.raises(ValueError, match="at most 125 bytes"):
            protocol.send_pong(payload)
    for send in (protocol.send_ping, protocol.send_pong):
        with pytest.raises(TypeError, match="must be str or bytes-like"):
            send(5)
    assert protocol.data_to_send() == []


def test_pings_go_ahead_of_queued_messages(role):
    protocol = Protocol(role)
    protocol.send_message(["one", "two"])
    protocol.receive_data(from_peer(protocol, Opcode.PING, b"theirs"))
    protocol.send_ping(b"ours")
    assert [frame.payload for frame in sent(protocol)] == [b"ours", b"theirs", b"one", b"two"]


def test_a_flood_of_pings_fills_no_memory_and_the_latest_are_answered(role):
    protocol = Protocol(role)
    flood = b"".join(
        from_peer(protocol, Opcode.PING, number.to_bytes(4, "big") * 31) for number in range(5000)
    )
    events = protocol.receive_data(flood)
    assert len(events) == 5000
    answers = [int.from_bytes(frame.payload[:4], "big") for frame in sent(protocol)]
    assert answers == list(range(5000 - 64, 5000))
    # A peer that reads its answers gets every one.
    for number in range(200):
        protocol.receive_data(from_peer(protocol, Opcode.PING, b"%d" % number))
        assert sent(protocol) == [Frame(Opcode.PONG, b"%d" % number)]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("fragments", [1, 3])
def test_max_size_holds_through_the_whole_stack(role, compressed, fragments):
    for length, fits in ((999, True), (1000, True), (1001, False)):
        client, server = (deflate_pair if compressed else open_pair)(max_size=1000)
        source, target = (client, server) if role is Role.CLIENT else (server, client)
        cut = length // fragments
        parts = ["x" * cut] * (fragments - 1) + ["x" * (length - cut * (fragments - 1))]
        source.send_message("before")
        source.send_message(parts)
        events = transfer(source, target)
        assert events[0] == "before"
        if fits:
            assert events[1:] == ["x" * length]
            continue
        assert seen(events[1:]) == [(PayloadTooBig, 1009, "message over 1000 bytes")]
        assert target.state is State.CLOSING
        assert sent(target) == [Frame(Opcode.CLOSE, b"\x03\xf1message over 1000 bytes")]
        with pytest.raises(ConnectionClosedError, match="message over 1000 bytes"):
            target.send_message("no more")


def test_messages_before_a_violation_are_delivered_then_the_violation_then_nothing(role):
    for cut in range(24):
        protocol = Protocol(role)
        wire = from_peer(protocol, Opcode.TEXT, b"one") + from_peer(protocol, Opcode.PING)
        wire += from_peer(protocol, 0x3) + from_peer(protocol, Opcode.TEXT, b"never")
        events = protocol.receive_data(wire[:cut]) + protocol.receive_data(wire[cut:])
        assert events[:2] == ["one", Ping()]
        assert seen(events[2:]) == [(ProtocolError, 1002, "reserved opcode 0x3")]
        found = sent(protocol)
        assert found == [
            Frame(Opcode.PONG, b""),
            Frame(Opcode.CLOSE, b"\x03\xeareserved opcode 0x3"),
        ]


@given(
    st.lists(
        st.text(max_size=40)
        | st.binary(max_size=40)
        | st.lists(st.text(max_size=20), min_size=1, max_size=4)
        | st.sampled_from([Opcode.PING, Opcode.PONG])
        | st.integers(60, 70_000),
        max_size=8,
    ),
    st.booleans(),
    st.booleans(),
    st.sets(st.integers(1, 400), max_size=12),
)
def test_whatever_is_sent_arrives_in_any_pieces(messages, compressed, client_sends, cuts):
    pair = deflate_pair() if compressed else open_pair()
    source, target = pair if client_sends else reversed(pair)
    expected, wire, numbers = [], b"", count()
    for message in messages:
        if message is Opcode.PING:
            payload = b"%d" % next(numbers)
            source.send_ping(payload)
            expected.append(Ping(payload))
        elif message is Opcode.PONG:
            source.send_pong(b"p")
            expected.append(Pong(b"p"))
        elif isinstance(message, int):
            source.send_message(bytes(message))
            expected.append(bytes(message))
        else:
            source.send_message(message)
            expected.append("".join(message) if isinstance(message, list) else message)
        wire += b"".join(source.data_to_send())
    events = []
    for piece in in_pieces(wire, cuts):
        events += target.receive_data(piece)
    assert events == expected
    pings = [Pong(event.payload) for event in expected if isinstance(event, Ping)]
    assert settle(source, target)[0] == pings


@pytest.mark.parametrize("send", ["send_message", "send_ping", "send_pong", "send_fragment"])
def test_nothing_can_be_sent_after_a_close(role, send):
    ours = Protocol(role)
    ours.send_close(1001, "bye")
    theirs = Protocol(role)
    theirs.receive_data(close_frame(theirs, 1000))
    lost = Protocol(role)
    lost.receive_eof()
    for protocol in (ours, theirs, lost):
        protocol.data_to_send()
        with pytest.raises(ConnectionClosed):
            getattr(protocol, send)(b"late")
        assert protocol.data_to_send() == []


def test_the_arguments_of_a_reader_are_checked(role):
    with pytest.raises(ValueError, match="max_size"):
        Protocol(role, max_size=-1)
    with pytest.raises(ValueError, match="max_fragments"):
        Protocol(role, max_fragments=0)
    with pytest.raises(TypeError, match="role must be"):
        Protocol("server")


def test_an_empty_close_has_no_code_and_no_reason(role):
    protocol = Protocol(role)
    assert protocol.receive_data(close_frame(protocol)) == [Close(CloseCode.NO_STATUS_RCVD, "")]
    assert sent(protocol) == [Frame(Opcode.CLOSE, b"")]
