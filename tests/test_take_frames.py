"""Whole frames out of a buffer, for servers that have a parser of their own."""

from collections import namedtuple

import pytest

from fastws import apply_mask, serialize_frame

KEY = b"\x12\x34\x56\x78"
Message = namedtuple("Message", "kind data extra")
TEMPLATES = {0x81: ("text", None), 0x82: ("binary", None)}


def frame(opcode, payload, key=KEY, **options):
    return serialize_frame(opcode, payload, masking_key=key, **options)


def take(frame_kernel, data, templates=TEMPLATES, masked=True, max_length=None, **options):
    return frame_kernel.take_frames(
        data, templates, masked=masked, max_length=max_length, **options
    )


def test_takes_whole_frames_and_tells_where_the_rest_begins(frame_kernel):
    data = frame(1, b"hello") + frame(2, b"\xff\x00" * 40)
    expected = [("text", b"hello"), ("binary", b"\xff\x00" * 40)]
    assert take(frame_kernel, data) == (expected, len(data))
    for end in range(len(data)):
        frames, at = take(frame_kernel, data[:end])
        assert at == (len(frame(1, b"hello")) if end >= 11 else 0)
        assert frames == expected[: 1 if end >= 11 else 0]


@pytest.mark.parametrize("length", [0, 1, 2, 125, 126, 65535, 65536, 100_000])
def test_takes_frames_of_every_length_form(frame_kernel, length):
    payload = bytes(i & 0xFF for i in range(length))
    for key in (None, KEY):
        data = frame(2, payload, key)
        assert take(frame_kernel, data, masked=key is not None) == (
            [("binary", payload)],
            len(data),
        )


def test_a_frame_is_a_copy_of_its_template_with_the_payload_as_item_1(frame_kernel):
    template = Message("kind", None, "extra")
    [message], _ = take(frame_kernel, frame(1, b"hello"), {0x81: template})
    assert type(message) is Message
    assert message == ("kind", b"hello", "extra")
    assert template == ("kind", None, "extra")


def test_a_template_without_an_item_1_is_refused(frame_kernel):
    with pytest.raises(ValueError, match="two items"):
        take(frame_kernel, frame(1, b"hello"), {0x81: ("text",)})


@pytest.mark.parametrize("text", ["", "x", "é", "hello", "Grüße, 世界 🌍" * 100])
def test_decodes_whole_texts_and_nothing_else(frame_kernel, text):
    templates = {**TEMPLATES, 0x01: ("part", None), 0xC1: ("deflated", None)}
    parts = [(0x81, "text", text), *((0x82, "binary", text.encode()),)]
    data = frame(1, text) + frame(2, text.encode())
    data += frame(1, text, fin=False) + frame(1, text, rsv=4)
    expected = [parts[0][1:], parts[1][1:], ("part", text.encode()), ("deflated", text.encode())]
    assert take(frame_kernel, data, templates, decode=True) == (expected, len(data))


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"a\xed\xa0\x80", b"x" * 100 + b"\x80"])
def test_stops_at_a_text_to_decode_that_is_not_utf8(frame_kernel, bad):
    hello = frame(1, b"hello")
    assert take(frame_kernel, hello + frame(1, bad) + hello, decode=True) == (
        [("text", "hello")],
        len(hello),
    )
    assert len(take(frame_kernel, hello + frame(1, bad) + hello)[0]) == 3


@pytest.mark.parametrize(
    "other",
    [
        frame(9, b"ping"),
        frame(1, b"compressed", rsv=4),
        frame(1, b"fragment", fin=False),
        frame(2, b"not masked", None),
        frame(2, b"x" * 1001),
        b"\x82\xfe\x00\x05" + KEY + b"short",
        b"\x82\xff" + bytes(7) + b"\x05" + KEY + b"short",
        b"\x82\xff" + b"\xff" * 8 + KEY,
    ],
    ids=["opcode", "rsv", "fragment", "mask", "limit", "16 bits", "64 bits", "top bit"],
)
def test_stops_at_what_is_the_callers_to_judge(frame_kernel, other):
    hello = frame(1, b"hello")
    data = hello + other + bytes(2000)
    assert take(frame_kernel, data, max_length=1000) == ([("text", b"hello")], len(hello))


def taker(frame_kernel, deliver, masked=True, max_length=None, **options):
    return frame_kernel.FrameTaker(
        TEMPLATES, deliver, masked=masked, max_length=max_length, **options
    )


def test_a_taker_stops_when_there_is_no_room(frame_kernel):
    data = frame(2, b"12345") * 10
    for room, count in ((-1, 0), (0, 1), (14, 1), (15, 2), (30, 3), (1000, 10)):
        frames = []
        subject = taker(frame_kernel, lambda frame, _, to=frames: to.append(frame), overhead=10)
        assert subject.take(data, 0, room) == count * 11
        assert frames == [("binary", b"12345")] * count
        assert subject.left == room - 15 * count


def test_a_taker_delivers_frames_with_their_length_in_bytes(frame_kernel):
    delivered = []
    data = frame(1, "é" * 300) + frame(2, b"")
    subject = taker(
        frame_kernel, lambda *arguments: delivered.append(arguments), decode=True, max_length=600
    )
    assert subject.take(data, 0, 1000) == len(data)
    assert delivered == [(("text", "é" * 300), 600), (("binary", b""), 0)]
    assert subject.take(b"before" + frame(2, b"x"), 6, 1000) == 13
    assert subject.take(frame(2, bytes(601)), 0, 1000) == 0
    assert delivered[2:] == [(("binary", b"x"), 1)]


def test_what_a_taker_delivers_to_may_fail(frame_kernel):
    def deliver(frame, length):
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        taker(frame_kernel, deliver).take(frame(2, b"x"), 0, 1000)


def test_takes_masked_and_other_frames_together_if_asked(frame_kernel):
    data = frame(1, b"hello") + frame(2, b"\xff\x00", None) + frame(1, b"", None)
    expected = [("text", b"hello"), ("binary", b"\xff\x00"), ("text", b"")]
    assert take(frame_kernel, data, masked=None) == (expected, len(data))
    assert take(frame_kernel, data, masked=True) == (expected[:1], 11)


def test_starts_at_the_offset_in_any_buffer(frame_kernel):
    data = b"before" + frame(1, b"hello")
    for kind in (bytes, bytearray, memoryview):
        assert take(frame_kernel, kind(data), offset=6) == ([("text", b"hello")], len(data))
    assert take(frame_kernel, data, offset=len(data)) == ([], len(data))
    for offset in (-1, len(data) + 1):
        with pytest.raises(ValueError, match="not within"):
            take(frame_kernel, data, offset=offset)
    with pytest.raises(TypeError):
        take(frame_kernel, "text")


def test_the_input_is_not_touched(frame_kernel):
    data = bytearray(frame(1, b"hello"))
    before = bytes(data)
    take(frame_kernel, data, decode=True)
    assert data == before
    assert apply_mask(data[-5:], KEY) == b"hello"
