"""`MessageReader` on input that breaks the rules: what it says, when, and with which close code."""

import itertools
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import KEYS, in_pieces, read, seen
from test_utf8 import INVALID, first_bad
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

from fastws import _fallback
from fastws.errors import PayloadTooBig, ProtocolError
from fastws.frames import Close, Ping, Role

PROTOCOL_ERROR, INVALID_DATA, MESSAGE_TOO_BIG = 1002, 1007, 1009

OTHER_KEY = {Role.SERVER: None, Role.CLIENT: b"abcd"}
OPCODES = [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG]
RESERVED_OPCODES = sorted(set(range(16)) - set(OPCODES))


def violations(key, other_key):
    """Frames nobody may send, what comes before them, and the answer."""
    begun = frame(TEXT, b"begun", fin=False, key=key)
    for opcode in OPCODES:
        yield b"", frame(opcode, key=other_key), PROTOCOL_ERROR, "masked"
        for rsv in range(1, 8):
            yield b"", frame(opcode, rsv=rsv, key=key), PROTOCOL_ERROR, "reserved bits set"
    for opcode in RESERVED_OPCODES:
        wire = frame(opcode, key=key)
        yield b"", wire, PROTOCOL_ERROR, f"reserved opcode {opcode:#x}"
    for opcode in (CLOSE, PING, PONG):
        for before in (b"", begun):
            wire = frame(opcode, fin=False, key=key)
            yield before, wire, PROTOCOL_ERROR, "fragmented control frame"
            for length in (126, 65536):
                wire = frame(opcode, announce=length, key=key)
                yield before, wire, PROTOCOL_ERROR, "over 125 bytes"
    for opcode in (TEXT, BINARY):
        for length_bytes, lengths in (2, (0, 1, 125)), (8, (0, 1, 125, 126, 65535)):
            for length in lengths:
                wire = frame(opcode, bytes(length), length_bytes=length_bytes, key=key)
                yield b"", wire, PROTOCOL_ERROR, "not encoded in the fewest bytes"
        for length in (2**63, 2**64 - 1):
            wire = frame(opcode, announce=length, length_bytes=8, key=key)
            yield b"", wire, PROTOCOL_ERROR, "most significant bit"
        for length in (1024 * 1024 + 1, 2**31, 2**32, 2**63 - 1):
            yield (
                b"",
                frame(opcode, announce=length, key=key),
                MESSAGE_TOO_BIG,
                "over 1048576 bytes",
            )
        wire = frame(opcode, b"new", key=key)
        yield begun, wire, PROTOCOL_ERROR, "before the last one was finished"
    for fin in (True, False):
        wire = frame(CONTINUATION, b"no start", fin=fin, key=key)
        yield b"", wire, PROTOCOL_ERROR, "without a message to continue"
    for text in (b"\xff", b"ascii \x80", b"cut \xe4\xb8", b"\xed\xa0\x80", b"\xf0\x80\x80\x80"):
        yield b"", frame(TEXT, text, key=key), INVALID_DATA, "text message is not UTF-8"
        yield begun, frame(CONTINUATION, text, key=key), INVALID_DATA, "text message is not UTF-8"
    for payload, code, words in (
        (b"\x03", PROTOCOL_ERROR, "half a status code"),
        (b"\x03\xed", PROTOCOL_ERROR, "close code 1005"),
        (b"\x03\xe7", PROTOCOL_ERROR, "close code 999"),
        (b"\x13\x88bye", PROTOCOL_ERROR, "close code 5000"),
        (b"\x03\xe8\xff", INVALID_DATA, "close reason is not UTF-8"),
    ):
        for before in (b"", begun):
            yield before, frame(CLOSE, payload, key=key), code, words


def test_good_messages_come_first_then_one_violation_then_nothing(frame_kernel, role):
    key = KEYS[role]
    good = frame(TEXT, b"good", key=key) + frame(PING, b"?", key=key)
    more = frame(TEXT, b"more", key=key) + frame(CLOSE, key=key)
    for before, bad, code, words in violations(key, OTHER_KEY[role]):
        wire = good + before + bad + more
        for pieces in ([wire], in_pieces(wire[:300], range(300)), [good, before + bad, more]):
            reader = frame_kernel.MessageReader(role)
            message, ping, error = read(reader, pieces)
            assert (message, ping) == ("good", Ping(b"?"))
            assert isinstance(error, ProtocolError)
            assert isinstance(error, PayloadTooBig) is (code == MESSAGE_TOO_BIG)
            assert error.code == code
            assert words in str(error)
            assert reader.receive(more) == []
            assert reader.has_control is False
            assert reader.get_buffer() is None
            assert reader.buffer_updated(0) == []


