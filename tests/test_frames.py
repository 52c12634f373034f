"""Headers, whole frames, close payloads and masking keys, one at a time (RFC 6455 §5)."""

import array
import os
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, frame

from fastws.errors import ProtocolError
from fastws.frames import Close, CloseCode, Header, Opcode

OPCODES = [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG]
RESERVED_OPCODES = sorted(set(range(16)) - set(OPCODES))
BORDERS = [0, 1, 125, 126, 127, 65535, 65536]
ALLOWED_CODES = [*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)]

# RFC 6455 §5.7, word for word: wire, and what it says.
EXAMPLES = {
    "a single-frame unmasked text message": (
        b"\x81\x05\x48\x65\x6c\x6c\x6f",
        (TEXT, b"Hello", True, None),
    ),
    "a single-frame masked text message": (
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        (TEXT, b"Hello", True, b"\x37\xfa\x21\x3d"),
    ),
    "a fragmented unmasked text message": (
        b"\x01\x03\x48\x65\x6c",
        (TEXT, b"Hel", False, None),
    ),
    "its last fragment": (b"\x80\x02\x6c\x6f", (CONTINUATION, b"lo", True, None)),
    "an unmasked ping": (b"\x89\x05\x48\x65\x6c\x6c\x6f", (PING, b"Hello", True, None)),
    "its masked pong": (
        b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        (PONG, b"Hello", True, b"\x37\xfa\x21\x3d"),
    ),
    "256 bytes of binary": (
        b"\x82\x7e\x01\x00" + bytes(range(256)),
        (BINARY, bytes(range(256)), True, None),
    ),
    "64 KiB of binary": (
        b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + bytes(65536),
        (BINARY, bytes(65536), True, None),
    ),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_parses_the_examples_of_the_rfc(frame_kernel, example):
    wire, (opcode, payload, fin, key) = EXAMPLES[example]
    header = frame_kernel.parse_header(wire)
    assert type(header) is Header
    assert header == Header(fin, 0, opcode, key, len(payload), len(wire) - len(payload))


@pytest.mark.parametrize("example", EXAMPLES)
def test_serializes_the_examples_of_the_rfc(frame_kernel, example):
    wire, (opcode, payload, fin, key) = EXAMPLES[example]
    assert frame_kernel.serialize_frame(opcode, payload, fin=fin, masking_key=key) == wire


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("rsv", range(8))
def test_parses_every_opcode_with_every_flag(frame_kernel, key, fin, rsv):
    for opcode in OPCODES:
        wire = frame(opcode, b"abc", fin=fin, rsv=rsv, key=key)
        if opcode >= CLOSE and not fin:
            with pytest.raises(ProtocolError, match="fragmented control frame"):
                frame_kernel.parse_header(wire)
        else:
            header = frame_kernel.parse_header(wire)
            assert header == Header(fin, rsv, opcode, key, 3, 2 if key is None else 6)
            assert type(header.fin) is bool


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize(
    ("length_bytes", "length"),
    [(0, length) for length in BORDERS if length <= 125]
    + [(2, length) for length in BORDERS if length <= 65535]
    + [(8, length) for length in [*BORDERS, 2**31, 2**32, 2**63 - 1]],
)
def test_accepts_only_the_shortest_encoding_of_a_length(frame_kernel, key, length_bytes, length):
    wire = frame(BINARY, key=key, length_bytes=length_bytes, announce=length)
    shortest = 0 if length <= 125 else 2 if length <= 65535 else 8
    if length_bytes == shortest:
        assert frame_kernel.parse_header(wire) == Header(True, 0, BINARY, key, length, len(wire))
    else:
        with pytest.raises(ProtocolError, match="not encoded in the fewest bytes") as caught:
            frame_kernel.parse_header(wire)
        assert caught.value.code == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize("length", [2**63, 2**63 + 1, 2**64 - 1])
def test_refuses_a_length_with_its_top_bit_set(frame_kernel, length):
    wire = frame(BINARY, length_bytes=8, announce=length)
    with pytest.raises(ProtocolError, match="most significant bit") as caught:
        frame_kernel.parse_header(wire)
    assert caught.value.code == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize("opcode", RESERVED_OPCODES)
def test_refuses_reserved_opcodes(frame_kernel, opcode):
    with pytest.raises(ProtocolError, match=f"reserved opcode {opcode:#x}") as caught:
        frame_kernel.parse_header(frame(opcode))
    assert caught.value.code == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_refuses_long_control_frames(frame_kernel, opcode):
    assert frame_kernel.parse_header(frame(opcode, bytes(125))).payload_length == 125
    for length in (126, 65536):
        with pytest.raises(ProtocolError, match="over 125 bytes"):
            frame_kernel.parse_header(frame(opcode, announce=length))


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("length", BORDERS)
def test_waits_until_the_header_is_complete(frame_kernel, key, length):
    wire = frame(TEXT, key=key, announce=length)
    for end in range(len(wire)):
        assert frame_kernel.parse_header(wire[:end]) is None
    for rest in (b"", b"payload"):
        assert frame_kernel.parse_header(wire + rest).header_length == len(wire)


def test_parses_at_an_offset_in_any_contiguous_buffer(frame_kernel):
    wire = frame(TEXT, b"Hello", key=KEY)
    for before in range(40):
        for kind in (bytes, bytearray, memoryview):
            header = frame_kernel.parse_header(kind(b"\xff" * before + wire), before)
            assert header == Header(True, 0, TEXT, KEY, 5, 6)
    assert type(frame_kernel.parse_header(bytearray(wire)).masking_key) is bytes
    for offset in (len(wire) - 1, len(wire), len(wire) + 1, sys.maxsize):
        assert frame_kernel.parse_header(wire, offset) is None
    assert frame_kernel.parse_header(wire, offset=0).payload_length == 5


def test_refuses_offsets_and_buffers_it_cannot_use(frame_kernel):
    wire = frame(TEXT, b"Hello")
    with pytest.raises(ValueError, match="must not be negative"):
        frame_kernel.parse_header(wire, -1)
    with pytest.raises(OverflowError):
        frame_kernel.parse_header(wire, 2**64)
    with pytest.raises(TypeError):
        frame_kernel.parse_header(wire, 1.0)
    with pytest.raises(TypeError, match="bytes-like"):
        frame_kernel.parse_header("text")
    with pytest.raises(BufferError):
        frame_kernel.parse_header(memoryview(wire)[::2])


def test_a_buffer_can_be_resized_after_an_error(frame_kernel):
    buffer = bytearray(frame(0x3))
    with pytest.raises(ProtocolError):
        frame_kernel.parse_header(buffer)
    buffer.append(0)  # refused while a buffer is exported


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("rsv", range(8))
@pytest.mark.parametrize("opcode", OPCODES)
def test_serializes_every_opcode_with_every_flag(frame_kernel, key, fin, rsv, opcode):
    if opcode >= CLOSE and not fin:
        with pytest.raises(ValueError, match="cannot be fragmented"):
            frame_kernel.serialize_frame(opcode, b"abc", fin=fin, rsv=rsv, masking_key=key)
    else:
        wire = frame_kernel.serialize_frame(opcode, b"abc", fin=fin, rsv=rsv, masking_key=key)
        assert wire == frame(opcode, b"abc", fin=fin, rsv=rsv, key=key)


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("length", BORDERS)
def test_serializes_every_length_in_its_shortest_form(frame_kernel, key, length):
    for payload in (bytes(i & 255 for i in range(length)), "x" * length):
        raw = payload.encode() if isinstance(payload, str) else payload
        wire = frame_kernel.serialize_frame(Opcode.BINARY, payload, masking_key=key)
        assert type(wire) is bytes
        assert wire == frame(BINARY, raw, key=key)


def test_a_frame_is_final_unmasked_and_without_extensions_unless_told(frame_kernel):
    assert frame_kernel.serialize_frame(TEXT, "Hello") == b"\x81\x05Hello"
    assert frame_kernel.serialize_frame(opcode=TEXT, payload=b"") == b"\x81\x00"


@pytest.mark.parametrize("text", ["", "a", "ascii", "é", "世界", "😀", "mixed é世😀", "ÿ" * 200])
def test_text_goes_out_as_utf8(frame_kernel, text):
    for key in (None, KEY):
        wire = frame_kernel.serialize_frame(TEXT, text, masking_key=key)
        assert wire == frame(TEXT, text.encode(), key=key)


def test_refuses_text_that_has_no_utf8(frame_kernel):
    with pytest.raises(UnicodeEncodeError):
        frame_kernel.serialize_frame(TEXT, "\ud800")


def test_serializes_any_contiguous_buffer(frame_kernel):
    numbers = array.array("H", range(60))
    for payload in (bytearray(numbers), memoryview(numbers), numbers):
        for key in (KEY, bytearray(KEY), memoryview(KEY)):
            wire = frame_kernel.serialize_frame(BINARY, payload, masking_key=key)
            assert wire == frame(BINARY, numbers.tobytes(), key=KEY)
    for payload in (bytearray(), memoryview(b""), array.array("H")):
        assert frame_kernel.serialize_frame(BINARY, payload) == b"\x82\x00"
    with pytest.raises(BufferError):
        frame_kernel.serialize_frame(BINARY, memoryview(b"abcdef")[::2])


@pytest.mark.parametrize("opcode", [-1, *RESERVED_OPCODES, 16, 0x81])
def test_never_sends_a_reserved_opcode(frame_kernel, opcode):
    with pytest.raises(ValueError, match=f"opcode must be one of .*, not {opcode}"):
        frame_kernel.serialize_frame(opcode, b"")


@pytest.mark.parametrize("rsv", [-1, 8, 64])
def test_never_sends_more_than_three_reserved_bits(frame_kernel, rsv):
    with pytest.raises(ValueError, match=f"rsv must be a 3-bit number, not {rsv}"):
        frame_kernel.serialize_frame(TEXT, b"", rsv=rsv)


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_never_sends_a_long_control_frame(frame_kernel, opcode):
    assert frame_kernel.serialize_frame(opcode, bytes(125)) == frame(opcode, bytes(125))
    with pytest.raises(ValueError, match="at most 125 bytes, not 126"):
        frame_kernel.serialize_frame(opcode, bytes(126))


@pytest.mark.parametrize("key", [b"", b"abc", b"abcde", bytearray(8)])
def test_never_sends_with_a_key_of_the_wrong_length(frame_kernel, key):
    with pytest.raises(ValueError, match=f"masking key must be 4 bytes, not {len(key)}"):
        frame_kernel.serialize_frame(TEXT, b"payload", masking_key=key)


def test_refuses_payloads_and_keys_of_the_wrong_type(frame_kernel):
    for payload in (None, 5, ["a"]):
        with pytest.raises(TypeError, match="bytes-like"):
            frame_kernel.serialize_frame(TEXT, payload)
    for key in ("abcd", 4, [1, 2, 3, 4]):
        with pytest.raises(TypeError, match="bytes-like"):
            frame_kernel.serialize_frame(TEXT, b"", masking_key=key)
    with pytest.raises(TypeError):
        frame_kernel.serialize_frame(TEXT, b"", False)


@given(
    opcode=st.sampled_from([CONTINUATION, TEXT, BINARY]),
    payload=st.binary(max_size=400),
    fin=st.booleans(),
    rsv=st.integers(0, 7),
    key=st.none() | st.binary(min_size=4, max_size=4),
)
def test_parsing_undoes_serializing(frame_kernel, opcode, payload, fin, rsv, key):
    wire = frame_kernel.serialize_frame(opcode, payload, fin=fin, rsv=rsv, masking_key=key)
    assert wire == frame(opcode, payload, fin=fin, rsv=rsv, key=key)
    header_length = len(wire) - len(payload)
    expected = Header(fin, rsv, opcode, key, len(payload), header_length)
    assert frame_kernel.parse_header(wire) == expected


def test_knows_which_close_codes_are_allowed_on_the_wire(frame_kernel):
    allowed = set(ALLOWED_CODES)
    for code in [*range(5100), 65535]:
        payload = code.to_bytes(2, "big")
        if code in allowed:
            assert frame_kernel.parse_close(payload) == Close(code, "")
            assert frame_kernel.serialize_close(code) == payload
        else:
            with pytest.raises(ProtocolError) as refused:
                frame_kernel.parse_close(payload)
            assert str(refused.value) == f"close code {code} is not allowed on the wire"
            assert refused.value.code == CloseCode.PROTOCOL_ERROR
            if code != CloseCode.NO_STATUS_RCVD:
                with pytest.raises(ValueError) as not_sent:
                    frame_kernel.serialize_close(code)
                assert str(not_sent.value).startswith(str(refused.value))


def test_an_empty_close_payload_stands_for_1005(frame_kernel):
    assert frame_kernel.parse_close(b"") == Close(CloseCode.NO_STATUS_RCVD, "")
    assert frame_kernel.serialize_close(CloseCode.NO_STATUS_RCVD) == b""
    with pytest.raises(ValueError, match="needs a status code"):
        frame_kernel.serialize_close(CloseCode.NO_STATUS_RCVD, "why")


def test_refuses_half_a_close_code(frame_kernel):
    with pytest.raises(ProtocolError, match="half a status code") as caught:
        frame_kernel.parse_close(b"\x03")
    assert caught.value.code == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize("reason", ["", "bye", "été", "再见", "👋", "x" * 123, "世" * 41])
def test_close_reasons_are_utf8(frame_kernel, reason):
    payload = b"\x03\xe8" + reason.encode()
    assert frame_kernel.serialize_close(1000, reason) == payload
    for kind in (bytes, bytearray, memoryview):
        close = frame_kernel.parse_close(kind(payload))
        assert close == Close(CloseCode.NORMAL_CLOSURE, reason)


@pytest.mark.parametrize("reason", [b"\xff", b"ok\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
def test_refuses_a_close_reason_that_is_not_utf8(frame_kernel, reason):
    with pytest.raises(ProtocolError, match="close reason is not UTF-8") as caught:
        frame_kernel.parse_close(b"\x03\xe8" + reason)
    assert caught.value.code == CloseCode.INVALID_DATA
    # The code is judged first.
    with pytest.raises(ProtocolError, match="close code 1006") as caught:
        frame_kernel.parse_close(b"\x03\xee" + reason)
    assert caught.value.code == CloseCode.PROTOCOL_ERROR


def test_never_sends_a_close_that_does_not_fit_or_has_no_sense(frame_kernel):
    with pytest.raises(ValueError, match="at most 123 bytes of UTF-8, not 124"):
        frame_kernel.serialize_close(1000, "x" * 124)
    with pytest.raises(ValueError, match="at most 123 bytes of UTF-8, not 126"):
        frame_kernel.serialize_close(1000, "世" * 42)
    for code in (-1, 65536, 66536, 2**40):
        with pytest.raises(ValueError, match=f"close code {code} is not allowed"):
            frame_kernel.serialize_close(code)
    with pytest.raises(UnicodeEncodeError):
        frame_kernel.serialize_close(1000, "\ud800")
    with pytest.raises(TypeError):
        frame_kernel.serialize_close(1000, b"bytes")
    with pytest.raises(TypeError):
        frame_kernel.serialize_close(1000, None)
    with pytest.raises(TypeError):
        frame_kernel.serialize_close("1000")


def test_masking_keys_are_four_bytes_and_do_not_repeat(frame_kernel):
    keys = [frame_kernel.new_masking_key() for _ in range(3000)]
    assert {type(key) for key in keys} == {bytes}
    assert {len(key) for key in keys} == {4}
    # Of 3000 random keys two are equal once in a thousand runs, five pairs never.
    assert len(set(keys)) > 2995
    assert {byte for key in keys for byte in key} == set(range(256))


def test_masking_keys_come_from_the_operating_system(frame_kernel, monkeypatch):
    frame_kernel._empty_pool()
    monkeypatch.setattr(os, "urandom", lambda size: bytes(i // 4 & 255 for i in range(size)))
    keys = {frame_kernel.new_masking_key() for _ in range(256)}
    assert keys == {bytes([i] * 4) for i in range(256)}
    monkeypatch.undo()
    frame_kernel._empty_pool()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_keys_of_its_own(frame_kernel):
    def draw():
        return {frame_kernel.new_masking_key() for _ in range(100)}

    def drawn_in_child():
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # another test left a thread
            child = os.fork()
        if child == 0:
            try:
                os.write(writing, b"".join(draw()))
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            keys = pipe.read()
        os.waitpid(child, 0)
        return {keys[i : i + 4] for i in range(0, len(keys), 4)}

    frame_kernel.new_masking_key()  # the pool is full when the fork happens
    children = [drawn_in_child(), drawn_in_child()]
    ours = draw()
    assert all(len(keys) >= 99 for keys in children)
    # Equal pools would share all of them; chance gives one in a hundred thousand runs.
    assert len(ours & children[0]) < 3
    assert len(ours & children[1]) < 3
    assert len(children[0] & children[1]) < 3
