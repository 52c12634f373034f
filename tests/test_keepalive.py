"""Keepalive: when we ping, what counts as life, and what a failure is blamed on; no clock."""

from __future__ import annotations

import pytest
from peers import (
    Frame,
    close_frame,
    connecting_pair,
    from_peer,
    open_pair,
    sent,
    shake_hands,
    transfer,
)

from fastws.errors import ConnectionClosedError
from fastws.frames import Opcode, State
from fastws.protocol import Protocol

SILENT = "keepalive ping timeout: nothing received for 20 s after a ping"


def run_until(protocol, end, **options):
    """Fire every timer exactly when it is due, up to ``end``; return when and what was sent."""
    seen = []
    while protocol.next_deadline is not None and protocol.next_deadline <= end:
        now = protocol.next_deadline
        assert protocol.handle_timeout(now, **options) == []
        seen += [(now, frame.opcode) for frame in sent(protocol)]
    return seen


def answer(protocol, ping, now):
    protocol.receive_data(from_peer(protocol, Opcode.PONG, ping.payload), now)


def test_pings_come_at_the_interval_and_pongs_give_the_latency(role):
    protocol = Protocol(role, ping_interval=20, ping_timeout=20, now=1000.0)
    for now in (1020.0, 1040.0, 1060.0):
        assert protocol.next_deadline == now
        assert protocol.handle_timeout(now - 0.1) == []
        assert protocol.data_to_send() == []
        assert protocol.handle_timeout(now) == []
        (ping,) = sent(protocol)
        assert (ping.opcode, len(ping.payload)) == (Opcode.PING, 4)
        answer(protocol, ping, now + 0.5)
        assert protocol.latency == 0.5
    assert protocol.state is State.OPEN


def test_keepalive_starts_when_the_handshake_is_finished():
    client, server = connecting_pair(open_timeout=30, ping_interval=20, now=100.0)
    assert server.next_deadline == 130.0
    client.send_request()
    server.receive_data(b"".join(client.data_to_send()), 107.0)
    server.send_response(server.accept(), 108.0)
    assert server.next_deadline == 128.0
    client.receive_data(b"".join(server.data_to_send()), 109.0)
    assert client.next_deadline == 129.0


def test_a_peer_that_is_silent_after_a_ping_is_dropped_and_named(role):
    protocol = Protocol(role)
    assert run_until(protocol, 100) == [(20, Opcode.PING), (40, Opcode.CLOSE)]
    assert protocol.state is State.CLOSING
    assert protocol.close_sent.code == 1011
    assert protocol.close_sent.reason == f"{SILENT}; the peer is silent"
    assert protocol.eof_to_send
    with pytest.raises(ConnectionClosedError, match="the peer is silent"):
        protocol.send_message("too late")
    # Ten seconds more for its answer to the close frame, then the end.
    assert protocol.aborted
    assert protocol.next_deadline is None


LIFE = {
    "a pong": lambda protocol, payload: from_peer(protocol, Opcode.PONG, payload),
    "another pong": lambda protocol, payload: from_peer(protocol, Opcode.PONG, b"other"),
    "a ping": lambda protocol, payload: from_peer(protocol, Opcode.PING),
    "a message": lambda protocol, payload: from_peer(protocol, Opcode.TEXT, b"hi"),
    "one byte of a header": lambda protocol, payload: from_peer(protocol, Opcode.TEXT, b"hi")[:1],
    "a byte of a large payload": lambda protocol, payload: from_peer(
        protocol, Opcode.BINARY, bytes(50_000)
    )[:100],
}


@pytest.mark.parametrize("life", LIFE.values(), ids=LIFE)
def test_any_byte_that_is_received_is_life(role, life):
    protocol = Protocol(role)
    protocol.handle_timeout(20.0)
    (ping,) = sent(protocol)
    protocol.receive_data(life(protocol, ping.payload), 39.9)
    protocol.data_to_send()
    assert run_until(protocol, 59) == [(40, Opcode.PING)]
    assert protocol.state is State.OPEN
    # From then on it is silent.
    assert run_until(protocol, 60) == [(60, Opcode.CLOSE)]


