"""What WebSocket libraries had to publish advisories for, tried on `Protocol`: its frames."""

from __future__ import annotations

import sys
import zlib

import pytest
from peers import (
    Frame,
    close_frame,
    deflate_pair,
    from_peer,
    negotiated,
    open_pair,
    sent,
    transfer,
)
from wire import KEY, frame

from fastws.errors import PayloadTooBig, ProtocolError
from fastws.frames import CloseCode, Opcode, Role, State
from fastws.protocol import Protocol

LIMIT = 10_000


def failed_with(protocol, events, code):
    """Whether the last event is a violation with this code, and the peer is told so."""
    error = events[-1]
    assert isinstance(error, ProtocolError)
    assert error.code == code
    assert protocol.state is State.CLOSING
    assert protocol.eof_to_send
    assert sent(protocol)[-1].payload[:2] == code.to_bytes(2, "big")
    return True


@pytest.mark.parametrize("length", [2**63, 2**63 + 5, 2**64 - 1])
@pytest.mark.parametrize("max_size", [LIMIT, None])
def test_a_length_of_64_bits_is_refused_before_anything_is_kept(role, max_size, length):
    protocol = Protocol(role, max_size=max_size)
    wire = from_peer(protocol, Opcode.BINARY, announce=length)
    assert failed_with(protocol, protocol.receive_data(wire), CloseCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [LIMIT + 1, 2**31, 2**32 + 5, 2**63 - 1])
def test_a_length_over_the_limit_is_refused_by_its_header(role, length):
    protocol = Protocol(role, max_size=LIMIT)
    wire = from_peer(protocol, Opcode.BINARY, announce=length)
    for byte in wire[:-1]:
        assert protocol.receive_data(bytes([byte])) == []
    events = protocol.receive_data(wire[-1:])
    assert failed_with(protocol, events, CloseCode.MESSAGE_TOO_BIG)


def test_lengths_of_fragments_whose_sum_overflows_are_refused(role):
    protocol = Protocol(role, max_size=LIMIT)
    wire = from_peer(protocol, Opcode.BINARY, bytes(LIMIT), fin=False)
    assert protocol.receive_data(wire) == []
    wire = from_peer(protocol, Opcode.CONTINUATION, announce=2**63 - LIMIT + 1)
    assert failed_with(protocol, protocol.receive_data(wire), CloseCode.MESSAGE_TOO_BIG)


