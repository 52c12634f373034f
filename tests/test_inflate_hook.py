"""`MessageReader` where compression was agreed: what it asks of ``inflate``, and does with it."""

import zlib

import pytest
from reading import KEYS, in_pieces, read, seen
from wire import BINARY, CONTINUATION, PING, TEXT, frame

from fastws.errors import PayloadTooBig, ProtocolError
from fastws.frames import Ping

RSV1 = 4


class Inflate:
    """Give back these pieces in turn; remember what was asked."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.calls = []

    def __call__(self, payload, max_length, fin):
        assert type(payload) is bytes
        self.calls.append((payload, max_length, fin))
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece


def test_each_frame_of_a_compressed_message_goes_through_once(frame_kernel, role):
    key = KEYS[role]
    wire = frame(TEXT, b"one", fin=False, rsv=RSV1, key=key) + frame(PING, b"?", key=key)
    wire += frame(CONTINUATION, b"", fin=False, key=key) + frame(CONTINUATION, b"three", key=key)
    wire += frame(BINARY, b"four", rsv=RSV1, key=key)
    for pieces in ([wire], in_pieces(wire, range(len(wire))), in_pieces(wire, [9, 30])):
        inflate = Inflate("wörld".encode()[:2], b"", "wörld".encode()[2:], b"\xff" * 100)
        reader = frame_kernel.MessageReader(role, max_size=100, inflate=inflate)
        assert seen(read(reader, pieces)) == seen([Ping(b"?"), "wörld", b"\xff" * 100])
        assert inflate.calls == [
            (b"one", 100, False),
            (b"", 98, False),
            (b"three", 98, True),
            (b"four", 100, True),
        ]


def test_there_is_no_limit_without_a_limit(frame_kernel, role):
    inflate = Inflate(b"x" * 3_000_000)
    reader = frame_kernel.MessageReader(role, max_size=None, inflate=inflate)
    assert reader.receive(frame(BINARY, b"a", rsv=RSV1, key=KEYS[role])) == [b"x" * 3_000_000]
    assert inflate.calls == [(b"a", None, True)]


def test_messages_that_are_not_compressed_do_not_go_through(frame_kernel, role):
    reader = frame_kernel.MessageReader(role, inflate=Inflate())
    wire = frame(TEXT, b"plain", key=KEYS[role]) + frame(BINARY, b"p", fin=False, key=KEYS[role])
    wire += frame(CONTINUATION, b"lain", key=KEYS[role])
    assert reader.receive(wire) == ["plain", b"plain"]


def test_compression_can_be_agreed_later(frame_kernel, role):
    reader = frame_kernel.MessageReader(role)
    assert reader.inflate is None
    reader.inflate = inflate = Inflate(b"inflated")
    assert reader.inflate is inflate
    assert reader.receive(frame(TEXT, b"x", rsv=RSV1, key=KEYS[role])) == ["inflated"]


@pytest.mark.parametrize("text", ["", "a", "é", "ascii " * 40, "世界" * 300])
def test_inflated_text_is_decoded_or_left(frame_kernel, role, text):
    wire = frame(TEXT, b"x", rsv=RSV1, key=KEYS[role])
    for decode, message in ((True, text), (False, text.encode())):
        inflate = Inflate(text.encode())
        reader = frame_kernel.MessageReader(role, inflate=inflate, decode=decode)
        assert seen(reader.receive(wire)) == seen([message])


@pytest.mark.parametrize(
    "pieces",
    [[b"\xff"], [b"ok\xc3"], [b"ok\xc3", b"A"], [b"\xf0\x9f", b"\x98A"], [b"x" * 50, b"\xff"]],
)
def test_inflated_text_that_is_not_utf8_is_refused(frame_kernel, role, pieces):
    wire = b""
    for i in range(len(pieces)):
        fin, opcode = i == len(pieces) - 1, CONTINUATION if i else TEXT
        wire += frame(opcode, b"x", fin=fin, rsv=0 if i else RSV1, key=KEYS[role])
    for decode in (True, False):
        for cut in (range(len(wire)), ()):
            reader = frame_kernel.MessageReader(role, inflate=Inflate(*pieces), decode=decode)
            error = (ProtocolError, 1007, "text message is not UTF-8")
            assert seen(read(reader, in_pieces(wire, cut))) == [error]


def test_bad_text_fails_with_the_first_frame_that_has_it(frame_kernel, role):
    reader = frame_kernel.MessageReader(role, inflate=Inflate(b"bad \xff"))
    (error,) = reader.receive(frame(TEXT, b"x", fin=False, rsv=RSV1, key=KEYS[role]))
    assert error.code == 1007


def test_what_inflate_refuses_ends_the_connection(frame_kernel, role):
    wire = frame(BINARY, b"good", key=KEYS[role]) + frame(BINARY, b"x", rsv=RSV1, key=KEYS[role])
    wire += frame(BINARY, b"late", key=KEYS[role])
    for refusal, expected in (
        (PayloadTooBig("inner words"), (PayloadTooBig, 1009, "message over 10 bytes")),
        (ProtocolError("corrupt", 1007), (ProtocolError, 1007, "corrupt")),
        (ProtocolError("wrong"), (ProtocolError, 1002, "wrong")),
    ):
        for cuts in ((), range(len(wire))):
            reader = frame_kernel.MessageReader(role, max_size=10, inflate=Inflate(refusal))
            events = read(reader, in_pieces(wire, cuts))
            assert seen(events) == [(bytes, b"good"), expected]


@pytest.mark.parametrize("wrong", ["text", None, 5, RuntimeError("broken"), MemoryError()])
def test_a_failing_inflate_ends_the_input_after_the_good_messages(frame_kernel, role, wrong):
    wire = frame(BINARY, b"good", key=KEYS[role])
    for opcode in (TEXT, BINARY):
        reader = frame_kernel.MessageReader(role, inflate=Inflate(wrong))
        good, error = reader.receive(wire + frame(opcode, b"x", rsv=RSV1, key=KEYS[role]))
        assert good == b"good"
        assert type(error) is ProtocolError
        assert error.code == 1011
        assert "cannot inflate a message" in str(error)
        assert reader.receive(wire) == []


def test_compressed_bytes_are_limited_by_their_header_too(frame_kernel, role):
    """A compressed message is hardly ever longer than what it inflates to."""
    for length, allowed in ((100_000, True), (1_000_000, False)):
        reader = frame_kernel.MessageReader(role, max_size=100_000, inflate=Inflate())
        events = reader.receive(frame(BINARY, rsv=RSV1, announce=length, key=KEYS[role]))
        assert (events == []) is allowed
        assert allowed or seen(events) == [(PayloadTooBig, 1009, "message over 100000 bytes")]


def deflated(data, compressor):
    """RFC 7692 §7.2.1: the payload without the empty block at its end."""
    payload = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert payload.endswith(b"\x00\x00\xff\xff")
    return payload[:-4]


def test_reads_what_zlib_compressed(frame_kernel, role):
    texts = ["", "a", "Hello", "世界 " * 500, "Hello again, Hello " * 5000]
    compressor = zlib.compressobj(wbits=-15)
    decompressor = zlib.decompressobj(wbits=-15)

    def inflate(payload, max_length, fin):
        inflated = decompressor.decompress(payload + (b"\x00\x00\xff\xff" if fin else b""))
        if len(inflated) > max_length:
            raise PayloadTooBig("too much")
        return inflated

    wire = b""
    for i, text in enumerate(texts):
        payload = deflated(text.encode(), compressor)
        for j in range(i + 1):
            part = payload[j * len(payload) // (i + 1) : (j + 1) * len(payload) // (i + 1)]
            opcode, rsv = (CONTINUATION, 0) if j else (TEXT, RSV1)
            wire += frame(opcode, part, fin=j == i, rsv=rsv, key=KEYS[role])
    wire += frame(BINARY, deflated(bytes(2_000_000), compressor), rsv=RSV1, key=KEYS[role])
    reader = frame_kernel.MessageReader(role, inflate=inflate)
    events = read(reader, in_pieces(wire, range(0, len(wire), 11)))
    assert events[:-1] == texts
    assert seen(events[-1:]) == [(PayloadTooBig, 1009, "message over 1048576 bytes")]