def test_bytes_written_into_the_buffer_that_is_given_out_are_life(role):
    protocol = Protocol(role)
    protocol.receive_data(from_peer(protocol, Opcode.BINARY, bytes(90_000))[:50])
    protocol.handle_timeout(20.0)
    protocol.data_to_send()
    assert protocol.get_buffer() is not None
    assert protocol.buffer_updated(1, 39.0) == []
    assert run_until(protocol, 59) == [(40, Opcode.PING)]


def test_bytes_before_the_ping_are_no_life_after_it(role):
    protocol = Protocol(role)
    protocol.receive_data(from_peer(protocol, Opcode.TEXT, b"hi"), 19.9)
    assert run_until(protocol, 40) == [(20, Opcode.PING), (40, Opcode.CLOSE)]


def test_pings_may_come_more_often_than_answers_are_due(role):
    protocol = Protocol(role, ping_interval=5, ping_timeout=12)
    assert run_until(protocol, 17) == [
        (5, Opcode.PING),
        (10, Opcode.PING),
        (15, Opcode.PING),
        (17, Opcode.CLOSE),
    ]


def test_answers_may_be_due_before_the_next_ping(role):
    protocol = Protocol(role, ping_interval=20, ping_timeout=3)
    protocol.handle_timeout(20.0)
    (ping,) = sent(protocol)
    answer(protocol, ping, 21.0)
    assert protocol.next_deadline == 23.0
    protocol.handle_timeout(23.0)
    assert protocol.next_deadline == 40.0
    assert run_until(protocol, 43) == [(40, Opcode.PING), (43, Opcode.CLOSE)]


def test_a_full_receive_queue_is_named(role):
    protocol = Protocol(role)
    run_until(protocol, 40, reading_paused=True)
    assert protocol.close_exc.cause == (
        f"{SILENT}; our receive queue was full, the application did not call recv()"
    )


def test_an_application_that_is_slow_but_at_work_is_no_reason_to_close(role):
    protocol = Protocol(role)
    for now, unread in [(20, 50), (40, 30), (60, 10), (80, 9)]:
        protocol.handle_timeout(now, reading_paused=True, unread=unread)
    assert protocol.state is State.OPEN
    # It took nothing from here on.
    protocol.handle_timeout(100, reading_paused=True, unread=9)
    assert protocol.state is State.CLOSING
    assert "did not call recv()" in protocol.close_exc.cause


def test_a_peer_is_judged_when_reading_goes_on_after_a_slow_application(role):
    protocol = Protocol(role)
    protocol.handle_timeout(20, reading_paused=True, unread=9)
    protocol.handle_timeout(40, reading_paused=True, unread=3)
    protocol.handle_timeout(60, unread=0)
    assert protocol.state is State.CLOSING
    assert protocol.close_exc.cause == f"{SILENT}; the peer is silent"


def test_an_event_loop_that_was_blocked_gets_time_to_read_and_is_named(role):
    protocol = Protocol(role)
    protocol.handle_timeout(20.0)
    protocol.data_to_send()
    # Due at 40, but nobody came before 57.5: the answer may lie in the socket.
    protocol.handle_timeout(57.5)
    assert protocol.state is State.OPEN
    assert protocol.next_deadline <= 62.5
    run_until(protocol, 62.5)
    assert protocol.state is State.CLOSING
    assert protocol.close_exc.cause == f"{SILENT}; our own event loop was blocked for 17.5 s"


def test_an_answer_that_was_held_up_on_our_side_saves_the_connection(role):
    protocol = Protocol(role)
    protocol.handle_timeout(20.0)
    (ping,) = sent(protocol)
    protocol.handle_timeout(57.5)
    answer(protocol, ping, 57.6)
    assert protocol.latency == pytest.approx(37.6)
    run_until(protocol, 62.5)
    assert protocol.state is State.OPEN