def test_tells_which_side_must_mask(frame_kernel):
    server = frame_kernel.MessageReader(Role.SERVER)
    assert str(server.receive(frame(TEXT, b"x"))[0]) == "frame from a client is not masked"
    client = frame_kernel.MessageReader(Role.CLIENT)
    assert str(client.receive(frame(TEXT, b"x", key=b"abcd"))[0]) == "frame from a server is masked"


def test_header_violations_appear_with_the_byte_that_shows_them(frame_kernel, role):
    for _, wire, _, words in violations(KEYS[role], OTHER_KEY[role]):
        if words in ("masked", "reserved bits set", "fragmented control frame", "over 125 bytes"):
            reader = frame_kernel.MessageReader(role)
            assert reader.receive(wire[:1]) == []
            assert words in str(reader.receive(wire[1:2])[0])


def test_nothing_after_a_close_frame_means_anything(frame_kernel, role):
    key = KEYS[role]
    close = frame(CLOSE, b"\x03\xe8", key=key)
    for after in (frame(TEXT, b"late", key=key), frame(CLOSE, key=key), b"\xff" * 50):
        for pieces in ([close + after], [close, after], in_pieces(close + after, range(80))):
            reader = frame_kernel.MessageReader(role)
            assert read(reader, pieces) == [Close(1000, "")]
            assert reader.has_control is False or len(pieces) == 1


def test_a_close_frame_may_come_inside_a_message(frame_kernel, role):
    wire = frame(TEXT, b"begun", fin=False, key=KEYS[role])
    wire += frame(CLOSE, key=KEYS[role]) + frame(CONTINUATION, b"end", key=KEYS[role])
    for pieces in ([wire], in_pieces(wire, range(len(wire)))):
        assert read(frame_kernel.MessageReader(role), pieces) == [Close()]


def assert_fails_at(reader, head, payload, bad):
    """Feed a frame, its payload byte by byte; ``bad`` is the index of the byte that is too much."""
    assert reader.receive(head) == []
    for i in range(len(payload)):
        events = reader.receive(payload[i : i + 1])
        if i == bad:
            assert seen(events) == [(ProtocolError, INVALID_DATA, "text message is not UTF-8")]
            return
        assert events == []


@pytest.mark.parametrize("before", [b"", b"x" * 40, "世".encode() * 12], ids=["", "ASCII", "CJK"])
@pytest.mark.parametrize("decode", [True, False])
def test_bad_text_fails_at_the_first_bad_byte_of_a_frame(frame_kernel, role, before, decode):
    for sequence in INVALID:
        text = before + sequence
        # What is only cut off is bad where the frame ends.
        bad = min(first_bad(text), len(text) - 1)
        wire = frame(TEXT, text, key=KEYS[role])
        start = len(wire) - len(text)
        reader = frame_kernel.MessageReader(role, decode=decode)
        assert_fails_at(reader, wire[:start], wire[start:], bad)
        # In the middle of a longer frame, in one piece up to that byte.
        wire = frame(TEXT, text + b"x" * 100, key=KEYS[role])
        bad = len(wire) - len(text) - 100 + first_bad(text + b"x")
        reader = frame_kernel.MessageReader(role, decode=decode)
        assert reader.receive(wire[:bad]) == []
        (error,) = reader.receive(wire[bad : bad + 1])
        assert error.code == INVALID_DATA


def test_bad_text_fails_at_the_first_bad_byte_across_fragments(frame_kernel, role):
    for sequence in INVALID:
        text = b"ok" + sequence + b"tail"
        bad = first_bad(text)
        for empty in (False, True):
            reader = frame_kernel.MessageReader(role)
            for i in range(bad + 1):
                opcode = CONTINUATION if i else TEXT
                wire = frame(opcode, text[i : i + 1], fin=False, key=KEYS[role])
                events = reader.receive(wire)
                if empty and i < bad:
                    between = frame(CONTINUATION, fin=False, key=KEYS[role])
                    assert reader.receive(between + frame(PING, key=KEYS[role])) == [Ping()]
                assert [event.code for event in events] == [INVALID_DATA] * (i == bad)


