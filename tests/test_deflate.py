"""permessage-deflate: RFC 7692's own examples, raw zlib and websockets judge fastws.deflate."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import pickle
import random
import sys
import threading
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastws import deflate as deflate_module
from fastws.deflate import Deflate, PerMessageDeflate
from fastws.errors import (
    DuplicateParameter,
    InvalidParameterName,
    InvalidParameterValue,
    NegotiationError,
    PayloadTooBig,
    ProtocolError,
)
from fastws.frames import CloseCode

TAIL = b"\x00\x00\xff\xff"
MIB = 1 << 20
TEXT = b"".join(b'{"id": %d, "name": "user %d"}' % (i * 7919, i % 13) for i in range(120))
NOISE = random.Random(7692).randbytes(40_000)


@pytest.fixture(params=["zlib", "zlib-ng", "isal"])
def zlib_name(request):
    if request.param != "zlib":
        pytest.importorskip(request.param.replace("-", "_"))
    return request.param


def new_state(
    deflate: Deflate | None = None, bits: int = 15, no_context_takeover: bool = False
) -> PerMessageDeflate:
    return PerMessageDeflate(
        deflate or Deflate(),
        local_max_window_bits=bits,
        remote_max_window_bits=bits,
        local_no_context_takeover=no_context_takeover,
        remote_no_context_takeover=no_context_takeover,
    )


def negotiate(client: Deflate, server: Deflate) -> tuple[PerMessageDeflate, PerMessageDeflate]:
    """Return what both sides use after a handshake between them."""
    accepted = server.server_accept([params for _, params in client.offers()])
    assert accepted is not None
    answer, server_state = accepted
    return client.client_accept(answer), server_state


def parameters(text: str) -> list[tuple[str, str | None]]:
    """Return the parameters in "name=value; name", as the handshake passes them on."""
    pairs = (part.strip().partition("=") for part in text.split(";") if part.strip())
    return [(name, value if equals else None) for name, equals, value in pairs]


def inflate_one_byte_at_a_time(compressed: bytes, bits: int) -> bytes:
    """Return the plain bytes, with a zlib that really has no more history than its window."""
    inflater = zlib.decompressobj(wbits=-bits)
    plain = bytearray()
    for byte in compressed:
        pending = bytes([byte])
        while True:
            piece = inflater.decompress(pending, 1)
            plain += piece
            pending = inflater.unconsumed_tail
            if not piece and not pending:
                break
    return bytes(plain)


def raw_deflate(data: bytes, *, bits: int = 15, flush: int = zlib.Z_SYNC_FLUSH) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -bits)
    return compressor.compress(data) + compressor.flush(flush)


# RFC 7692 §7.2.3: each example, frame by frame.
RFC_EXAMPLES = {
    "one block (7.2.3.1)": ["f248cdc9c90700"],
    "one block in two fragments (7.2.3.1)": ["f248cd", "c9c90700"],
    "stored block (7.2.3.3)": ["000500faff48656c6c6f00"],
    "final block (7.2.3.4)": ["f348cdc9c9070000"],
    "two blocks (7.2.3.5)": ["f248050000 00ffff cac9c90700"],
}


@pytest.mark.parametrize("no_context_takeover", [False, True])
@pytest.mark.parametrize("frames", RFC_EXAMPLES.values(), ids=RFC_EXAMPLES)
def test_the_examples_of_the_rfc_inflate_again_and_again(frames, no_context_takeover, zlib_name):
    state = new_state(Deflate(zlib=zlib_name), no_context_takeover=no_context_takeover)
    for _ in range(3):
        payload = b""
        for number, frame in enumerate(frames, 1):
            payload += state.decompress(bytes.fromhex(frame), 5, number == len(frames))
        assert payload == b"Hello"


def test_the_example_of_the_rfc_with_context_takeover_inflates():
    state = new_state()
    assert state.decompress(bytes.fromhex("f248cdc9c90700"), None, True) == b"Hello"
    assert state.decompress(bytes.fromhex("f200110000"), None, True) == b"Hello"


def test_the_examples_of_the_rfc_are_what_we_compress_to():
    taking_over = new_state()
    assert taking_over.compress(b"Hello") == bytes.fromhex("f248cdc9c90700")
    assert taking_over.compress(b"Hello") == bytes.fromhex("f200110000")
    forgetting = new_state(no_context_takeover=True)
    assert forgetting.compress(b"Hello") == bytes.fromhex("f248cdc9c90700")
    assert forgetting.compress(b"Hello") == bytes.fromhex("f248cdc9c90700")


@pytest.mark.parametrize("no_context_takeover", [False, True])
def test_an_empty_message_is_one_empty_block(no_context_takeover, zlib_name):
    state = new_state(Deflate(zlib=zlib_name), no_context_takeover=no_context_takeover)
    for _ in range(2):
        assert state.compress(b"") == b"\x00"
        assert state.compress_shared(b"") == b"\x00"
        assert state.decompress(b"\x00", 0, True) == b""
        assert state.decompress(state.compress(b"more"), 4, True) == b"more"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_is_taken(kind):
    state = new_state()
    assert state.decompress(kind(state.compress(kind(TEXT))), None, True) == TEXT
    assert state.decompress(kind(state.compress_shared(kind(TEXT))), None, True) == TEXT


@pytest.mark.parametrize("no_context_takeover", [False, True])
def test_a_last_fragment_may_be_empty(no_context_takeover, zlib_name):
    ours = new_state(Deflate(zlib=zlib_name), no_context_takeover=no_context_takeover)
    peer = new_state(no_context_takeover=no_context_takeover)
    for _ in range(3):
        frames = [ours.compress(b"", False), ours.compress(TEXT, False), ours.compress(b"", False)]
        assert b"".join(peer.decompress(frame, None, False) for frame in frames) == TEXT
        assert peer.decompress(ours.compress(b"", True), 0, True) == b""


def test_a_last_frame_without_payload_ends_the_message():
    state = new_state()
    for _ in range(3):
        assert state.decompress(state.compress(TEXT), None, False) == TEXT
        assert state.decompress(b"", 0, True) == b""


def test_a_message_without_any_payload_is_empty_and_leaves_the_context_alone():
    state = new_state()
    for _ in range(3):
        assert state.decompress(state.compress(TEXT), None, True) == TEXT
        assert state.decompress(b"", 0, False) == b""
        assert state.decompress(b"", 0, True) == b""


def test_every_fragment_inflates_when_it_arrives(zlib_name):
    state = new_state(Deflate(zlib=zlib_name))
    for fin, data in [(False, b"first "), (False, b"second "), (True, b"third")]:
        assert state.decompress(state.compress(data, fin), None, fin) == data


# Windows, levels and contexts of what we send


@pytest.mark.parametrize("bits", range(8, 16))
def test_what_we_compress_stays_inside_the_window(bits, zlib_name):
    levels = range(4) if zlib_name == "isal" else (0, 1, 2, 3, 6, 9)
    near = [200, 249, 250, 251, 255, 256, 257, 300]
    distances = near + [(1 << bits) + delta for delta in (-263, -262, -261, -1, 0, 1)]
    plain = b"".join(NOISE[:distance] * 2 for distance in distances if distance > 0)[:80_000]
    for level in levels:
        state = new_state(Deflate(zlib=zlib_name, level=level), bits)
        compressed = b"".join(
            state.compress(plain[start : start + 20_000]) + TAIL
            for start in range(0, 80_000, 20_000)
        )
        assert inflate_one_byte_at_a_time(compressed, bits) == plain


@pytest.mark.parametrize("bits", [8, 9, 11, 15])
def test_without_context_each_message_inflates_on_its_own(bits, zlib_name):
    for level in range(4):
        for memory_level in (1, 5, 9):
            deflate = Deflate(zlib=zlib_name, level=level, memory_level=memory_level)
            state = new_state(deflate, bits, no_context_takeover=True)
            for data in (TEXT, TEXT, NOISE, b"x", TEXT * 20, b"x", NOISE):
                compressed = state.compress(data)
                assert zlib.decompressobj(wbits=-15).decompress(compressed + TAIL) == data
            fragments = state.compress(TEXT, False) + state.compress(TEXT)
            assert zlib.decompressobj(wbits=-15).decompress(fragments + TAIL) == TEXT * 2


def test_context_makes_a_repeated_message_smaller(zlib_name):
    state = new_state(Deflate(zlib=zlib_name))
    assert len(state.compress(NOISE[:1000])) > 1000
    assert len(state.compress(NOISE[:1000])) < 100


def test_without_context_nothing_of_the_message_is_kept_by_the_connection():
    tracemalloc = pytest.importorskip("tracemalloc")
    message = new_state().compress_shared(TEXT)
    new_state(no_context_takeover=True).compress(TEXT)
    tracemalloc.start()
    try:
        states = [new_state(no_context_takeover=True) for _ in range(100)]
        for state in states:
            state.decompress(message, None, True)
            state.compress(TEXT)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100 * 1024


def test_connections_without_context_may_compress_in_many_threads():
    expected = {size: new_state().compress(TEXT[:size]) for size in range(1, 2000, 50)}
    wrong: list[Any] = []

    def work() -> None:
        state = new_state(no_context_takeover=True)
        for _ in range(5):
            for size, compressed in expected.items():
                if state.compress(TEXT[:size]) != compressed:
                    wrong.append(size)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("bits", [8, 9, 11, 15])
@pytest.mark.parametrize("no_context_takeover", [False, True])
def test_a_shared_message_fits_between_messages_with_context(bits, no_context_takeover, zlib_name):
    deflate = Deflate(zlib=zlib_name)
    senders = [new_state(deflate, bits, no_context_takeover) for _ in range(3)]
    receivers = [new_state(bits=bits, no_context_takeover=no_context_takeover) for _ in senders]
    for number, message in enumerate([TEXT, NOISE[:900], TEXT[50:], NOISE[100:700], TEXT]):
        shared = senders[0].compress_shared(message)
        for sender, receiver in zip(senders, receivers, strict=True):
            assert receiver.decompress(sender.compress(TEXT[number:]), None, True) == TEXT[number:]
            assert receiver.decompress(sender.compress(message), None, True) == message
            sender.note_shared()
            assert receiver.decompress(shared, None, True) == message
            assert (
                receiver.decompress(sender.compress(TEXT + message), None, True) == TEXT + message
            )


def test_equal_keys_mean_interchangeable_messages():
    default = new_state()
    assert default.key == new_state(no_context_takeover=True).key
    assert hash(default.key) == hash(new_state().key)
    others = [
        new_state(bits=11),
        new_state(Deflate(level=1)),
        new_state(Deflate(memory_level=9)),
        default,
    ]
    assert len({state.key for state in others}) == len(others)


# Limits of what we receive


@pytest.mark.parametrize("size", [1, 2, 257, 258, 259, 1000, 40_000])
@pytest.mark.parametrize("plain", [b"a" * 40_000, NOISE], ids=["zeros", "noise"])
def test_a_message_may_have_exactly_the_limit(plain, size, zlib_name):
    message = raw_deflate(plain[:size])[:-4]
    for limit in (size, size + 1, None):
        state = new_state(Deflate(zlib=zlib_name))
        assert state.decompress(message, limit, True) == plain[:size]
    for limit in {0, size // 2, size - 1}:
        with pytest.raises(PayloadTooBig) as caught:
            new_state(Deflate(zlib=zlib_name)).decompress(message, limit, True)
        assert caught.value.code == CloseCode.MESSAGE_TOO_BIG


@pytest.mark.parametrize("limit", range(12))
def test_the_limit_is_exact_wherever_the_frames_are_cut(limit, zlib_name):
    message = raw_deflate(b"a" * 8)[:-4]
    for cut in range(len(message) + 1):
        state = new_state(Deflate(zlib=zlib_name))

        def receive(state=state, cut=cut) -> bytes:
            payload = state.decompress(message[:cut], limit, False)
            assert len(payload) <= limit
            return payload + state.decompress(message[cut:], limit - len(payload), True)

        if limit >= 8:
            assert receive() == b"a" * 8
        else:
            with pytest.raises(PayloadTooBig):
                receive()


def test_the_limit_counts_what_the_removed_tail_inflates_to(zlib_name):
    # A fixed block (010) cut inside a literal (00110): the zeros of the tail make it literal 0.
    unfinished = b"\x62"
    assert new_state(Deflate(zlib=zlib_name)).decompress(unfinished, 1, True) == b"\x00"
    assert new_state(Deflate(zlib=zlib_name)).decompress(unfinished, 0, False) == b""
    with pytest.raises(PayloadTooBig):
        new_state(Deflate(zlib=zlib_name)).decompress(unfinished, 0, True)
    state = new_state(Deflate(zlib=zlib_name))
    assert state.decompress(unfinished, 0, False) == b""
    with pytest.raises(PayloadTooBig):
        state.decompress(b"", 0, True)


def test_nothing_more_may_come_once_the_limit_is_reached(zlib_name):
    state = new_state(Deflate(zlib=zlib_name))
    assert state.decompress(raw_deflate(b"abc"), 3, False) == b"abc"
    assert state.decompress(b"\x00" + TAIL, 0, False) == b""
    assert state.decompress(b"", 0, False) == b""
    with pytest.raises(PayloadTooBig):
        state.decompress(raw_deflate(b"d"), 0, False)


@pytest.mark.parametrize("flush", [zlib.Z_SYNC_FLUSH, zlib.Z_FINISH], ids=["block", "final blocks"])
def test_a_bomb_costs_no_more_memory_than_its_limit(flush, zlib_name):
    tracemalloc = pytest.importorskip("tracemalloc")
    bomb = raw_deflate(bytes(MIB // 2), flush=flush) * 128
    for limit in (0, MIB - 1, MIB):
        state = new_state(Deflate(zlib=zlib_name))
        tracemalloc.start()
        try:
            with pytest.raises(PayloadTooBig):
                state.decompress(bomb, limit, True)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 2 * limit + 2 * MIB


def test_no_compressed_input_stays_behind(zlib_name):
    state = new_state(Deflate(zlib=zlib_name))
    for data in (NOISE, TEXT, b"a" * 100_000):
        for fin in (False, True):
            payload = raw_deflate(data)[:-4] if fin else raw_deflate(data)
            assert state.decompress(payload, len(data), fin) == data
            assert state._decompressor.unconsumed_tail == b""
            assert state._decompressor.unused_data == b""


# RFC 7692 §7.2.1: blocks with BFINAL set


def final(data: bytes) -> bytes:
    return raw_deflate(data, flush=zlib.Z_FINISH)


@pytest.mark.parametrize(
    ("frames", "plain"),
    [
        ([final(b"Hello") + b"\x00"], b"Hello"),
        ([final(b"Hello")], b"Hello"),
        ([final(b"Hello"), b"\x00"], b"Hello"),
        ([final(b"Hello"), b""], b"Hello"),
        ([b"", final(b"Hello"), b"", b""], b"Hello"),
        ([final(b"one ") + final(b"two") + b"\x00"], b"one two"),
        ([final(b"one ") + raw_deflate(b"two")[:-4]], b"one two"),
        ([final(b"one "), raw_deflate(b"two")[:-4]], b"one two"),
        ([raw_deflate(b"one ") + final(b"two") + b"\x00"], b"one two"),
        ([bytes.fromhex("f248cdc9c90704")], b"Hello"),  # BFINAL in the block of the tail
        ([final(b"one ") + bytes.fromhex("f248cdc9c90704")], b"one Hello"),
        ([final(NOISE) + raw_deflate(NOISE)[:-4]], NOISE * 2),
        ([final(TEXT) * 3 + final(b"")], TEXT * 3),
    ],
)
@pytest.mark.parametrize("no_context_takeover", [False, True])
def test_a_message_may_go_on_after_a_final_block(frames, plain, no_context_takeover, zlib_name):
    state = new_state(Deflate(zlib=zlib_name), no_context_takeover=no_context_takeover)
    following = raw_deflate(TEXT)[:-4]
    for _ in range(2):
        room, payload = len(plain), b""
        for number, frame in enumerate(frames, 1):
            payload += state.decompress(frame, room - len(payload), number == len(frames))
        assert payload == plain
        assert state.decompress(following, None, True) == TEXT


@pytest.mark.parametrize("limit", range(12))
def test_the_limit_is_exact_after_final_blocks_too(limit, zlib_name):
    state = new_state(Deflate(zlib=zlib_name))
    message = final(b"abc") + final(b"defg") + raw_deflate(b"hij")[:-4]
    if limit >= 10:
        assert state.decompress(message, limit, True) == b"abcdefghij"
    else:
        with pytest.raises(PayloadTooBig):
            state.decompress(message, limit, True)


def test_corruption_after_a_final_block_is_found(zlib_name):
    with pytest.raises(ProtocolError) as caught:
        new_state(Deflate(zlib=zlib_name)).decompress(final(b"abc") + b"\xff" * 9, None, True)
    assert caught.value.code == CloseCode.INVALID_DATA


@pytest.mark.parametrize("plain", [b"", NOISE[:200]], ids=["empty", "longer"])
def test_many_final_blocks_cost_linear_time(plain):
    fed = 0

    class Counting:
        def __init__(self, wbits: int) -> None:
            self.inner = zlib.decompressobj(wbits=wbits)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def decompress(self, data: bytes, max_length: int) -> bytes:
            nonlocal fed
            fed += len(data)
            return self.inner.decompress(data, max_length)

    message = final(plain) * (20_000 if not plain else 1000)
    state = new_state()
    state._new_decompressor = Counting
    assert state.decompress(message, None, True) == plain * 1000
    assert fed < 64 * len(message)


# Corrupt input


@pytest.mark.parametrize(
    "payload",
    [b"\x06", b"\xff" * 10, bytes.fromhex("f200110000"), b"\x00\x05\x00\x00\x00Hello"],
    ids=["block type 3", "ones", "distance too far", "stored length"],
)
def test_corrupt_data_is_invalid_data(payload, zlib_name):
    with pytest.raises(ProtocolError, match="corrupt") as caught:
        new_state(Deflate(zlib=zlib_name)).decompress(payload, None, True)
    assert caught.value.code == CloseCode.INVALID_DATA
    assert caught.value.__cause__ is not None


def test_a_peer_cannot_look_back_where_no_context_is_agreed(zlib_name):
    state = new_state(Deflate(zlib=zlib_name), no_context_takeover=True)
    assert state.decompress(bytes.fromhex("f248cdc9c90700"), None, True) == b"Hello"
    with pytest.raises(ProtocolError) as caught:
        state.decompress(bytes.fromhex("f200110000"), None, True)
    assert caught.value.code == CloseCode.INVALID_DATA


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    frames=st.lists(st.binary(max_size=60), min_size=1, max_size=4),
    name=st.sampled_from(["zlib", "zlib-ng", "isal"]),
    flips=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 255)), max_size=3),
    limit=st.integers(0, 300),
)
def test_any_bytes_inflate_within_the_limit_or_are_refused(frames, name, flips, limit):
    try:
        state = new_state(Deflate(zlib=name), bits=9)
    except ImportError:
        return
    mutated = bytearray(raw_deflate(frames[0] * 3, bits=9)[:-4])
    for position, flip in flips:
        mutated[position % len(mutated)] ^= flip
    received = b""
    with contextlib.suppress(ProtocolError):
        for frame in [bytes(mutated), *frames[1:]]:
            received += state.decompress(frame, limit - len(received), False)
            assert len(received) <= limit
        received += state.decompress(b"", limit - len(received), True)
        assert len(received) <= limit


# Round trips


@st.composite
def conversations(draw: Any) -> list[tuple[list[bytes], list[int], bool]]:
    """Messages: the fragments of each, where its frames are cut once more, and if it is shared."""
    pieces = st.one_of(
        st.binary(max_size=300),
        st.builds(lambda start, size: NOISE[start : start + size], *[st.integers(0, 3000)] * 2),
        st.builds(lambda start, size: TEXT[start : start + size], *[st.integers(0, 3000)] * 2),
    )
    message = st.tuples(
        st.lists(pieces, min_size=1, max_size=4),
        st.lists(st.integers(0, 5000), max_size=3),
        st.booleans(),
    )
    return draw(st.lists(message, max_size=6))


@pytest.mark.parametrize("no_context_takeover", [False, True])
@pytest.mark.parametrize("bits", range(8, 16))
@settings(deadline=None, derandomize=True, max_examples=25)
@given(conversation=conversations(), levels=st.tuples(st.integers(0, 9), st.integers(1, 9)))
def test_messages_survive_any_fragmentation(bits, no_context_takeover, conversation, levels):
    deflate = Deflate(level=levels[0], memory_level=levels[1])
    sender = new_state(deflate, bits, no_context_takeover)
    receiver = new_state(bits=bits, no_context_takeover=no_context_takeover)
    for fragments, cuts, shared in conversation:
        plain = b"".join(fragments)
        if shared:
            frames = [sender.compress_shared(plain)]
            sender.note_shared()
        else:
            *firsts, last = fragments
            frames = [sender.compress(data, False) for data in firsts] + [sender.compress(last)]
        compressed = b"".join(frames)
        if cuts:  # a peer, or a proxy on the way, may cut anywhere
            points = [0, *sorted(cut % (len(compressed) + 1) for cut in cuts), len(compressed)]
            frames = [compressed[start:end] for start, end in itertools.pairwise(points)]
        payload = b""
        for number, frame in enumerate(frames, 1):
            payload += receiver.decompress(frame, len(plain) - len(payload), number == len(frames))
        assert payload == plain


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("no_context_takeover", [False, True])
def test_websockets_and_fastws_understand_each_other(bits, no_context_takeover, zlib_name):
    theirs = pytest.importorskip("websockets.extensions.permessage_deflate")
    frames = pytest.importorskip("websockets.frames")
    ours = new_state(Deflate(zlib=zlib_name), bits, no_context_takeover)
    peer = theirs.PerMessageDeflate(no_context_takeover, no_context_takeover, bits, bits)
    for data in (TEXT, b"", NOISE, TEXT, b"x", TEXT * 9, b""):
        received = ours.decompress(
            peer.encode(frames.Frame(frames.Opcode.BINARY, data)).data, len(data), True
        )
        assert received == data
        for number, part in enumerate([data[:99], b"", data[99:]]):
            opcode = frames.Opcode.CONT if number else frames.Opcode.BINARY
            payload = ours.compress(part, number == 2)
            frame = frames.Frame(opcode, payload, fin=number == 2, rsv1=number == 0)
            assert peer.decode(frame).data == part
        ours.note_shared()
        frame = frames.Frame(frames.Opcode.BINARY, ours.compress_shared(data), True, True)
        assert peer.decode(frame).data == data


# Negotiation: the configuration


@pytest.mark.parametrize(
    "wrong",
    [
        {"server_max_window_bits": 7},
        {"server_max_window_bits": 16},
        {"server_max_window_bits": True},
        {"server_max_window_bits": "12"},
        {"client_max_window_bits": 7},
        {"client_max_window_bits": 16},
        {"client_max_window_bits": False},
        {"client_max_window_bits": 9.0},
        {"server_no_context_takeover": 1},
        {"client_no_context_takeover": None},
        {"level": 10},
        {"level": -2},
        {"level": 4, "zlib": "isal"},
        {"level": -1, "zlib": "isal"},
        {"memory_level": 0},
        {"memory_level": 10},
        {"memory_level": None},
        {"threshold": -1},
        {"threshold": 1.5},
        {"zlib": "gzip"},
    ],
    ids=str,
)
def test_a_wrong_setting_is_a_value_error_that_names_it(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Deflate(**wrong)


@pytest.mark.parametrize("name", ["zlib-ng", "isal"])
def test_a_missing_zlib_says_how_to_install_it(name, monkeypatch):
    monkeypatch.setitem(sys.modules, deflate_module._ZLIBS[name].module, None)
    deflate_module._load.cache_clear()
    with pytest.raises(ImportError, match=f"pip install {name}"):
        Deflate(zlib=name)


def test_a_configuration_is_a_value():
    deflate = Deflate(server_max_window_bits=10, threshold=0)
    assert deflate == Deflate(server_max_window_bits=10, threshold=0)
    assert len({deflate, Deflate(server_max_window_bits=10, threshold=0), Deflate()}) == 2
    assert pickle.loads(pickle.dumps(deflate)) == deflate
    with pytest.raises(dataclasses.FrozenInstanceError):
        deflate.threshold = 5  # type: ignore[misc]


def test_the_threshold_reaches_both_sides():
    client, server = negotiate(Deflate(threshold=10), Deflate(threshold=20))
    assert (client.threshold, server.threshold) == (10, 20)


# Negotiation: the server's side. Settings, offer, answer, and what each side may compress with:
# (server's window, client's window, server without context, client without context).
ANSWERS = [
    ({}, "", "server_max_window_bits=11", (11, 15, False, False)),
    (
        {},
        "client_max_window_bits",
        "server_max_window_bits=11; client_max_window_bits=11",
        (11, 11, False, False),
    ),
    (
        {},
        "client_max_window_bits=9; server_max_window_bits=10",
        "server_max_window_bits=10; client_max_window_bits=9",
        (10, 9, False, False),
    ),
    ({}, "server_max_window_bits=8", "server_max_window_bits=8", (8, 15, False, False)),
    ({}, "server_max_window_bits=15", "server_max_window_bits=11", (11, 15, False, False)),
    (
        {},
        "client_max_window_bits=8",
        "server_max_window_bits=11; client_max_window_bits=8",
        (11, 8, False, False),
    ),
    (
        {},
        "client_max_window_bits=15",
        "server_max_window_bits=11; client_max_window_bits=11",
        (11, 11, False, False),
    ),
    (
        {},
        "client_no_context_takeover",
        "client_no_context_takeover; server_max_window_bits=11",
        (11, 15, False, True),
    ),
    (
        {},
        "server_no_context_takeover",
        "server_no_context_takeover; server_max_window_bits=11",
        (11, 15, True, False),
    ),
    ({"server_max_window_bits": 15}, "", "", (15, 15, False, False)),
    (
        {"server_max_window_bits": 15},
        "server_max_window_bits=15",
        "server_max_window_bits=15",
        (15, 15, False, False),
    ),
    (
        {"server_max_window_bits": 15, "client_max_window_bits": 15},
        "client_max_window_bits",
        "",
        (15, 15, False, False),
    ),
    (
        {"server_max_window_bits": 15, "client_max_window_bits": None},
        "client_max_window_bits",
        "",
        (15, 15, False, False),
    ),
    (
        {"server_max_window_bits": 15, "client_max_window_bits": None},
        "client_max_window_bits=12",
        "client_max_window_bits=12",
        (15, 12, False, False),
    ),
    (
        {"server_max_window_bits": 12, "client_max_window_bits": 13},
        "client_max_window_bits",
        "server_max_window_bits=12; client_max_window_bits=13",
        (12, 13, False, False),
    ),
    (
        {"server_max_window_bits": 12, "client_max_window_bits": 13},
        "client_max_window_bits=14; server_max_window_bits=13",
        "server_max_window_bits=12; client_max_window_bits=13",
        (12, 13, False, False),
    ),
    (
        {"client_max_window_bits": 9},
        "",
        "server_max_window_bits=11",
        (11, 15, False, False),
    ),
    (
        {"server_no_context_takeover": True, "client_no_context_takeover": True},
        "",
        "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11",
        (11, 15, True, True),
    ),
]


@pytest.mark.parametrize(("wanted", "offer", "answer", "agreed"), ANSWERS)
def test_a_server_answers_within_the_offer(wanted, offer, answer, agreed):
    accepted = Deflate(**wanted).server_accept([parameters(offer)])
    assert accepted is not None
    assert accepted[0] == parameters(answer)
    state = accepted[1]
    assert agreed == (
        state.local_max_window_bits,
        state.remote_max_window_bits,
        state.local_no_context_takeover,
        state.remote_no_context_takeover,
    )


FLAGS = ["server_no_context_takeover", "client_no_context_takeover"]
LIMITS = ["server_max_window_bits", "client_max_window_bits"]
NOT_WINDOW_BITS = ["", "0", "7", "16", "08", "010", "+9", "-9", " 9", "9 ", "9.0", "1e1", "٩", "x"]

# Wrong in an offer and in an answer alike.
MALFORMED = [
    *[([(name, value)], InvalidParameterValue) for name in LIMITS for value in NOT_WINDOW_BITS],
    *[([(name, value)], InvalidParameterValue) for name in FLAGS for value in ("", "1", "true")],
    ([("server_max_window_bits", None)], InvalidParameterValue),
    *[([(name, None)] * 2, DuplicateParameter) for name in FLAGS],
    *[([(name, "10")] * 2, DuplicateParameter) for name in LIMITS],
    ([("server_max_window_bits", "10"), ("server_max_window_bits", "11")], DuplicateParameter),
    ([("unknown", None)], InvalidParameterName),
    ([("unknown", "1")], InvalidParameterName),
    ([("", None)], InvalidParameterName),
    ([("server_max_window_bits ", "10")], InvalidParameterName),
    ([("SERVER_MAX_WINDOW_BITS", "10")], InvalidParameterName),
    ([("server_max_window_bits", "10"), ("unknown", None)], InvalidParameterName),
]


@pytest.mark.parametrize(
    "offer",
    [
        *[params for params, _ in MALFORMED],
        [("client_max_window_bits", None), ("client_max_window_bits", "10")],
    ],
    ids=str,
)
def test_a_server_declines_a_malformed_offer_and_takes_the_next(offer):
    assert Deflate().server_accept([offer]) is None
    accepted = Deflate().server_accept([offer, offer, [("server_max_window_bits", "9")], []])
    assert accepted is not None
    assert accepted[0] == [("server_max_window_bits", "9")]


def test_a_server_declines_when_nothing_is_offered():
    assert Deflate().server_accept([]) is None


# Negotiation: the client's side


@pytest.mark.parametrize(
    ("wanted", "offer"),
    [
        ({}, "client_max_window_bits"),
        ({"client_max_window_bits": None}, ""),
        ({"client_max_window_bits": 8}, "client_max_window_bits=8"),
        (
            {
                "server_max_window_bits": 9,
                "client_max_window_bits": 15,
                "server_no_context_takeover": True,
                "client_no_context_takeover": True,
            },
            "server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=9; client_max_window_bits=15",
        ),
    ],
)
def test_a_client_offers_what_it_wants(wanted, offer):
    assert Deflate(**wanted).offers() == [("permessage-deflate", parameters(offer))]


# Settings, answer: (client's window, server's window, client and server without context).
ACCEPTED = [
    ({}, "", (11, 15, False, False)),
    ({}, "client_max_window_bits=15", (11, 15, False, False)),
    ({}, "client_max_window_bits=8", (8, 15, False, False)),
    ({}, "server_max_window_bits=8", (11, 8, False, False)),
    ({}, "server_max_window_bits=15", (11, 15, False, False)),
    ({}, "server_no_context_takeover", (11, 15, False, True)),
    ({}, "client_no_context_takeover", (11, 15, True, False)),
    ({"client_max_window_bits": None}, "", (11, 15, False, False)),
    ({"client_max_window_bits": 15}, "", (15, 15, False, False)),
    ({"client_max_window_bits": 13}, "client_max_window_bits=13", (13, 15, False, False)),
    ({"client_max_window_bits": 13}, "client_max_window_bits=10", (10, 15, False, False)),
    ({"server_max_window_bits": 10}, "server_max_window_bits=10", (11, 10, False, False)),
    ({"server_max_window_bits": 10}, "server_max_window_bits=9", (11, 9, False, False)),
    ({"server_max_window_bits": 15}, "", (11, 15, False, False)),
    ({"server_no_context_takeover": True}, "server_no_context_takeover", (11, 15, False, True)),
    ({"client_no_context_takeover": True}, "", (11, 15, True, False)),
]


@pytest.mark.parametrize(("wanted", "answer", "agreed"), ACCEPTED)
def test_a_client_accepts_an_answer_that_honours_its_offer(wanted, answer, agreed):
    state = Deflate(**wanted).client_accept(parameters(answer))
    assert agreed == (
        state.local_max_window_bits,
        state.remote_max_window_bits,
        state.local_no_context_takeover,
        state.remote_no_context_takeover,
    )


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ({"server_max_window_bits": 10}, ""),
        ({"server_max_window_bits": 10}, "server_max_window_bits=11"),
        ({"server_max_window_bits": 14}, "server_max_window_bits=15"),
        ({"client_max_window_bits": None}, "client_max_window_bits=15"),
        ({"client_max_window_bits": None}, "client_max_window_bits=8"),
        ({"client_max_window_bits": 10}, "client_max_window_bits=11"),
        ({"server_no_context_takeover": True}, ""),
        ({"server_no_context_takeover": True}, "client_no_context_takeover"),
    ],
)
def test_a_client_refuses_an_answer_that_does_not_honour_its_offer(wanted, answer):
    with pytest.raises(NegotiationError, match="server's answer"):
        Deflate(**wanted).client_accept(parameters(answer))


@pytest.mark.parametrize(
    ("answer", "error"),
    [*MALFORMED, ([("client_max_window_bits", None)], InvalidParameterValue)],
    ids=str,
)
def test_a_client_refuses_a_malformed_answer(answer, error):
    with pytest.raises(error) as caught:
        Deflate().client_accept(answer)
    assert caught.value.name in dict(answer)


SETTINGS = [
    Deflate(
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
        server_no_context_takeover=server_flag,
        client_no_context_takeover=client_flag,
    )
    for server_bits, client_bits in [(None, True), (None, None), (9, 8), (8, 15), (15, 12)]
    for server_flag, client_flag in [(False, False), (True, False), (False, True), (True, True)]
]


def test_any_two_settings_agree_and_both_sides_see_the_same():
    for client_settings, server_settings in itertools.product(SETTINGS, SETTINGS):
        client, server = negotiate(client_settings, server_settings)
        assert client.local_max_window_bits <= server.remote_max_window_bits
        assert server.local_max_window_bits <= client.remote_max_window_bits
        assert client.local_no_context_takeover >= server.remote_no_context_takeover
        assert server.local_no_context_takeover >= client.remote_no_context_takeover
        for _ in range(2):
            assert server.decompress(client.compress(TEXT), len(TEXT), True) == TEXT
            assert client.decompress(server.compress(TEXT), len(TEXT), True) == TEXT


def test_websockets_takes_our_offers_and_we_take_its_answers():
    theirs = pytest.importorskip("websockets.extensions.permessage_deflate")
    frames = pytest.importorskip("websockets.frames")
    factories = [
        theirs.ServerPerMessageDeflateFactory(),
        theirs.ServerPerMessageDeflateFactory(True, True, 12, 12),
    ]
    for settings_, factory in itertools.product(SETTINGS, factories):
        if settings_.server_max_window_bits == 8:
            continue  # websockets declines
        [(name, offer)] = settings_.offers()
        assert name == factory.name
        answer, peer = factory.process_request_params(offer, [])
        ours = settings_.client_accept(answer)
        for _ in range(2):
            frame = frames.Frame(frames.Opcode.BINARY, ours.compress(TEXT), rsv1=True)
            assert peer.decode(frame).data == TEXT
            encoded = peer.encode(frames.Frame(frames.Opcode.BINARY, TEXT)).data
            assert ours.decompress(encoded, len(TEXT), True) == TEXT


def test_we_take_the_offers_of_websockets_and_it_takes_our_answers():
    theirs = pytest.importorskip("websockets.extensions.permessage_deflate")
    frames = pytest.importorskip("websockets.frames")
    factories = [
        theirs.ClientPerMessageDeflateFactory(),
        theirs.ClientPerMessageDeflateFactory(True, True, 12, 12),
        theirs.ClientPerMessageDeflateFactory(client_max_window_bits=None),
    ]
    for settings_, factory in itertools.product(SETTINGS, factories):
        if settings_.client_max_window_bits == 8:
            continue  # websockets cannot compress with it
        accepted = settings_.server_accept([list(factory.get_request_params())])
        assert accepted is not None
        answer, ours = accepted
        peer = factory.process_response_params(answer, [])
        for _ in range(2):
            frame = frames.Frame(frames.Opcode.BINARY, ours.compress(TEXT), rsv1=True)
            assert peer.decode(frame).data == TEXT
            encoded = peer.encode(frames.Frame(frames.Opcode.BINARY, TEXT)).data
            assert ours.decompress(encoded, len(TEXT), True) == TEXT
