"""Prepared messages: framed and compressed once, right for every connection that sends them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import Frame, deflate_pair, negotiated, open_pair, sent, transfer

from fastws.deflate import Deflate
from fastws.errors import ConcurrencyError
from fastws.frames import Opcode, Role
from fastws.prepared import PreparedMessage
from fastws.protocol import Protocol

TEXT = "".join(f"user {i % 7} says {i * 7919}; " for i in range(60))

# What a client and a server may agree on; each pair has a window of its own.
AGREEMENTS = [
    Deflate(server_no_context_takeover=server, client_no_context_takeover=client)
    for server, client in itertools.product([False, True], repeat=2)
] + [
    Deflate(server_max_window_bits=9, client_max_window_bits=9),
    Deflate(server_max_window_bits=15, client_max_window_bits=15),
    Deflate(server_max_window_bits=8, client_max_window_bits=8),
    Deflate(level=1, memory_level=9),
]


@pytest.mark.parametrize(
    ("message", "options", "expected"),
    [
        ("text", {}, Frame(Opcode.TEXT, b"text")),
        (b"bytes", {}, Frame(Opcode.BINARY, b"bytes")),
        (bytearray(b"utf-8"), {"text": True}, Frame(Opcode.TEXT, b"utf-8")),
        ("text", {"text": False}, Frame(Opcode.BINARY, b"text")),
        (memoryview(b"view"), {}, Frame(Opcode.BINARY, b"view")),
        ("", {}, Frame(Opcode.TEXT, b"")),
    ],
)
def test_a_prepared_message_is_sent_like_any_other(role, message, options, expected):
    prepared = PreparedMessage(message, **options)
    protocol = Protocol(role)
    for _ in range(2):
        protocol.send_message(prepared)
        assert sent(protocol) == [expected]


@pytest.mark.parametrize("bad", [None, 5, ["parts"], {"a": 1}])
def test_what_is_no_message_cannot_be_prepared(bad):
    with pytest.raises(TypeError, match="must be str or bytes-like"):
        PreparedMessage(bad)


def test_bytes_that_are_not_utf8_cannot_be_prepared_as_text():
    with pytest.raises(ValueError, match="must be UTF-8"):
        PreparedMessage(b"\xff", text=True)
    with pytest.raises(UnicodeEncodeError):
        PreparedMessage("\ud800")


def test_a_prepared_message_is_a_copy():
    buffer = bytearray(b"before")
    prepared = PreparedMessage(buffer)
    buffer[:] = b"after!"
    protocol = Protocol(Role.SERVER)
    protocol.send_message(prepared)
    assert sent(protocol) == [Frame(Opcode.BINARY, b"before")]


def test_servers_share_one_frame_and_clients_mask_each():
    prepared = PreparedMessage("to all")
    servers = [Protocol(Role.SERVER) for _ in range(3)]
    for server in servers:
        server.send_message(prepared)
    first, *others = [server.data_to_send()[0] for server in servers]
    assert all(frame is first for frame in others)
    clients = [Protocol(Role.CLIENT) for _ in range(50)]
    keys = set()
    for client in clients:
        client.send_message(prepared)
        keys.add(client.data_to_send()[0][2:6])
    assert len(keys) > 45


def test_servers_with_the_same_parameters_share_one_compression(monkeypatch):
    calls = []
    extensions = [negotiated()[1] for _ in range(5)]
    original = type(extensions[0]).compress_shared
    monkeypatch.setattr(
        type(extensions[0]),
        "compress_shared",
        lambda self, data: calls.append(data) or original(self, data),
    )
    prepared = PreparedMessage(TEXT)
    wires = set()
    for extension in extensions:
        server = Protocol(Role.SERVER, extension=extension)
        server.send_message(prepared)
        wires |= set(server.data_to_send())
    assert len(wires) == len(calls) == 1


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_messages_before_and_after_a_prepared_one_survive(role, agreement):
    client, server = deflate_pair(agreement, agreement)
    source, target = (client, server) if role is Role.CLIENT else (server, client)
    prepared = PreparedMessage(TEXT + "to all")
    for message in (TEXT, prepared, TEXT, prepared, prepared, TEXT + TEXT, [TEXT, TEXT], prepared):
        source.send_message(message)
        wire = source.data_to_send()
        assert wire[0][0] & 0x40
        expected = "".join(message) if not isinstance(message, PreparedMessage) else TEXT + "to all"
        assert target.receive_data(b"".join(wire)) == [expected]


def test_one_message_goes_to_connections_with_every_agreement():
    prepared = PreparedMessage(TEXT)
    pairs = [deflate_pair(agreement, agreement) for agreement in AGREEMENTS] + [open_pair()]
    for _ in range(3):
        for client, server in pairs:
            for source, target in ((client, server), (server, client)):
                source.send_message("one " + TEXT)
                source.send_message(prepared)
                source.send_message("two " + TEXT)
                assert transfer(source, target) == ["one " + TEXT, TEXT, "two " + TEXT]


def test_other_implementations_keep_their_context():
    """A peer that is not ours inflates what came before, the prepared message and what follows."""
    pytest.importorskip("websockets")
    from websockets.extensions.permessage_deflate import PerMessageDeflate
    from websockets.frames import Frame as PeerFrame
    from websockets.frames import Opcode as PeerOpcode

    prepared = PreparedMessage(TEXT)
    for takeover in (False, True):
        agreement = Deflate(server_no_context_takeover=not takeover, server_max_window_bits=10)
        _, extension = negotiated(agreement, agreement)
        server = Protocol(Role.SERVER, extension=extension)
        peer = PerMessageDeflate(not takeover, False, 10, 15)
        for message in (TEXT, prepared, TEXT, TEXT, prepared, TEXT):
            server.send_message(message)
            (frame,) = sent(server)
            assert frame.rsv == 4
            received = peer.decode(PeerFrame(PeerOpcode.TEXT, frame.payload, True, True))
            assert bytes(received.data).decode() == TEXT


@pytest.mark.parametrize(
    ("length", "compress", "rsv"),
    [(99, None, 0), (100, None, 4), (99, True, 4), (0, True, 4), (1000, False, 0)],
)
def test_compression_follows_the_threshold_of_each_connection_unless_told(length, compress, rsv):
    prepared = PreparedMessage("x" * length, compress=compress)
    settings = Deflate(threshold=100)
    client, server = deflate_pair(settings, settings)
    server.send_message(prepared)
    wire = server.data_to_send()[0]
    assert wire[0] >> 4 & 7 == rsv
    assert client.receive_data(wire) == ["x" * length]
    plain = Protocol(Role.SERVER)
    plain.send_message(prepared)
    assert sent(plain) == [Frame(Opcode.TEXT, b"x" * length)]


def test_a_prepared_message_is_neither_a_fragment_nor_sent_between_fragments():
    client, server = deflate_pair()
    prepared = PreparedMessage(TEXT)
    server.send_fragment("half, ")
    with pytest.raises(ConcurrencyError):
        server.send_message(prepared)
    with pytest.raises(TypeError, match="not PreparedMessage"):
        server.send_fragment(prepared)
    server.send_fragment("half", fin=True)
    with pytest.raises(TypeError, match="not PreparedMessage"):
        server.send_message([prepared])
    server.send_message(prepared)
    assert transfer(server, client) == ["half, half", TEXT]


MESSAGES = st.text(max_size=200) | st.binary(max_size=200) | st.just(TEXT)


@settings(max_examples=50)
@given(
    st.sampled_from(AGREEMENTS),
    st.lists(st.tuples(MESSAGES, st.booleans(), st.booleans()), max_size=12),
    st.booleans(),
)
def test_any_mix_of_prepared_and_other_messages_arrives(agreement, steps, client_sends):
    pair = deflate_pair(agreement, agreement)
    source, target = pair if client_sends else reversed(pair)
    for message, compress, prepare in steps:
        if prepare:
            source.send_message(PreparedMessage(message, compress=compress))
        else:
            source.send_message(message, compress=compress)
    assert transfer(source, target) == [message for message, _, _ in steps]
