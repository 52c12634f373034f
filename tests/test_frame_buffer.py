"""Where frames gather until they are written, and messages that are written from where they are."""

import gc
import sys
import weakref

import pytest
from wire import BINARY, TEXT, frame

BORDERS = [0, 1, 2, *range(123, 129), *range(65533, 65539)]
ROOM_FOR_HEADER = 14  # as if each header were the longest


def message_of(length, kind):
    data = bytes(i * 7 % 128 for i in range(length))
    return data.decode() if kind is str else data


def opcode_of(kind):
    return TEXT if kind is str else BINARY


def expected(message, key=None):
    payload = message.encode() if isinstance(message, str) else message
    return frame(opcode_of(type(message)), payload, key=key)


def key_of(written, length):
    """The masking key of the only frame there is, found by the length of its payload."""
    end = len(written) - length
    return bytes(written[end - 4 : end])


@pytest.fixture(params=[str, bytes], ids=["text", "binary"])
def kind(request):
    return request.param


@pytest.mark.parametrize("length", BORDERS)
def test_a_frame_is_written_as_the_rfc_says(frame_kernel, kind, length):
    frames = frame_kernel.FrameBuffer(length + ROOM_FOR_HEADER)
    message = message_of(length, kind)
    assert frames.add(message, False)
    assert bytes(frames) == expected(message)
    assert frames.length == len(bytes(frames)) == len(memoryview(frames))


@pytest.mark.parametrize("length", BORDERS)
def test_a_masked_frame_is_written_as_the_rfc_says(frame_kernel, kind, length):
    frames = frame_kernel.FrameBuffer(length + ROOM_FOR_HEADER)
    message = message_of(length, kind)
    assert frames.add(message, True)
    written = bytes(frames)
    assert written == expected(message, key_of(written, length))
    assert frames.length == len(written)


@pytest.mark.parametrize("masked", [False, True], ids=["unmasked", "masked"])
def test_frames_follow_each_other_without_a_gap(frame_kernel, masked):
    frames = frame_kernel.FrameBuffer()
    wanted = b""
    for message in [b"", "", "ein Text", b"\x00" * 126, "ä€😀", b"x" * 300]:
        before = frames.length
        assert frames.add(message, masked)
        length = len(message.encode() if isinstance(message, str) else message)
        key = key_of(bytes(frames)[before:], length) if masked else None
        wanted += expected(message, key)
        assert bytes(frames) == wanted


def test_each_frame_has_a_key_of_its_own(frame_kernel):
    frames = frame_kernel.FrameBuffer()
    for _ in range(500):
        assert frames.add(b"", True)
    written = bytes(frames)
    assert len({written[i + 2 : i + 6] for i in range(0, len(written), 6)}) == 500


@pytest.mark.parametrize("masked", [False, True], ids=["unmasked", "masked"])
def test_a_message_fits_up_to_the_last_byte_and_not_beyond(frame_kernel, kind, masked):
    for capacity in (ROOM_FOR_HEADER, 100, 139, 140, 141, 300):
        most = capacity - ROOM_FOR_HEADER
        frames = frame_kernel.FrameBuffer(capacity)
        assert not frames.add(message_of(most + 1, kind), masked)
        assert frames.length == 0
        assert frames.add(message_of(most, kind), masked)
        assert frames.length <= capacity
        before = bytes(frames)
        assert not frames.add(message_of(most, kind), masked)
        assert bytes(frames)[: len(before)] == before


def test_the_room_counts_bytes_and_not_characters(frame_kernel):
    frames = frame_kernel.FrameBuffer(ROOM_FOR_HEADER + 8)
    assert not frames.add("😀😀x", False)
    assert frames.add("😀😀", False)
    assert bytes(frames) == frame(TEXT, "😀😀".encode())


def test_a_buffer_without_room_takes_nothing(frame_kernel):
    frames = frame_kernel.FrameBuffer(0)
    assert not frames.add(b"", False)
    assert not frames.add("", True)
    assert bytes(frames) == b""


def test_clearing_makes_room_and_forgets_whose_frames_these_were(frame_kernel):
    frames = frame_kernel.FrameBuffer(ROOM_FOR_HEADER + 4)
    frames.filler = self = object()
    assert frames.add(b"1234", False)
    assert frames.filler is self
    assert not frames.add(b"5678", False)
    frames.clear()
    assert frames.filler is None
    assert frames.length == 0
    assert bytes(frames) == b""
    assert frames.add(b"5678", False)
    assert bytes(frames) == frame(BINARY, b"5678")