def test_an_announced_length_gets_no_memory_even_without_a_limit(role):
    tracemalloc = pytest.importorskip("tracemalloc")
    protocols = [Protocol(role, max_size=None) for _ in range(20)]
    wire = from_peer(protocols[0], Opcode.BINARY, announce=sys.maxsize // 2)
    tracemalloc.start()
    try:
        for protocol in protocols:
            assert protocol.receive_data(wire) == []
            assert protocol.receive_data(b"x" * 100) == []
        assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    finally:
        tracemalloc.stop()


def bomb(length):
    """Zeros, as small as they get; the tail is left out (RFC 7692 §7.2.1)."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (compressor.compress(bytes(length)) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def deflating(role, **options):
    extension = negotiated()[0 if role is Role.CLIENT else 1]
    return Protocol(role, extension=extension, **options)


@pytest.mark.parametrize("limit", [0, 1, LIMIT])
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_inflation_stops_at_the_limit(role, limit, over):
    if limit + over < 0:
        pytest.skip("nothing is shorter than empty")
    protocol = deflating(role, max_size=limit)
    wire = from_peer(protocol, Opcode.BINARY, bomb(limit + over), rsv=4)
    events = protocol.receive_data(wire)
    if over <= 0:
        assert events == [bytes(limit + over)]
    else:
        assert failed_with(protocol, events, CloseCode.MESSAGE_TOO_BIG)
        assert isinstance(events[0], PayloadTooBig)


@pytest.mark.parametrize("over", [0, 1])
def test_inflation_stops_when_earlier_fragments_used_up_the_limit(role, over):
    protocol = deflating(role, max_size=LIMIT)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = compressor.compress(bytes(LIMIT)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    last = (compressor.compress(bytes(over)) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    wire = from_peer(protocol, Opcode.BINARY, first, fin=False, rsv=4)
    assert protocol.receive_data(wire) == []
    events = protocol.receive_data(from_peer(protocol, Opcode.CONTINUATION, last))
    if over:
        assert failed_with(protocol, events, CloseCode.MESSAGE_TOO_BIG)
    else:
        assert events == [bytes(LIMIT)]


def test_a_bomb_costs_no_more_memory_than_the_limit(role):
    tracemalloc = pytest.importorskip("tracemalloc")
    protocol = deflating(role, max_size=LIMIT)
    payload = bomb(9_000_000)
    assert len(payload) < LIMIT
    wire = from_peer(protocol, Opcode.BINARY, payload, rsv=4)
    tracemalloc.start()
    try:
        events = protocol.receive_data(wire)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
    assert failed_with(protocol, events, CloseCode.MESSAGE_TOO_BIG)


def test_a_message_may_inflate_to_the_limit_again_and_again(role):
    client, server = deflate_pair(max_size=LIMIT)
    source, target = (client, server) if role is Role.CLIENT else (server, client)
    for _ in range(20):
        source.send_message(bytes(LIMIT))
        assert transfer(source, target) == [bytes(LIMIT)]


@pytest.mark.parametrize("payload", [b"\xff" * 20, b"\x07", bomb(100)[:-1] + b"\xff\xff\xff"])
def test_what_does_not_inflate_fails_the_connection(role, payload):
    protocol = deflating(role)
    wire = from_peer(protocol, Opcode.BINARY, payload, rsv=4)
    assert failed_with(protocol, protocol.receive_data(wire), CloseCode.INVALID_DATA)


@pytest.mark.parametrize("compressed", [False, True])
def test_fragments_without_end_are_refused_even_if_they_are_empty(role, compressed):
    protocol = (
        deflating(role, max_fragments=100) if compressed else Protocol(role, max_fragments=100)
    )
    wire = from_peer(protocol, Opcode.TEXT, b"", fin=False, rsv=4 if compressed else 0)
    assert protocol.receive_data(wire) == []
    empty = from_peer(protocol, Opcode.CONTINUATION, b"", fin=False)
    assert protocol.receive_data(empty * 99) == []
    assert failed_with(protocol, protocol.receive_data(empty), CloseCode.MESSAGE_TOO_BIG)


def test_by_default_fragments_have_a_limit_too(role):
    protocol = Protocol(role)
    wire = from_peer(protocol, Opcode.TEXT, b"", fin=False)
    wire += from_peer(protocol, Opcode.CONTINUATION, b"", fin=False) * (2**20 // 64)
    assert failed_with(protocol, protocol.receive_data(wire), CloseCode.MESSAGE_TOO_BIG)


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.PING, Opcode.PONG, Opcode.CLOSE])
def test_frames_of_the_wrong_mask_are_refused_control_frames_too(role, opcode):
    protocol = Protocol(role)
    wrong_key = KEY if role is Role.CLIENT else None
    payload = b"\x03\xe8" if opcode is Opcode.CLOSE else b"hi"
    events = protocol.receive_data(frame(opcode, payload, key=wrong_key))
    assert failed_with(protocol, events, CloseCode.PROTOCOL_ERROR)
    assert "masked" in str(events[0])


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_close_codes_that_nobody_may_send_are_refused(role, code):
    protocol = Protocol(role)
    events = protocol.receive_data(close_frame(protocol, code))
    assert failed_with(protocol, events, CloseCode.PROTOCOL_ERROR)
    other = Protocol(role)
    if code != CloseCode.NO_STATUS_RCVD:  # which stands for no code at all when it is ours
        with pytest.raises(ValueError, match="not allowed on the wire"):
            other.send_close(code)
    assert other.data_to_send() == []


def test_control_frames_too_long_are_refused_when_we_send_them_and_when_they_do(role):
    protocol = Protocol(role)
    for send in (protocol.send_ping, protocol.send_pong):
        with pytest.raises(ValueError, match="125"):
            send(bytes(126))
    with pytest.raises(ValueError, match="123"):
        protocol.send_close(1000, "x" * 124)
    assert protocol.data_to_send() == []
    for opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE):
        other = Protocol(role)
        events = other.receive_data(from_peer(other, opcode, bytes(126)))
        assert failed_with(other, events, CloseCode.PROTOCOL_ERROR)


def test_a_flood_of_pings_from_a_peer_that_does_not_read_is_answered_within_bounds(role):
    tracemalloc = pytest.importorskip("tracemalloc")
    protocol = Protocol(role)
    ping = from_peer(protocol, Opcode.PING, bytes(125))
    tracemalloc.start()
    try:
        for _ in range(300):
            protocol.receive_data(ping * 50)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
    answers = sent(protocol)
    assert 0 < len(answers) <= 64
    assert set(answers) == {Frame(Opcode.PONG, bytes(125))}


def test_of_too_many_pings_the_latest_are_answered_in_order(role):
    protocol = Protocol(role)
    for number in range(200):
        protocol.receive_data(from_peer(protocol, Opcode.PING, b"%d" % number))
    answers = [Frame(Opcode.PONG, b"%d" % number) for number in range(136, 200)]
    assert sent(protocol) == answers


def test_a_flood_of_pongs_costs_nothing(role):
    protocol = Protocol(role)
    protocol.send_ping(b"ours", now=0.0)
    flood = b"".join(from_peer(protocol, Opcode.PONG, b"%d" % number) for number in range(5000))
    assert len(protocol.receive_data(flood, 1.0)) == 5000
    assert protocol.latency == 0.0
    assert len(protocol.data_to_send()) == 1


def test_masking_keys_and_ping_payloads_are_not_repeated():
    client, _ = open_pair()
    for _ in range(500):
        client.send_message("same")
    keys = {data[2:6] for data in client.data_to_send()}
    assert len(keys) > 495
    assert len({client.send_ping() for _ in range(60)}) == 60
