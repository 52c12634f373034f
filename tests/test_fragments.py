"""`MessageReader.fragments`: messages that come in several frames, given out frame by frame."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import KEYS, in_pieces, read, read_into_buffers, seen
from test_utf8 import INVALID
from wire import BINARY, CONTINUATION, PING, TEXT, frame

from fastws.frames import Fragment, Ping


def fragmented(opcode, parts, key, *, rsv=0):
    wire = b""
    for i, part in enumerate(parts):
        first = (opcode, rsv) if i == 0 else (CONTINUATION, 0)
        wire += frame(first[0], part, fin=i == len(parts) - 1, rsv=first[1], key=key)
    return wire


def new_reader(frame_kernel, role, **options):
    reader = frame_kernel.MessageReader(role, **options)
    assert reader.fragments is False
    reader.fragments = True
    return reader


def test_each_frame_is_given_out_as_it_ends(frame_kernel, role):
    for opcode, expected in (
        (BINARY, [Fragment(b"one", False), Fragment(b"", False), Fragment(b"two", True)]),
        (TEXT, [Fragment("one", False), Fragment("", False), Fragment("two", True)]),
    ):
        wire = fragmented(opcode, [b"one", b"", b"two"], KEYS[role])
        for cuts in ((), range(len(wire))):
            events = read(new_reader(frame_kernel, role), in_pieces(wire, cuts))
            assert seen(events) == seen(expected)


def test_messages_of_one_frame_are_not_fragments(frame_kernel, role):
    wire = frame(TEXT, b"text", key=KEYS[role]) + frame(BINARY, b"binary", key=KEYS[role])
    for cuts in ((), range(len(wire))):
        events = read(new_reader(frame_kernel, role), in_pieces(wire, cuts))
        assert events == ["text", b"binary"]


def test_a_code_point_cut_in_two_comes_with_its_end(frame_kernel, role):
    raw = "aé世😀z".encode()
    for decode in (True, False):
        for first in range(len(raw) + 1):
            for second in range(first, len(raw) + 1):
                parts = [raw[:first], raw[first:second], raw[second:]]
                wire = fragmented(TEXT, parts, KEYS[role])
                for cuts in ((), range(len(wire))):
                    reader = new_reader(frame_kernel, role, decode=decode)
                    events = read(reader, in_pieces(wire, cuts))
                    assert [event.fin for event in events] == [False, False, True]
                    done = 0
                    for event, end in zip(events, (first, second, len(raw)), strict=True):
                        whole = raw[done:end].decode(errors="ignore")
                        assert event.data == (whole if decode else whole.encode())
                        done += len(whole.encode())
                    assert done == len(raw)


def test_control_frames_keep_their_place_between_fragments(frame_kernel, role):
    key = KEYS[role]
    wire = frame(TEXT, b"a", fin=False, key=key) + frame(PING, b"?", key=key)
    wire += frame(CONTINUATION, b"b", key=key) + frame(TEXT, b"c", key=key)
    for cuts in ((), range(len(wire))):
        events = read(new_reader(frame_kernel, role), in_pieces(wire, cuts))
        assert events == [Fragment("a", False), Ping(b"?"), Fragment("b", True), "c"]


def test_may_be_switched_at_any_time(frame_kernel, role):
    key = KEYS[role]
    reader = frame_kernel.MessageReader(role)
    start, end = frame(TEXT, b"a", fin=False, key=key), frame(CONTINUATION, b"d", key=key)
    middle = frame(CONTINUATION, b"b", fin=False, key=key)
    assert reader.receive(start) == []
    reader.fragments = True
    assert reader.receive(middle) == [Fragment("ab", False)]
    reader.fragments = False
    assert reader.receive(middle) == []
    assert reader.receive(end) == [Fragment("bd", True)]
    assert reader.receive(start + middle + end) == ["abd"]


def test_bad_text_fails_across_fragments_too(frame_kernel, role):
    for sequence in INVALID:
        for cut in range(len(sequence)):
            wire = fragmented(TEXT, [b"ok" + sequence[:cut], sequence[cut:]], KEYS[role])
            for cuts in ((), range(len(wire))):
                events = read(new_reader(frame_kernel, role), in_pieces(wire, cuts))
                assert events[-1].code == 1007
                assert len(events) <= 2


def test_the_size_limit_counts_what_was_given_out(frame_kernel, role):
    for length, limit in ((9, 10), (10, 10), (11, 10)):
        for parts in ([b"x" * 5, b"x" * (length - 5)], [b"x"] * length):
            wire = fragmented(BINARY, parts, KEYS[role]) * 2
            events = new_reader(frame_kernel, role, max_size=limit).receive(wire)
            if length <= limit:
                assert b"".join(event.data for event in events) == b"x" * 2 * length
            else:
                assert str(events[-1]) == "message over 10 bytes"
    # A code point that waits for its end counts once.
    raw = "世".encode() * 4
    wire = fragmented(TEXT, [raw[:1], raw[1:5], raw[5:8], raw[8:]], KEYS[role])
    events = new_reader(frame_kernel, role, max_size=len(raw)).receive(wire)
    assert "".join(event.data for event in events) == "世" * 4
    assert str(new_reader(frame_kernel, role, max_size=11).receive(wire)[-1]).startswith("message")


def test_large_fragments_are_received_in_place(frame_kernel, role):
    for opcode, part in ((BINARY, b"\xff" * 70_000), (TEXT, "世é!".encode() * 20_000)):
        wire = fragmented(opcode, [part, part[:1], part[1:], part], KEYS[role])
        for most in (999, 20_000, 1_000_000):
            events = read_into_buffers(new_reader(frame_kernel, role), wire, most)
            joined = (b"" if opcode == BINARY else "").join(event.data for event in events)
            assert (joined if opcode == BINARY else joined.encode()) == part * 3
            assert len(events) == 4


@pytest.mark.parametrize("decode", [True, False])
def test_compressed_messages_come_in_fragments_too(frame_kernel, role, decode):
    text = "Hello 世界 " * 50
    for cut in range(0, 60, 7):
        compressor = zlib.compressobj(wbits=-15)
        raw = text.encode()
        first = compressor.compress(raw[:cut]) + compressor.flush(zlib.Z_SYNC_FLUSH)
        second = compressor.compress(raw[cut:]) + compressor.flush(zlib.Z_SYNC_FLUSH)
        decompressor = zlib.decompressobj(wbits=-15)
        reader = new_reader(
            frame_kernel,
            role,
            decode=decode,
            inflate=lambda payload, most, fin, new=decompressor: new.decompress(payload),
        )
        events = reader.receive(fragmented(TEXT, [first, second], KEYS[role], rsv=4))
        assert [event.fin for event in events] == [False, True]
        whole = raw[:cut].decode(errors="ignore")
        assert events[0].data == (whole if decode else whole.encode())
        assert events[0].data + events[1].data == (text if decode else raw)
        assert reader.receive(frame(TEXT, b"next", key=KEYS[role])) == [
            "next" if decode else b"next"
        ]


@given(
    text=st.text(max_size=40),
    cuts=st.lists(st.integers(0, 160), max_size=5),
    pieces=st.lists(st.integers(0, 300), max_size=5),
    decode=st.booleans(),
)
def test_fragments_joined_are_the_message(frame_kernel, role, text, cuts, pieces, decode):
    parts = in_pieces(text.encode(), cuts) or [b""]
    wire = fragmented(TEXT, parts, KEYS[role]) + frame(TEXT, b"next", key=KEYS[role])
    reader = new_reader(frame_kernel, role, decode=decode)
    *events, last = read(reader, in_pieces(wire, pieces))
    assert last == ("next" if decode else b"next")
    if len(parts) == 1:
        events = [Fragment(events[0], True)]
    assert len(events) == len(parts)
    joined = ("" if decode else b"").join(event.data for event in events)
    assert joined == (text if decode else text.encode())
