"""`MessageReader.get_buffer` and `buffer_updated`: large payloads received where they will stay."""

import gc
import random
import sys
from itertools import pairwise

import pytest
from reading import KEYS, in_pieces, read, read_into_buffers, seen
from wire import BINARY, CONTINUATION, PING, TEXT, frame

from fastws.frames import Close, Ping, Role

MIB = 1024 * 1024


def large(length, opcode, *, high=False):
    """A message of this length and its payload."""
    if opcode == BINARY:
        payload = random.Random(length).randbytes(length)
        return payload, payload
    text = "0123456789abcdef" * (length // 16) + "x" * (length % 16)
    if high:
        text = text[: length // 2] + "世" + text[length // 2 + 3 :]
    assert len(text.encode()) == length
    return text, text.encode()


def fill(buffer, data):
    with memoryview(buffer) as view:
        assert not view.readonly
        assert view.contiguous
        length = min(len(view), len(data))
        view[:length] = data[:length]
    return length


def test_there_is_no_buffer_without_a_large_payload_under_way(frame_kernel, role):
    key = KEYS[role]
    reader = frame_kernel.MessageReader(role)
    assert reader.get_buffer() is None
    wire = frame(BINARY, bytes(100_000), key=key)
    for end in (1, 2, 9):
        assert reader.receive(wire[end - 1 : end] if end < 3 else wire[2:end]) == []
        assert reader.get_buffer() is None
    assert reader.receive(wire[9:20]) == []
    assert reader.get_buffer() is not None
    assert reader.receive(wire[20:-100]) == []
    assert reader.get_buffer() is None  # 100 bytes are not worth one
    assert reader.receive(wire[-100:] + frame(PING, b"?", key=key)[:2]) == [bytes(100_000)]
    assert reader.get_buffer() is None


@pytest.mark.parametrize("length", [20_000, 65_536, MIB, MIB + 1, 3 * MIB + 7])
@pytest.mark.parametrize("kind", [BINARY, TEXT, "text with a high byte"])
def test_large_messages_arrive_whole_in_every_way(frame_kernel, role, length, kind):
    message, payload = large(length, BINARY if kind == BINARY else TEXT, high=isinstance(kind, str))
    opcode = BINARY if kind == BINARY else TEXT
    wire = frame(opcode, payload, key=KEYS[role]) + frame(PING, b"next", key=KEYS[role])
    expected = seen([message, Ping(b"next")])

    def reader():
        return frame_kernel.MessageReader(role, max_size=None)

    assert seen(reader().receive(wire)) == expected
    assert seen(read(reader(), in_pieces(wire, range(0, len(wire), 50_001)))) == expected
    for most in (30_001, 400_000, 10 * MIB):
        assert seen(read_into_buffers(reader(), wire, most)) == expected


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_large_fragments_are_assembled(frame_kernel, role, opcode):
    message, payload = large(2 * MIB + 300_003, opcode, high=opcode == TEXT)
    borders = [0, 5, 5, 70_001, 1_200_002, 1_200_003, len(payload)]
    wire = b""
    for start, end in pairwise(borders):
        fin = end == len(payload)
        wire += frame(CONTINUATION if wire else opcode, payload[start:end], fin=fin, key=KEYS[role])
    for most in (9_999, 300_000, 10 * MIB):
        for method in (read_into_buffers, lambda reader, wire, most: read(reader, [wire])):
            reader = frame_kernel.MessageReader(role, max_size=len(payload))
            assert method(reader, wire, most) == [message]


def test_buffers_and_pieces_may_be_mixed(frame_kernel, role):
    choose = random.Random(1)
    for opcode, high in ((BINARY, False), (TEXT, False), (TEXT, True)):
        message, payload = large(1_500_000, opcode, high=high)
        wire = frame(opcode, payload, key=KEYS[role])
        reader = frame_kernel.MessageReader(role, max_size=None)
        events, start = [], 0
        while start < len(wire):
            buffer = reader.get_buffer()
            amount = choose.choice([1, 3, 1000, 17_001, 200_000])
            if buffer is None or choose.random() < 0.4:
                # Ignoring the buffer is allowed, whether or not it is still held.
                if choose.random() < 0.5:
                    del buffer
                piece = wire[start : start + amount]
                events += reader.receive(piece)
                start += len(piece)
            else:
                length = fill(buffer, wire[start : start + amount])
                events += reader.buffer_updated(length)
                start += length
        assert events == [message]


def test_an_empty_update_changes_nothing(frame_kernel, role):
    wire = frame(BINARY, bytes(50_000), key=KEYS[role])
    reader = frame_kernel.MessageReader(role)
    reader.receive(wire[:1000])
    assert reader.get_buffer() is not None
    assert reader.buffer_updated(0) == []
    assert reader.receive(wire[1000:]) == [bytes(50_000)]


def test_refuses_more_bytes_than_the_buffer_has(frame_kernel, role):
    reader = frame_kernel.MessageReader(role)
    for nbytes in (1, -1, sys.maxsize):
        with pytest.raises(ValueError, match=f"{nbytes} bytes do not fit"):
            reader.buffer_updated(nbytes)
    wire = frame(BINARY, bytes(50_000), key=KEYS[role])
    for nbytes in (-1, 1 + 50_000, sys.maxsize):
        reader = frame_kernel.MessageReader(role)
        reader.receive(wire[:100])
        reader.get_buffer()
        with pytest.raises(ValueError, match=f"{nbytes} bytes do not fit"):
            reader.buffer_updated(nbytes)
        assert reader.receive(wire[100:]) == [bytes(50_000)]


def test_the_buffer_never_reaches_past_the_frame(frame_kernel, role):
    for length in (20_000, MIB, 5 * MIB):
        reader = frame_kernel.MessageReader(role, max_size=None)
        wire = frame(BINARY, bytes(100), announce=length, key=KEYS[role])
        reader.receive(wire)
        with memoryview(reader.get_buffer()) as view:
            assert view.nbytes <= length - 100
            assert view.format == "B"
            assert view.itemsize == view.ndim == 1


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_held_buffer_outlives_its_message_and_its_reader(frame_kernel, role, opcode):
    message, payload = large(100_000, opcode)
    wire = frame(opcode, payload, key=KEYS[role])
    reader = frame_kernel.MessageReader(role)
    assert reader.receive(wire[:30]) == []
    buffer = reader.get_buffer()
    held = memoryview(buffer)
    length = fill(buffer, wire[30:])
    assert reader.buffer_updated(length) == [message]
    del reader, buffer
    gc.collect()
    _ = [bytes(length) for _ in range(20)]  # would come to lie where freed memory was
    held[:] = b"x" * length
    assert held.tobytes() == b"x" * length


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("end", ["violation", "new message", "deleted"])
def test_a_held_buffer_outlives_what_ends_its_message(frame_kernel, opcode, end):
    key = KEYS[Role.SERVER]
    payload = (b"\xff" if opcode == TEXT else b"x") * 100_000
    wire = frame(opcode, b"x" * 100 + payload, key=key)
    reader = frame_kernel.MessageReader(Role.SERVER)
    assert reader.receive(wire[:100]) == []
    held = memoryview(reader.get_buffer())
    length = len(held)
    if end == "violation":
        assert len(reader.receive(wire[100:] + frame(TEXT, b"no mask"))) == 2 - (opcode == TEXT)
    elif end == "new message":
        reader.receive(wire[100:] + wire)
    else:
        del reader
    gc.collect()
    _ = [bytes(length) for _ in range(20)]
    held[:] = bytes(length)
    assert held.tobytes() == bytes(length)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_growing_under_a_held_buffer_loses_nothing(frame_kernel, role, opcode):
    message, payload = large(5 * MIB, opcode)
    wire = frame(opcode, payload, key=KEYS[role])
    reader = frame_kernel.MessageReader(role, max_size=None)
    held, start, events = [], 16, reader.receive(wire[:16])
    while start < len(wire):
        buffer = reader.get_buffer()
        if buffer is None:
            length = len(wire) - start
            events += reader.receive(wire[start:])
        else:
            held.append(memoryview(buffer))
            length = min(300_000, len(held[-1]), len(wire) - start)
            held[-1][:length] = wire[start : start + length]
            events += reader.buffer_updated(length)
        start += length
    assert events == [message]
    assert len(held) > 3
    for view in held:
        view[:] = bytes(len(view))  # each still has its own memory


def test_the_buffer_may_be_passed_to_receive(frame_kernel, role):
    """Odd, but memory: source and destination are then the same bytes."""
    message, payload = large(100_000, BINARY)
    wire = frame(BINARY, payload, key=KEYS[role])
    reader = frame_kernel.MessageReader(role)
    assert reader.receive(wire[:50]) == []
    with memoryview(reader.get_buffer()) as view:
        length = len(view)
        view[:] = wire[50 : 50 + length]
        assert reader.receive(view) == [message]


def test_messages_received_in_place_are_like_any_other(frame_kernel, role):
    for length in (20_000, 2 * MIB):
        message, payload = large(length, TEXT)
        reader = frame_kernel.MessageReader(role, max_size=None)
        (text,) = read_into_buffers(reader, frame(TEXT, payload, key=KEYS[role]), 16_001)
        assert type(text) is str
        assert text.isascii()
        assert hash(text) == hash(message)
        assert text.encode() == payload
        message, payload = large(length, BINARY)
        (data,) = read_into_buffers(reader, frame(BINARY, payload, key=KEYS[role]), 16_001)
        assert type(data) is bytes
        assert hash(data) == hash(message)


def test_close_and_control_frames_come_through_between_large_fragments(frame_kernel, role):
    key = KEYS[role]
    wire = frame(BINARY, b"a" * 60_000, fin=False, key=key) + frame(PING, b"1", key=key)
    wire += frame(CONTINUATION, b"b" * 60_000, key=key) + frame(8, b"\x03\xe8", key=key)
    for most in (7, 20_000, MIB):
        events = read_into_buffers(frame_kernel.MessageReader(role), wire, most)
        assert events == [Ping(b"1"), b"a" * 60_000 + b"b" * 60_000, Close(1000)]


def test_bytes_without_a_buffer_given_out_are_refused(frame_kernel):
    reader = frame_kernel.MessageReader(Role.CLIENT)
    reader.receive(frame(BINARY, bytes(20_000), announce=100_000))
    with pytest.raises(ValueError, match="do not fit"):
        reader.buffer_updated(1)
    assert reader.get_buffer() is not None
    reader.receive(b"")
    with pytest.raises(ValueError, match="do not fit"):
        reader.buffer_updated(1)
