"""A payload that comes in pieces, straight into the object it will be."""

import random
import sys

import pytest

from fastws import apply_mask

KEY = b"\x12\x34\x56\x78"
MIB = 1024 * 1024
ASCII = bytes(range(1, 128)) * 3
UTF8 = "Grüße, 世界 🌍".encode() * 7
BYTES = bytes(range(256)) * 2


def masked(payload, key):
    return payload if key is None else apply_mask(payload, key)


def read(reader, data, cut):
    """Give what arrives, cut and by turns in both ways; return the payload."""
    at = 0
    while at < len(data):
        piece = data[at : at + next(cut)]
        if at % 2:
            buffer = reader.get_buffer()
            with memoryview(buffer) as view:
                piece = piece[: len(view)]
                view[: len(piece)] = piece
            assert reader.buffer_updated(len(piece)) is None
        else:
            assert reader.receive(piece) == len(piece)
        at += len(piece)
        assert reader.missing == len(data) - at
    assert reader.get_buffer() is None
    return reader.payload()


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "masked"])
@pytest.mark.parametrize("payload", [ASCII, UTF8, BYTES], ids=["ascii", "utf-8", "bytes"])
@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_a_payload_cut_anywhere_is_what_was_sent(frame_kernel, payload, text, key):
    data = masked(payload, key)
    expected = payload.decode() if text and payload.isascii() else payload
    for seed in range(20):
        source = random.Random(seed)
        cut = iter(lambda source=source: source.randrange(1, 60), None)
        reader = frame_kernel.PayloadReader(len(data), key, text=text)
        assert read(reader, data, cut) == expected


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_the_shortest_payloads(frame_kernel, length, text):
    for payload in (b"abc"[:length], b"\xff\xfe\xfd"[:length]):
        reader = frame_kernel.PayloadReader(length, KEY, text=text)
        assert reader.receive(apply_mask(payload, KEY)) == length
        expected = payload.decode() if text and payload.isascii() else payload
        assert reader.payload() == expected
        assert type(reader.payload()) is type(expected)


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_memory_is_given_as_the_bytes_come(frame_kernel, text):
    length = sys.maxsize // 2
    reader = frame_kernel.PayloadReader(length, KEY, text=text)
    with memoryview(reader.get_buffer()) as view:
        assert 0 < len(view) <= MIB
    assert reader.receive(bytes(3)) == 3
    assert reader.missing == length - 3


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_a_payload_outgrows_the_memory_of_its_beginning(frame_kernel, text):
    payload = b"0123456789abcdef" * (5 * MIB // 32) + b"end"
    reader = frame_kernel.PayloadReader(len(payload), KEY, text=text)
    data = memoryview(apply_mask(payload, KEY))
    held = []  # as a transport holds the buffer it has just filled
    while (buffer := reader.get_buffer()) is not None:
        with memoryview(buffer) as view:
            count = min(len(view), 300_000)
            at = len(payload) - reader.missing
            view[:count] = data[at : at + count]
        reader.buffer_updated(count)
        held.append(buffer)
    assert reader.payload() == (payload.decode() if text else payload)


def test_a_length_that_no_object_can_have_is_refused(frame_kernel):
    reader = frame_kernel.PayloadReader(sys.maxsize)
    assert reader.missing == sys.maxsize
    with pytest.raises(OverflowError, match="too large"):
        frame_kernel.PayloadReader(sys.maxsize + 1)
    with pytest.raises(ValueError, match="must not be negative"):
        frame_kernel.PayloadReader(-1)


def test_takes_no_more_than_its_own(frame_kernel):
    reader = frame_kernel.PayloadReader(5)
    assert reader.receive(bytearray(b"hel")) == 3
    assert reader.receive(memoryview(b"lo, and more")) == 2
    assert reader.receive(b"more") == 0
    assert reader.payload() == b"hello"


def test_a_payload_that_is_not_whole_is_not_given_out(frame_kernel):
    reader = frame_kernel.PayloadReader(5)
    reader.receive(b"hell")
    with pytest.raises(ValueError, match="1 bytes of the payload are missing"):
        reader.payload()


def test_bytes_that_were_not_given_room_are_refused(frame_kernel):
    reader = frame_kernel.PayloadReader(5)
    for nbytes in (-1, 6):
        reader.get_buffer()
        with pytest.raises(ValueError, match="do not fit the buffer given out"):
            reader.buffer_updated(nbytes)
    reader.get_buffer()
    reader.receive(b"he")
    with pytest.raises(ValueError, match="do not fit the buffer given out"):
        reader.buffer_updated(3)
    assert reader.missing == 3


def test_a_wrong_length_key_or_buffer_is_refused(frame_kernel):
    with pytest.raises(ValueError, match="length must not be negative, not -1"):
        frame_kernel.PayloadReader(-1)
    with pytest.raises(ValueError, match="masking key must be 4 bytes, not 3"):
        frame_kernel.PayloadReader(5, b"abc")
    with pytest.raises(TypeError):
        frame_kernel.PayloadReader(5).receive("text")