def test_bad_text_in_a_large_frame_does_not_wait_for_its_end(frame_kernel, role):
    head = frame(TEXT, key=KEYS[role], announce=500_000)
    reader = frame_kernel.MessageReader(role)
    assert reader.receive(head) == []
    assert reader.receive(frame(TEXT, b"x" * 100_000, key=KEYS[role])[len(head) :]) == []
    buffer = reader.get_buffer()
    with memoryview(buffer) as view:
        view[:40_000] = frame(TEXT, b"\xff" * 40_000, key=KEYS[role])[len(head) - 6 :][:40_000]
    (error,) = reader.buffer_updated(40_000)
    assert error.code == INVALID_DATA


@pytest.mark.parametrize("limit", [0, 1, 125, 126, 1000, 65535, 65536, 200_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_may_be_as_long_as_the_limit_and_no_longer(frame_kernel, role, limit, opcode):
    key = KEYS[role]
    for length in {max(limit - 1, 0), limit, limit + 1}:
        message = "x" * length if opcode == TEXT else b"x" * length
        for first in {0, 1 if length else 0, length // 2, length}:
            wire = frame(opcode, b"x" * first, fin=False, key=key)
            wire += frame(CONTINUATION, b"x" * (length - first), key=key)
            for whole in (wire, frame(opcode, b"x" * length, key=key)):
                events = frame_kernel.MessageReader(role, max_size=limit).receive(whole)
                if length <= limit:
                    assert events == [message]
                else:
                    error = (PayloadTooBig, MESSAGE_TOO_BIG, f"message over {limit} bytes")
                    assert seen(events) == [error]


def test_each_message_has_the_whole_limit(frame_kernel, role):
    reader = frame_kernel.MessageReader(role, max_size=10)
    for _ in range(3):
        wire = frame(TEXT, b"12345", fin=False, key=KEYS[role])
        wire += frame(PING, b"not counted", key=KEYS[role])
        wire += frame(CONTINUATION, b"67890", key=KEYS[role]) + frame(BINARY, b"", key=KEYS[role])
        assert reader.receive(wire) == [Ping(b"not counted"), "1234567890", b""]


def test_a_message_too_big_is_refused_by_its_header(frame_kernel, role):
    for before in (b"", b"x" * 60):
        reader = frame_kernel.MessageReader(role, max_size=100)
        head = frame(CONTINUATION if before else BINARY, key=KEYS[role], announce=101 - len(before))
        if before:
            assert reader.receive(frame(BINARY, before, fin=False, key=KEYS[role])) == []
        assert reader.receive(head[:-1]) == []
        (error,) = reader.receive(head[-1:])
        assert error.code == MESSAGE_TOO_BIG


def test_sums_of_lengths_do_not_overflow(frame_kernel, role):
    for max_size in (None, 2**63 - 1, 2**70):
        reader = frame_kernel.MessageReader(role, max_size=max_size)
        assert reader.receive(frame(BINARY, b"12345", fin=False, key=KEYS[role])) == []
        huge = frame(CONTINUATION, key=KEYS[role], announce=2**63 - 1)
        events = reader.receive(huge)
        assert [event.code for event in events] in ([MESSAGE_TOO_BIG], [])


def test_an_announced_length_costs_no_memory(frame_kernel, role):
    tracemalloc = pytest.importorskip("tracemalloc")
    for opcode in (TEXT, BINARY):
        for length in (2**30, sys.maxsize // 2, sys.maxsize):
            reader = frame_kernel.MessageReader(role, max_size=None)
            tracemalloc.start()
            try:
                wire = frame(opcode, announce=length, key=KEYS[role])
                assert reader.receive(wire) == []
                with memoryview(reader.get_buffer()) as view:
                    assert 0 < view.nbytes <= 4 * 1024 * 1024
                assert reader.receive(bytes(4) if KEYS[role] is None else KEYS[role]) == []
                assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
            finally:
                tracemalloc.stop()


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("payload", [b"", b"x"])
def test_fragments_are_counted_empty_ones_too(frame_kernel, role, limit, payload):
    for count in range(max(limit - 1, 1), limit + 2):
        reader = frame_kernel.MessageReader(role, max_fragments=limit)
        for _ in range(2 if count <= limit else 1):  # the count starts again
            events = []
            for i in range(count):
                opcode = CONTINUATION if i else BINARY
                events += reader.receive(frame(PING, key=KEYS[role]))  # control frames do not count
                wire = frame(opcode, payload, fin=i == count - 1, key=KEYS[role])
                events += reader.receive(wire)
            last = events[-1]
            assert events[:-1] == [Ping()] * count
            if count <= limit:
                assert last == payload * count
            else:
                error = (PayloadTooBig, MESSAGE_TOO_BIG, f"message over {limit} fragments")
                assert seen([last]) == [error]


@pytest.mark.parametrize(
    ("max_size", "limit"), [(1024 * 1024, 16384), (0, 4096), (300_000, 4687), (None, None)]
)
def test_fragments_have_a_limit_that_follows_the_size(frame_kernel, role, max_size, limit):
    first = frame(BINARY, fin=False, key=KEYS[role])
    empty = frame(CONTINUATION, fin=False, key=KEYS[role])
    reader = frame_kernel.MessageReader(role, max_size=max_size)
    assert reader.receive(first + empty * ((limit or 20_000) - 1)) == []
    events = reader.receive(empty)
    assert [event.code for event in events] == ([MESSAGE_TOO_BIG] if limit else [])


PIECE = st.one_of(
    st.builds(
        frame,
        st.sampled_from([*OPCODES, TEXT, BINARY, CONTINUATION, 3]),
        st.one_of(st.binary(max_size=40), st.text(max_size=20).map(str.encode)),
        fin=st.booleans(),
        rsv=st.sampled_from([0, 0, 0, 0, 4, 2]),
        key=st.sampled_from([None, b"abcd"]),
        length_bytes=st.sampled_from([None, None, None, 2, 8]),
    ),
    st.binary(max_size=6),
)


@st.composite
def streams(draw, key):
    """Frames, mostly allowed ones, some damaged."""
    wire = bytearray()
    for _ in range(draw(st.integers(0, 3))):
        text = draw(st.text(max_size=30)).encode()
        cut = draw(st.integers(0, len(text)))
        wire += frame(TEXT, text[:cut], fin=False, key=key)
        wire += frame(CONTINUATION, text[cut:], key=key)
        wire += frame(draw(st.sampled_from([TEXT, BINARY, PING])), text[:90].lower(), key=key)
    wire += draw(st.one_of(PIECE, st.lists(PIECE, max_size=3).map(b"".join)))
    for position in draw(st.lists(st.integers(0, 200), max_size=2)):
        if position < len(wire):
            wire[position] = draw(st.integers(0, 255))
    return bytes(wire)


@given(data=st.data())
@settings(max_examples=400)
def test_any_bytes_mean_the_same_compiled_and_pure_in_any_pieces(frame_kernel, role, data):
    wire = data.draw(streams(KEYS[role]))
    options = {
        "max_size": data.draw(st.sampled_from([20, 1024])),
        "max_fragments": data.draw(st.sampled_from([None, 2])),
        "inflate": data.draw(
            st.sampled_from([None, lambda payload, max_length, fin: payload[::-1]])
        ),
        "decode": data.draw(st.booleans()),
    }
    cuts = data.draw(st.lists(st.integers(0, 150), max_size=5))
    expected = seen(_fallback.MessageReader(role, **options).receive(wire))
    for pieces in ([wire], in_pieces(wire, range(len(wire))), in_pieces(wire, cuts)):
        assert seen(read(frame_kernel.MessageReader(role, **options), pieces)) == expected


def test_every_two_byte_start_means_the_same_compiled_and_pure(frame_kernel, role):
    begun = frame(TEXT, b"a", fin=False, key=KEYS[role])
    for inflate in (None, lambda payload, max_length, fin: payload):
        for before, first, second in itertools.product([b"", begun], range(256), range(0, 256, 5)):
            wire = before + bytes([first, second]) + bytes(20)
            expected = seen(_fallback.MessageReader(role, inflate=inflate).receive(wire))
            assert seen(frame_kernel.MessageReader(role, inflate=inflate).receive(wire)) == expected
