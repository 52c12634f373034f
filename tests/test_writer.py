"""Messages of every kind through `Protocol`: text, bytes, fragments, compression."""

from __future__ import annotations

import array
import zlib

import pytest
from peers import (
    Frame,
    deflate_pair,
    frames,
    from_peer,
    open_pair,
    sent,
    transfer,
)
from reading import seen

from fastws.deflate import Deflate
from fastws.errors import (
    ConcurrencyError,
    ProtocolError,
)
from fastws.frames import CloseCode, Opcode, Role
from fastws.protocol import Protocol

TEXT = "héllo wörld, " * 20


MESSAGES = {
    "str": ("text", Frame(Opcode.TEXT, b"text")),
    "text that is not ASCII": ("été 世界", Frame(Opcode.TEXT, "été 世界".encode())),
    "empty str": ("", Frame(Opcode.TEXT, b"")),
    "bytes": (b"bytes", Frame(Opcode.BINARY, b"bytes")),
    "empty bytes": (b"", Frame(Opcode.BINARY, b"")),
    "bytearray": (bytearray(b"array"), Frame(Opcode.BINARY, b"array")),
    "memoryview": (memoryview(b"view"), Frame(Opcode.BINARY, b"view")),
    "strided memoryview": (memoryview(b"v-i-e-w-")[::2], Frame(Opcode.BINARY, b"view")),
    "memoryview of 16-bit numbers": (
        memoryview(array.array("H", [1, 2, 515])),
        Frame(Opcode.BINARY, array.array("H", [1, 2, 515]).tobytes()),
    ),
    "array of doubles": (
        array.array("d", [0.5]),
        Frame(Opcode.BINARY, array.array("d", [0.5]).tobytes()),
    ),
}


@pytest.mark.parametrize(("message", "expected"), MESSAGES.values(), ids=MESSAGES)
def test_every_kind_of_message_becomes_its_frame(role, message, expected):
    protocol = Protocol(role)
    protocol.send_message(message)
    assert sent(protocol) == [expected]
    assert protocol.data_to_send() == []