def test_the_buffer_is_not_for_others_to_write(frame_kernel):
    frames = frame_kernel.FrameBuffer()
    frames.add(b"data", False)
    if frame_kernel.__name__.endswith("_fallback"):
        pytest.skip("a bytearray is")
    view = memoryview(frames)
    assert view.readonly
    assert view.format == "B"
    assert view.nbytes == frames.length


def test_what_is_viewed_stays_in_memory(frame_kernel):
    if frame_kernel.__name__.endswith("_fallback"):
        pytest.skip("a bytearray sees to that")
    frames = frame_kernel.FrameBuffer(1000)
    frames.add(b"x" * 900, False)
    view = memoryview(frames)
    frames.__init__(10)
    room = [bytes(1000) for _ in range(100)]  # whoever comes next gets memory that was let go
    assert bytes(view)[4:] == b"x" * 900
    del frames, room
    assert bytes(view)[4:] == b"x" * 900


@pytest.mark.parametrize(
    "bad", [None, 1, [b"x"], bytearray(b"x"), memoryview(b"x")], ids=lambda bad: type(bad).__name__
)
def test_only_text_and_bytes_are_messages(frame_kernel, bad):
    frames = frame_kernel.FrameBuffer()
    for masked in (False, True):
        with pytest.raises(TypeError, match="must be str or bytes, not " + type(bad).__name__):
            frames.add(bad, masked)
    assert frames.length == 0


def test_text_that_utf8_cannot_say_leaves_the_buffer_as_it_was(frame_kernel):
    frames = frame_kernel.FrameBuffer()
    frames.add("before", False)
    with pytest.raises(UnicodeEncodeError):
        frames.add("\ud800", False)
    assert bytes(frames) == frame(TEXT, b"before")


def test_a_buffer_and_its_filler_can_be_collected(frame_kernel):
    class Filler:
        pass

    filler = Filler()
    filler.frames = frames = frame_kernel.FrameBuffer()
    frames.filler = filler
    gone = weakref.ref(filler)
    del filler, frames
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("length", BORDERS)
def test_a_split_message_is_the_same_frame_in_two_parts(frame_kernel, kind, length):
    message = message_of(length, kind)
    head, payload = frame_kernel.split_message(message)
    assert type(head) is bytes
    assert head + bytes(memoryview(payload)) == expected(message)
    assert head + payload == frame_kernel.serialize_frame(opcode_of(kind), message)
    assert len(payload) == length


def test_the_payload_of_a_split_message_is_not_copied(frame_kernel):
    message = b"x" * 100_000
    assert frame_kernel.split_message(message)[1] is message


def test_a_split_text_keeps_the_text_alive(frame_kernel):
    payload = frame_kernel.split_message("".join(["ab"] * 50_000))[1]
    room = ["".join(["xy"] * 50_000) for _ in range(10)]
    assert bytes(memoryview(payload)) == b"ab" * 50_000
    assert len(room) == 10


@pytest.mark.parametrize("text", ["é", "ab€", "😀" * 40, "\u0080" * 63, "x" * 70_000 + "ä"])
def test_a_split_text_beyond_ascii_is_encoded(frame_kernel, text):
    head, payload = frame_kernel.split_message(text)
    assert head + bytes(memoryview(payload)) == frame(TEXT, text.encode())


def test_a_split_text_that_utf8_cannot_say_is_refused(frame_kernel):
    with pytest.raises(UnicodeEncodeError):
        frame_kernel.split_message("\udfff")


def test_what_has_no_length_cannot_be_split(frame_kernel):
    for bad in (None, 1):
        with pytest.raises(TypeError):
            frame_kernel.split_message(bad)


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="counts references")
def test_adding_and_splitting_keep_no_references(frame_kernel):
    frames = frame_kernel.FrameBuffer(1000)
    for message in (b"x" * 500, "y" * 500, "ä" * 200):
        before = sys.getrefcount(message)
        for _ in range(100):
            frames.add(message, True)
            frames.add(message, False)
            frame_kernel.split_message(message)
            frames.clear()
        assert sys.getrefcount(message) == before
