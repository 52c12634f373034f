"""`MessageReader` on valid input: however the bytes are cut, the same messages come out."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import KEYS, in_pieces, read, read_into_buffers, seen
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

from fastws.errors import ProtocolError
from fastws.frames import Close, Ping, Pong, Role

BORDERS = [0, 1, 2, 3, 125, 126, 127, 4096, 65535, 65536, 70_000]


def short_stream(key):
    """One of everything, and what it means."""
    wire = (
        frame(TEXT, b"Hello", key=key)
        + frame(PING, b"?", key=key)
        + frame(TEXT, b"", key=key)
        + frame(TEXT, "é".encode()[:1], fin=False, key=key)
        + frame(PONG, key=key)
        + frame(CONTINUATION, b"", fin=False, key=key)
        + frame(CONTINUATION, "é".encode()[1:], key=key)
        + frame(BINARY, b"\xff", key=key)
        + frame(BINARY, b"a", fin=False, key=key)
        + frame(CONTINUATION, b"b", key=key)
        + frame(TEXT, "世".encode(), key=key)
        + frame(CLOSE, b"\x03\xe8bye", key=key)
    )
    events = [
        "Hello", Ping(b"?"), "", Pong(), "é", b"\xff", b"ab", "世", Close(1000, "bye")
    ]  # fmt: skip
    return wire, events


def test_reads_one_of_everything_at_once_and_byte_by_byte(frame_kernel, role):
    wire, expected = short_stream(KEYS[role])
    for pieces in ([wire], [wire[i : i + 1] for i in range(len(wire))]):
        assert seen(read(frame_kernel.MessageReader(role), pieces)) == seen(expected)


def test_reads_one_of_everything_cut_in_three_anywhere(frame_kernel, role):
    wire, expected = short_stream(KEYS[role])
    for cuts in itertools.combinations(range(len(wire) + 1), 2):
        events = read(frame_kernel.MessageReader(role), in_pieces(wire, cuts))
        assert seen(events) == seen(expected)


@pytest.mark.parametrize("length", BORDERS)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_reads_every_length(frame_kernel, role, opcode, length):
    payload = bytes(i * 7 & 127 for i in range(length))
    message = payload.decode() if opcode == TEXT else payload
    wire = frame(opcode, payload, key=KEYS[role]) + frame(BINARY, b"next", key=KEYS[role])
    header = len(wire) - length - len(frame(BINARY, b"next", key=KEYS[role]))
    for cut in (0, 1, 2, 3, header, header + 1, header + length // 2, header + length):
        for pieces in (in_pieces(wire, [cut]), map(bytearray, in_pieces(wire, [cut]))):
            events = read(frame_kernel.MessageReader(role), pieces)
            assert seen(events) == seen([message, b"next"])
    for most in (1 << 20, 60_000, 1000):
        events = read_into_buffers(frame_kernel.MessageReader(role), wire, most)
        assert seen(events) == seen([message, b"next"])


def test_reads_ascii_of_every_length_and_a_high_byte_anywhere(frame_kernel, role):
    for length in range(301):
        text = "".join(chr(32 + i % 90) for i in range(length))
        reader = frame_kernel.MessageReader(role)
        assert reader.receive(frame(TEXT, text.encode(), key=KEYS[role])) == [text]
    for length in (1, 2, 3, 31, 32, 33, 64, 65, 130, 260):
        for i in range(length):
            text = "x" * i + "é" + "x" * (length - i - 1)
            wire = frame(TEXT, text.encode(), key=KEYS[role])
            assert frame_kernel.MessageReader(role).receive(wire) == [text]
            assert read(frame_kernel.MessageReader(role), in_pieces(wire, [9, 40])) == [text]


@pytest.mark.parametrize("text", ["", "a", "\x00", "\x7f", "é", "ÿ", "世", "😀", "ab", "éa", "aé"])
def test_short_texts_are_like_any_other_str(frame_kernel, role, text):
    for wire in (
        frame(TEXT, text.encode(), key=KEYS[role]),
        frame(TEXT, b"", fin=False, key=KEYS[role])
        + frame(CONTINUATION, text.encode(), key=KEYS[role]),
        frame(TEXT, text.encode(), fin=False, key=KEYS[role])
        + frame(CONTINUATION, b"", key=KEYS[role]),
    ):
        for pieces in ([wire], in_pieces(wire, range(len(wire)))):
            (message,) = read(frame_kernel.MessageReader(role), pieces)
            assert message == text
            assert hash(message) == hash(text)
            assert message.isascii() == text.isascii()
            assert message.encode() == text.encode()
            assert {text: 1}[message] == 1


@pytest.mark.parametrize("width", ["é", "世", "😀"])
def test_text_of_every_width_survives_every_cut(frame_kernel, role, width):
    text = "ascii " * 6 + width * 12 + " ascii"
    payload = text.encode()
    for cut in range(len(payload) + 1):
        wire = frame(TEXT, payload[:cut], fin=False, key=KEYS[role])
        wire += frame(PING, b"between", key=KEYS[role])
        wire += frame(CONTINUATION, payload[cut:], key=KEYS[role])
        assert frame_kernel.MessageReader(role).receive(wire) == [Ping(b"between"), text]
        wire = frame(TEXT, payload, key=KEYS[role])
        pieces = in_pieces(wire, [len(wire) - len(payload) + cut])
        assert read(frame_kernel.MessageReader(role), pieces) == [text]


def test_undecoded_text_comes_as_bytes_and_is_validated_all_the_same(frame_kernel, role):
    key = KEYS[role]
    for text in ("", "a", "ascii", "é", "世界" * 100):
        payload = text.encode()
        whole = frame(TEXT, payload, key=key)
        parts = frame(TEXT, payload[:1], fin=False, key=key) + frame(
            CONTINUATION, payload[1:], key=key
        )
        for wire in (whole, parts):
            for pieces in ([wire], in_pieces(wire, range(len(wire)))):
                reader = frame_kernel.MessageReader(role, decode=False)
                assert reader.decode is False
                assert seen(read(reader, pieces)) == seen([payload])
    for bad in (b"\xff", b"x" * 100 + b"\xff", b"cut \xc3"):
        reader = frame_kernel.MessageReader(role, decode=False)
        assert seen(reader.receive(frame(TEXT, bad, key=key)))[0][:2] == (ProtocolError, 1007)


def test_many_small_messages_in_one_piece_keep_their_order(frame_kernel, role):
    messages = [str(i) if i % 3 else str(i).encode() for i in range(2000)]
    wire = b"".join(
        frame(TEXT, message.encode(), key=KEYS[role])
        if isinstance(message, str)
        else frame(BINARY, message, key=KEYS[role])
        for message in messages
    )
    assert frame_kernel.MessageReader(role).receive(wire) == messages
    assert read(frame_kernel.MessageReader(role), in_pieces(wire, range(0, 20_000, 17))) == messages


def test_reads_any_contiguous_buffer(frame_kernel, role):
    wire = frame(TEXT, b"Hello", key=KEYS[role])
    reader = frame_kernel.MessageReader(role)
    for kind in (bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))):
        assert reader.receive(kind(wire)) == ["Hello"]
        assert reader.receive(kind(b"")) == []
    with pytest.raises(BufferError):
        reader.receive(memoryview(wire)[::2])
    for nonsense in (None, "text", 5):
        with pytest.raises(TypeError, match="bytes-like"):
            reader.receive(nonsense)
    assert reader.receive(wire) == ["Hello"]


def test_takes_only_so_many_bytes_when_told(frame_kernel, role):
    wire = frame(TEXT, b"Hello", key=KEYS[role]) + frame(TEXT, b"world", key=KEYS[role])
    half = len(wire) // 2
    for kind in (bytes, bytearray, memoryview):
        reader = frame_kernel.MessageReader(role)
        assert reader.receive(kind(wire), half) == ["Hello"]
        assert reader.bytes_received == half
        assert reader.receive(kind(wire), nbytes=0) == []
        assert reader.receive(kind(wire[half:]), half - 1) == []
        with pytest.raises(ValueError, match=f"there are no {half} bytes in 1"):
            reader.receive(kind(wire[-1:]), half)
        assert reader.receive(kind(wire[-1:]), -1) == ["world"]


def test_messages_do_not_share_memory_with_the_input(frame_kernel, role):
    wire = bytearray(frame(BINARY, b"abc", key=KEYS[role]) + frame(TEXT, b"def", key=KEYS[role]))
    events = frame_kernel.MessageReader(role).receive(wire)
    wire[:] = bytes(len(wire))
    wire.append(0)  # refused while a buffer is exported
    assert events == [b"abc", "def"]


def test_refuses_settings_that_have_no_sense(frame_kernel):
    with pytest.raises(TypeError, match=r"role must be Role\.CLIENT or Role\.SERVER, not 'server'"):
        frame_kernel.MessageReader("server")
    with pytest.raises(ValueError, match="max_size"):
        frame_kernel.MessageReader(Role.SERVER, max_size=-1)
    with pytest.raises(ValueError, match="max_fragments"):
        frame_kernel.MessageReader(Role.SERVER, max_fragments=0)
    with pytest.raises(TypeError):
        frame_kernel.MessageReader()
    with pytest.raises(TypeError):
        frame_kernel.MessageReader(Role.SERVER, 1000)


KEY = st.binary(min_size=4, max_size=4)
PAYLOAD = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(codec="utf-8"), min_size=100, max_size=200),
    st.binary(max_size=60),
    st.integers(0, 70_000).map(lambda length: b"\xa7" * length),
    st.integers(0, 20_000).map(lambda length: "tän" * length),
)
CUTS = st.lists(st.integers(0, 80_000), max_size=12)
CONTROL = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))


@st.composite
def streams(draw, role):
    """The bytes of a valid stream, and the events they mean."""

    def key():
        return draw(KEY) if role is Role.SERVER else None

    wire, events = [], []
    for message in draw(st.lists(PAYLOAD, max_size=5)):
        text = isinstance(message, str)
        raw = message.encode() if text else message
        cuts = draw(st.lists(st.integers(0, len(raw)), max_size=3).map(sorted))
        pieces = [raw[start:end] for start, end in itertools.pairwise([0, *cuts, len(raw)])]
        for i, piece in enumerate(pieces):
            for opcode, payload in draw(st.lists(CONTROL, max_size=1)):
                wire.append(frame(opcode, payload, key=key()))
                events.append(Ping(payload) if opcode == PING else Pong(payload))
            opcode = CONTINUATION if i else TEXT if text else BINARY
            wire.append(frame(opcode, piece, fin=i == len(cuts), key=key()))
        events.append(message)
    return b"".join(wire), events


@given(data=st.data())
@settings(max_examples=60)
def test_reads_any_valid_stream_in_any_pieces(frame_kernel, role, data):
    wire, expected = data.draw(streams(role))
    pieces = in_pieces(wire, data.draw(CUTS))
    assert seen(read(frame_kernel.MessageReader(role), pieces)) == seen(expected)
    most = data.draw(st.integers(1000, 100_000))
    assert seen(read_into_buffers(frame_kernel.MessageReader(role), wire, most)) == seen(expected)


@given(data=st.data())
@settings(max_examples=25)
def test_wsproto_reads_the_same_from_any_valid_stream(frame_kernel, role, data):
    connection = pytest.importorskip("wsproto.connection")
    judged = pytest.importorskip("wsproto.events")
    wire, _ = data.draw(streams(role))
    judge = connection.Connection(connection.ConnectionType[role.name])
    judge.receive_data(wire)
    expected, parts = [], []
    for event in judge.events():
        if isinstance(event, judged.Ping):
            expected.append(Ping(bytes(event.payload)))
        elif isinstance(event, judged.Pong):
            expected.append(Pong(bytes(event.payload)))
        else:
            text = isinstance(event, judged.TextMessage)
            parts.append(event.data if text else bytes(event.data))
            if event.message_finished:
                expected.append(("" if text else b"").join(parts))
                parts.clear()
    assert seen(frame_kernel.MessageReader(role).receive(wire)) == seen(expected)


@given(data=st.data())
@settings(max_examples=25)
def test_websockets_reads_the_same_from_any_valid_stream(frame_kernel, role, data):
    protocol = pytest.importorskip("websockets.protocol")
    wire, _ = data.draw(streams(role))
    side = protocol.Side[role.name]
    judge = protocol.Protocol(side, state=protocol.State.OPEN, max_size=None)
    judge.receive_data(wire)
    expected, parts, text = [], [], False
    for event in judge.events_received():
        if event.opcode == PING:
            expected.append(Ping(bytes(event.data)))
        elif event.opcode == PONG:
            expected.append(Pong(bytes(event.data)))
        else:
            text = event.opcode == TEXT or (event.opcode == CONTINUATION and text)
            parts.append(bytes(event.data))
            if event.fin:
                expected.append(b"".join(parts).decode() if text else b"".join(parts))
                parts.clear()
    assert seen(frame_kernel.MessageReader(role).receive(wire)) == seen(expected)