def test_a_timer_that_is_a_little_late_is_no_blocked_loop(role):
    protocol = Protocol(role)
    protocol.handle_timeout(20.0)
    protocol.handle_timeout(40.9)
    assert protocol.close_exc.cause == f"{SILENT}; the peer is silent"


def test_what_blocked_us_once_is_not_blamed_later(role):
    protocol = Protocol(role)
    protocol.handle_timeout(20.0)
    (ping,) = sent(protocol)
    protocol.handle_timeout(57.5)
    answer(protocol, ping, 57.6)
    run_until(protocol, 1000)
    assert protocol.close_exc.cause == f"{SILENT}; the peer is silent"


def test_without_an_interval_nobody_pings(role):
    protocol = Protocol(role, ping_interval=None)
    assert protocol.next_deadline is None
    assert protocol.handle_timeout(1e9) == []
    assert protocol.data_to_send() == []
    assert protocol.state is State.OPEN


def test_without_a_timeout_pings_are_sent_and_silence_is_allowed(role):
    protocol = Protocol(role, ping_timeout=None)
    assert run_until(protocol, 200) == [(now, Opcode.PING) for now in range(20, 201, 20)]
    assert protocol.state is State.OPEN


def test_keepalive_stops_when_the_connection_closes(role):
    ours = Protocol(role, close_timeout=None)
    ours.send_close()
    theirs = Protocol(role, close_timeout=None)
    theirs.receive_data(close_frame(theirs, 1000))
    lost = Protocol(role)
    lost.receive_eof()
    for protocol in (ours, theirs, lost):
        protocol.data_to_send()
        assert protocol.next_deadline is None
        assert protocol.handle_timeout(1e9) == []
        assert protocol.data_to_send() == []


def test_a_keepalive_ping_goes_ahead_of_queued_messages(role):
    protocol = Protocol(role)
    protocol.send_message("queued")
    protocol.handle_timeout(20.0)
    assert [frame.opcode for frame in sent(protocol)] == [Opcode.PING, Opcode.TEXT]


def test_pings_of_ours_and_of_the_application_do_not_disturb_each_other(role):
    protocol = Protocol(role)
    answered = []
    protocol.send_ping(b"app", now=19.0, on_pong=answered.append)
    protocol.handle_timeout(20.0)
    application, keepalive = sent(protocol)
    assert application == Frame(Opcode.PING, b"app")
    answer(protocol, keepalive, 20.5)
    assert answered == [1.5]
    assert protocol.latency == 0.5


def test_a_peer_that_talks_for_days_and_never_answers_a_ping_fills_no_memory(role):
    protocol = Protocol(role)
    answered = []
    protocol.send_ping(b"app", now=0.0, on_pong=answered.append)
    message = from_peer(protocol, Opcode.TEXT, b"I am here")
    for number in range(1, 5000):
        protocol.handle_timeout(number * 20.0)
        protocol.data_to_send()
        assert protocol.receive_data(message, number * 20.0 + 1) == ["I am here"]
    assert protocol.state is State.OPEN
    assert protocol._pings is not None
    assert len(protocol._pings) <= 65
    # Whoever waits for an answer still gets it.
    protocol.receive_data(from_peer(protocol, Opcode.PONG, b"app"), 100_000.0)
    assert answered == [100_000.0]


def test_both_sides_keep_each_other_alive():
    client, server = open_pair()
    for now in range(20, 400, 20):
        for protocol, other in ((client, server), (server, client)):
            protocol.handle_timeout(float(now))
            transfer(protocol, other, now + 0.25)
            transfer(other, protocol, now + 0.5)
            assert protocol.latency == 0.5
    assert client.state is server.state is State.OPEN


def test_the_handshake_is_no_answer_to_a_ping():
    client, server = connecting_pair(open_timeout=None)
    shake_hands(client, server)
    assert run_until(server, 40) == [(20, Opcode.PING), (40, Opcode.CLOSE)]
