"""`is_utf8` and `Utf8Validator` against `bytes.decode`, which is RFC 3629 here."""

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

# Where RFC 3629 §4's table of well-formed sequences begins, ends, or changes its mind.
LEADS = b"\x00\x7f\x80\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xf8\xff"
TAILS = b"\x00\x41\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc2\xe0\xf0\xff"

VALID = [c.encode() for c in "\x00\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"]
INVALID = [
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xc2A", b"\xc2\xc2\x80", b"\xe0\x80\x80",
    b"\xe0\x9f\xbf", b"\xe1\x80", b"\xe1\x80A", b"\xe1A", b"\xed\xa0\x80", b"\xed\xbf\xbf",
    b"\xef\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80", b"\xf1\x80\x80A",
    b"\xf4\x90\x80\x80", b"\xf4\x8f\xbf", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xff",
    b"\xe4\xb8\x80\x80", b"\xf0\x9f\x98\x80\x80", b"\xc3\xa9\x80",
]  # fmt: skip
SURROUNDINGS = {
    "ASCII": "the quick brown fox jumps over",
    "two bytes": "αβγδεζηθικλμνξοπρ",
    "three bytes": "早上好世界",
    "four bytes": "😀🎉🚀",
}


@functools.cache
def is_valid(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@functools.cache
def may_begin_a_text(data):
    """Whether some valid text starts with these bytes: one of the ends below then completes it."""
    ends = [byte * count for byte in (b"\x80", b"\xbf") for count in range(4)]
    return any(is_valid(data + end) for end in ends)


def first_bad(data):
    """The index of the byte that ends the shortest prefix no valid text has, or the length."""
    for i in range(len(data)):
        if not may_begin_a_text(data[: i + 1]):
            return i
    return len(data)


def assert_validates(validator, data, pieces, bad):
    """Feed the pieces and check after each one what is known by then."""
    end = 0
    for piece in pieces:
        end += len(piece)
        assert validator.receive(piece) is (end <= bad)
        assert validator.valid is (end <= bad)
        assert validator.position == min(end, bad)
        assert validator.complete is is_valid(data[:end])


def test_knows_every_string_of_one_or_two_bytes(frame_kernel):
    assert frame_kernel.is_utf8(b"") is True
    for length in (1, 2):
        for data in map(bytes, itertools.product(range(256), repeat=length)):
            assert frame_kernel.is_utf8(data) is is_valid(data)


def test_knows_strings_of_three_and_four_bytes_at_every_border_of_the_table(frame_kernel):
    for tails in (2, 3):
        for data in map(bytes, itertools.product(LEADS, *[TAILS] * tails)):
            assert frame_kernel.is_utf8(data) is is_valid(data)


def test_finds_the_first_bad_byte_at_every_border_of_the_table(frame_kernel):
    validator = frame_kernel.Utf8Validator()
    for tails in (1, 2, 3):
        for data in map(bytes, itertools.product(LEADS, *[TAILS] * tails)):
            bad = first_bad(data)
            validator.reset()
            assert validator.receive(data) is (bad == len(data))
            assert (validator.position, validator.complete) == (bad, is_valid(data))


def test_finds_the_first_bad_byte_in_every_pair_when_fed_one_by_one(frame_kernel):
    validator = frame_kernel.Utf8Validator()
    for pair in map(bytes, itertools.product(range(256), repeat=2)):
        validator.reset()
        good = validator.receive(pair[:1]) and validator.receive(pair[1:])
        assert good is may_begin_a_text(pair)
        assert validator.position == first_bad(pair)


def test_every_code_point_is_valid_and_no_other_is(frame_kernel):
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)])).encode()
    assert frame_kernel.is_utf8(everything)
    for code in range(0xD800, 0xE000):
        assert not frame_kernel.is_utf8(chr(code).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("surrounding", SURROUNDINGS)
def test_sees_a_sequence_wherever_it_lies(frame_kernel, surrounding):
    text = SURROUNDINGS[surrounding] * 7
    befores = [text[:end].encode() for end in range(len(text)) if len(text[:end].encode()) <= 130]
    validator = frame_kernel.Utf8Validator()
    for before in befores:
        for after in (b"", b"A", text[:21].encode(), text.encode()):
            for sequence in VALID:
                data = before + sequence + after
                assert frame_kernel.is_utf8(data)
                validator.reset()
                assert validator.receive(data)
                assert (validator.position, validator.complete) == (len(data), True)
            for sequence in INVALID:
                data = before + sequence + after
                assert not frame_kernel.is_utf8(data)
                # What surrounds the sequence is whole, so only its own neighbours matter.
                bad = len(before) + first_bad(sequence + after[:4])
                validator.reset()
                assert validator.receive(data) is (bad == len(data))
                assert (validator.position, validator.complete) == (bad, False)


def test_sees_a_bad_byte_anywhere_in_ascii(frame_kernel):
    for length in (1, 31, 32, 33, 64, 127, 128, 129, 160, 256, 300):
        for i in range(length):
            data = b"x" * i + b"\x80" + b"x" * (length - i - 1)
            assert not frame_kernel.is_utf8(data)
            validator = frame_kernel.Utf8Validator()
            assert validator.receive(data) is False
            assert validator.position == i


def test_sees_a_text_cut_off_inside_a_code_point_at_every_length(frame_kernel):
    for character in ("é", "世", "😀"):
        encoded = character.encode()
        for before in range(200):
            data = b"x" * before + encoded
            assert frame_kernel.is_utf8(data)
            for cut in range(1, len(encoded)):
                assert not frame_kernel.is_utf8(data[:-cut])
                validator = frame_kernel.Utf8Validator()
                assert validator.receive(data[:-cut])
                assert not validator.complete
                assert validator.receive(data[-cut:])
                assert validator.complete


SPLIT = [
    "κόσμε ASCII 世界 😀!".encode(),
    b"x" * 40 + "😀".encode() * 12 + b"y" * 3,
    b"x" * 33 + "é".encode() + b"\xed\xa0\x80" + b"tail" * 12,
    "世".encode() * 20 + b"\xf0\x9f\x98A" + "世".encode() * 3,
    b"x" * 36 + b"\xff" + b"x" * 40,
]


@pytest.mark.parametrize("data", SPLIT)
def test_how_a_text_is_cut_changes_nothing(frame_kernel, data):
    bad = first_bad(data)
    validator = frame_kernel.Utf8Validator()
    for i in range(len(data) + 1):
        for j in range(i, len(data) + 1):
            validator.reset()
            assert_validates(validator, data, [data[:i], data[i:j], data[j:]], bad)
    validator.reset()
    assert_validates(validator, data, [data[i : i + 1] for i in range(len(data))], bad)


def test_a_new_validator_waits_for_nothing(frame_kernel):
    validator = frame_kernel.Utf8Validator()
    assert validator.valid is True
    assert validator.complete is True
    assert validator.position == 0
    assert validator.receive(b"") is True


def test_stays_wrong_until_it_is_reset(frame_kernel):
    validator = frame_kernel.Utf8Validator()
    assert validator.receive(b"ab\xc3") is True
    assert validator.receive(b"\xff") is False
    for piece in (b"", b"fine", "é".encode()):
        assert validator.receive(piece) is False
        assert validator.position == 3
        assert validator.complete is False
    validator.reset()
    assert (validator.valid, validator.complete, validator.position) == (True, True, 0)
    assert validator.receive("é".encode()) is True
    assert validator.receive(b"\xc3") is True
    validator.reset()
    assert validator.receive(b"a") is True  # the half code point is forgotten


def test_positions_count_the_whole_text(frame_kernel):
    validator = frame_kernel.Utf8Validator()
    for _ in range(10):
        assert validator.receive("早上好".encode() * 1000)
    assert validator.position == 90_000
    assert not validator.receive(b"\xe6\x97A")
    assert validator.position == 90_002


@pytest.mark.parametrize("size", [20, 65_532, 65_536, 200_000])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_reads_any_contiguous_buffer_of_any_size(frame_kernel, kind, size):
    good = ("世界 " * size).encode()[: size // 7 * 7]
    for data in (good, good[:-1] + b"\xff", b"\xff" + good[1:], good[:-4]):
        assert frame_kernel.is_utf8(kind(data)) is is_valid(data)
        validator = frame_kernel.Utf8Validator()
        validator.receive(kind(data))
        assert validator.complete is is_valid(data)


@pytest.mark.parametrize("data", [None, "text", 5])
def test_refuses_what_is_not_bytes_like(frame_kernel, data):
    with pytest.raises(TypeError, match="bytes-like"):
        frame_kernel.is_utf8(data)
    validator = frame_kernel.Utf8Validator()
    with pytest.raises(TypeError, match="bytes-like"):
        validator.receive(data)
    assert validator.valid


def test_refuses_a_strided_buffer(frame_kernel):
    with pytest.raises(BufferError):
        frame_kernel.is_utf8(memoryview(b"abcdef")[::2])
    with pytest.raises(BufferError):
        frame_kernel.Utf8Validator().receive(memoryview(b"abcdef")[::2])


LIKELY = st.lists(
    st.one_of(
        st.text(max_size=20).map(str.encode),
        st.binary(max_size=3),
        st.sampled_from(VALID + INVALID),
        st.integers(1, 70).map(lambda count: b"x" * count),
    ),
    max_size=8,
).map(b"".join)


@given(data=LIKELY)
def test_agrees_with_decode_on_any_bytes(frame_kernel, data):
    assert frame_kernel.is_utf8(data) is is_valid(data)
    assert frame_kernel.is_utf8(bytearray(data)) is is_valid(data)


@given(data=LIKELY, cuts=st.lists(st.integers(0, 200), max_size=5))
def test_finds_the_first_bad_byte_of_any_bytes_in_any_pieces(frame_kernel, data, cuts):
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in itertools.pairwise(borders)]
    assert_validates(frame_kernel.Utf8Validator(), data, pieces, first_bad(data))