@pytest.mark.parametrize(("message", "expected"), MESSAGES.values(), ids=MESSAGES)
def test_text_can_be_overridden(role, message, expected):
    protocol = Protocol(role)
    protocol.send_message(message, text=False)
    assert sent(protocol) == [Frame(Opcode.BINARY, expected.payload)]
    try:
        expected.payload.decode()
    except UnicodeDecodeError:
        with pytest.raises(ValueError, match="must be UTF-8"):
            protocol.send_message(message, text=True)
        assert protocol.data_to_send() == []
    else:
        protocol.send_message(message, text=True)
        assert sent(protocol) == [Frame(Opcode.TEXT, expected.payload)]


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 200_000])
def test_every_length_goes_both_ways(length):
    client, server = open_pair()
    for message in ("x" * length, "é" * (length // 2), bytes(length)):
        client.send_message(message)
        assert transfer(client, server) == [message]
        server.send_message(message)
        assert transfer(server, client) == [message]


@pytest.mark.parametrize("bad", [b"\xff", b"ok \xed\xa0\x80", b"cut \xe4\xb8"])
def test_bytes_that_are_not_utf8_are_refused_as_text(role, bad):
    protocol = Protocol(role)
    with pytest.raises(ValueError, match="must be UTF-8"):
        protocol.send_message(bad, text=True)
    with pytest.raises(ValueError, match="must be UTF-8"):
        protocol.send_message([b"in fragments, ", bad], text=True)
    protocol.send_message("still usable")
    assert sent(protocol) == [Frame(Opcode.TEXT, b"still usable")]


def test_text_with_a_lone_surrogate_is_refused(role):
    protocol = Protocol(role)
    for message in ("\ud800", ["fine", "\ud800"]):
        with pytest.raises(UnicodeEncodeError):
            protocol.send_message(message)
    protocol.send_message("still usable")
    assert sent(protocol) == [Frame(Opcode.TEXT, b"still usable")]


@pytest.mark.parametrize("bad", [None, 5, 1.5, object(), [1], ["a", None], [["nested"]]])
def test_what_is_no_message_is_refused_with_its_type(role, bad):
    protocol = Protocol(role)
    with pytest.raises(TypeError, match="must be str or bytes-like, not"):
        protocol.send_message(bad)
    assert protocol.data_to_send() == []
    protocol.send_message("still usable")
    assert sent(protocol) == [Frame(Opcode.TEXT, b"still usable")]


def test_a_dict_is_refused_with_advice(role):
    with pytest.raises(TypeError, match=r"json\.dumps"):
        Protocol(role).send_message({"a": 1})


@pytest.mark.parametrize("make", [list, tuple, iter, lambda parts: (part for part in parts)])
def test_an_iterable_becomes_fragments(role, make):
    protocol = Protocol(role)
    protocol.send_message(make(["é", "", "b"]))
    protocol.send_message(make([b"1", bytearray(b"2"), memoryview(b"3")]))
    protocol.send_message(make(["single"]))
    protocol.send_message(make([]))
    assert sent(protocol) == [
        Frame(Opcode.TEXT, "é".encode(), fin=False),
        Frame(Opcode.CONTINUATION, b"", fin=False),
        Frame(Opcode.CONTINUATION, b"b"),
        Frame(Opcode.BINARY, b"1", fin=False),
        Frame(Opcode.CONTINUATION, b"2", fin=False),
        Frame(Opcode.CONTINUATION, b"3"),
        Frame(Opcode.TEXT, b"single"),
    ]


def test_fragments_of_bytes_may_cut_a_code_point_of_text(role):
    protocol = Protocol(role)
    protocol.send_message([b"\xe4\xb8", b"\x96"], text=True)
    protocol.send_message(["text", "as bytes"], text=False)
    assert [frame.opcode for frame in sent(protocol)] == [
        Opcode.TEXT,
        Opcode.CONTINUATION,
        Opcode.BINARY,
        Opcode.CONTINUATION,
    ]


def test_an_iterator_may_use_one_buffer_again_and_again(role):
    def blocks():
        buffer = bytearray(1)
        for number in range(3):
            buffer[0] = number
            yield buffer

    protocol = Protocol(role)
    protocol.send_message(blocks())
    assert [frame.payload for frame in sent(protocol)] == [b"\0", b"\1", b"\2"]


@pytest.mark.parametrize("compressed", [False, True])
def test_an_iterator_that_fails_leaves_no_message_half_sent(compressed):
    def failing(*first):
        yield from first
        raise RuntimeError("no more")

    client, server = deflate_pair() if compressed else open_pair()
    for first in ([], [TEXT], [TEXT, TEXT]):
        with pytest.raises(RuntimeError, match="no more"):
            client.send_message(failing(*first))
        with pytest.raises(TypeError, match="all str or all bytes-like"):
            client.send_message([TEXT, TEXT.encode()])
        assert client.data_to_send() == []
        client.send_message([TEXT, "after"])
        client.send_message(TEXT)
        assert transfer(client, server) == [TEXT + "after", TEXT]


def test_fragments_can_be_sent_one_by_one_with_control_frames_between(role):
    protocol = Protocol(role)
    protocol.send_fragment("one ")
    protocol.send_fragment("two ")
    protocol.send_ping(b"ping")
    with pytest.raises(ConcurrencyError, match="finish the fragmented message"):
        protocol.send_message("other")
    with pytest.raises(ConcurrencyError, match="finish the fragmented message"):
        protocol.send_message(["other"])
    with pytest.raises(TypeError, match="all str or all bytes-like"):
        protocol.send_fragment(b"bytes")
    with pytest.raises(TypeError, match="must be str or bytes-like"):
        protocol.send_fragment(5)
    protocol.send_fragment("three", fin=True)
    protocol.send_message("other")
    assert sent(protocol) == [
        Frame(Opcode.PING, b"ping"),
        Frame(Opcode.TEXT, b"one ", fin=False),
        Frame(Opcode.CONTINUATION, b"two ", fin=False),
        Frame(Opcode.CONTINUATION, b"three"),
        Frame(Opcode.TEXT, b"other"),
    ]


def test_bytes_sent_as_fragments_of_text_are_checked_where_they_can_be(role):
    protocol = Protocol(role)
    with pytest.raises(ValueError, match="must be UTF-8"):
        protocol.send_fragment(b"\xff", text=True)
    protocol.send_fragment(b"\xe4\xb8", text=True)
    for bad, fin in ((b"\xff", False), (b"\x96\xc3", True), (b"", True)):
        with pytest.raises(ValueError, match="must be UTF-8"):
            protocol.send_fragment(bad, fin=fin)
    # The right one is still welcome.
    protocol.send_fragment(b"\x96", fin=True)
    protocol.send_message(b"\xff")
    assert sent(protocol) == [
        Frame(Opcode.TEXT, b"\xe4\xb8", fin=False),
        Frame(Opcode.CONTINUATION, b"\x96"),
        Frame(Opcode.BINARY, b"\xff"),
    ]


def inflated(payload):
    return zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")


@pytest.mark.parametrize("client_sends", [True, False])
def test_compression_follows_the_threshold_unless_told(client_sends):
    settings = Deflate(threshold=100)
    pair = deflate_pair(settings, settings)
    source, target = pair if client_sends else reversed(pair)
    cases = [
        ("x" * 99, None, 0),
        ("x" * 100, None, 4),
        ("", True, 4),
        ("x", True, 4),
        ("x" * 1000, False, 0),
    ]
    for message, compress, rsv in cases:
        source.send_message(message, compress=compress)
        wire = source.data_to_send()
        (frame,) = frames(b"".join(wire))
        assert (frame.fin, frame.rsv) == (True, rsv)
        assert target.receive_data(b"".join(wire)) == [message]


def test_without_an_extension_nothing_is_compressed(role):
    protocol = Protocol(role)
    protocol.send_message(TEXT, compress=True)
    protocol.send_message([TEXT, TEXT], compress=True)
    assert [frame.rsv for frame in sent(protocol)] == [0, 0, 0]


@pytest.mark.parametrize("no_context_takeover", [False, True])
def test_fragments_are_compressed_as_one_message(no_context_takeover):
    settings = Deflate(
        server_no_context_takeover=no_context_takeover,
        client_no_context_takeover=no_context_takeover,
    )
    client, server = deflate_pair(settings, settings)
    for source, target in ((client, server), (server, client)):
        for parts in (["a" * 300, "", "b" * 300], [""], ["", ""], ["c" * 500], ["a" * 300, ""]):
            source.send_message(parts)
            wire = b"".join(source.data_to_send())
            found = frames(wire)
            assert [frame.rsv for frame in found] == [4] + [0] * (len(parts) - 1)
            assert [frame.fin for frame in found] == [False] * (len(parts) - 1) + [True]
            if no_context_takeover:
                payload = b"".join(frame.payload for frame in found)
                assert inflated(payload) == "".join(parts).encode()
            assert target.receive_data(wire) == ["".join(parts)]
            source.send_message(parts, compress=False)
            wire = b"".join(source.data_to_send())
            assert {frame.rsv for frame in frames(wire)} == {0}
            assert target.receive_data(wire) == ["".join(parts)]


def test_a_stream_that_another_protocol_opened_uses_its_extension():
    """RFC 8441: no handshake of ours, compression as negotiated there."""
    client, server = deflate_pair()
    assert client.extension is not None
    client.send_message(TEXT)
    wire = client.data_to_send()
    assert frames(wire[0])[0].rsv == 4
    assert server.receive_data(wire[0]) == [TEXT]


def test_text_comes_as_bytes_when_it_is_not_to_be_decoded():
    client = Protocol(Role.CLIENT)
    server = Protocol(Role.SERVER, decode=False)
    client.send_message("été")
    client.send_message(b"binary")
    assert transfer(client, server) == ["été".encode(), b"binary"]


def test_a_large_payload_is_received_into_the_buffer_that_is_given_out():
    client, server = open_pair()
    message = bytes(range(256)) * 1000
    client.send_message(message)
    client.send_ping(b"after")
    client.send_message("small")
    wire = b"".join(client.data_to_send()[1:])
    assert server.get_buffer() is None
    assert received_into_buffers(server, wire) == [message, "small"]


def received_into_buffers(protocol, wire):
    """As a transport does: into the buffer that is given out, when there is one."""
    events, start = [], 0
    while start < len(wire):
        piece = wire[start : start + 30_000]
        buffer = protocol.get_buffer()
        if buffer is None:
            events += protocol.receive_data(piece)
        else:
            with memoryview(buffer) as view:
                piece = piece[: len(view)]
                view[: len(piece)] = piece
            events += protocol.buffer_updated(len(piece))
        start += len(piece)
    return events


def test_a_violation_found_in_the_given_buffer_fails_the_connection(role):
    protocol = Protocol(role)
    payload = b"a" * 40_000 + b"\xff" + b"a" * 40_000
    events = received_into_buffers(protocol, from_peer(protocol, Opcode.TEXT, payload))
    assert seen(events) == [(ProtocolError, CloseCode.INVALID_DATA, "text message is not UTF-8")]
    assert sent(protocol)[0].payload[:2] == b"\x03\xef"
