"""Messages in both directions: text, binary, fragments, iteration, decoding."""

from __future__ import annotations

import asyncio

import pytest
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

from fastws.deflate import Deflate
from fastws.errors import ConnectionClosedError, ConnectionClosedOK
from fastws.frames import State

BIG = 3 * 1024 * 1024


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def receive_all(ws, messages):
    async for message in ws:
        messages.append(message)


async def test_text_and_binary_come_back_as_they_were(network):
    async with network.serve(echo), network.connect() as ws:
        for message in ["", "a", "Grüße, 世界 🎉", b"", b"\x00\xff", bytearray(b"array")]:
            await ws.send(message)
            assert await ws.recv() == message


async def test_a_memoryview_is_binary(network):
    async with network.serve(echo), network.connect() as ws:
        await ws.send(memoryview(b"0123456789")[::2].tobytes())
        assert await ws.recv() == b"02468"
        await ws.send(memoryview(b"view"))
        assert await ws.recv() == b"view"


async def test_large_messages_come_back_whole(network):
    async with network.serve(echo, max_size=None), network.connect(max_size=None) as ws:
        for message in ["é" * (BIG // 2), bytes(range(256)) * (BIG // 256)]:
            await ws.send(message)
            assert await ws.recv() == message


@pytest.mark.parametrize("compression", ["deflate", None, Deflate(threshold=0)])
async def test_messages_pass_with_and_without_compression(network, compression):
    async with (
        network.serve(echo, compression=compression),
        network.connect(compression=compression) as ws,
    ):
        for message in ["x" * 10, "text " * 1000, b"\0" * 100_000]:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send("y" * 5000, compress=False)
        assert await ws.recv() == "y" * 5000


async def test_many_messages_in_flight_keep_their_order(network):
    async with network.serve(echo), network.connect() as ws:

        async def send_all():
            for number in range(500):
                await ws.send(str(number))

        sending = asyncio.ensure_future(send_all())
        assert [await ws.recv() for _ in range(500)] == [str(number) for number in range(500)]
        await sending


async def test_fragments_from_an_iterable_make_one_message(network):
    async with network.serve(echo), network.connect() as ws:
        await ws.send(["Hel", "lo", "!"])
        assert await ws.recv() == "Hello!"
        await ws.send(iter([b"a", bytearray(b"b"), memoryview(b"c")]))
        assert await ws.recv() == b"abc"
        await ws.send(["alone"])
        assert await ws.recv() == "alone"


async def test_an_empty_iterable_sends_nothing(network):
    async with network.serve(echo), network.connect() as ws:
        await ws.send([])
        await ws.send("next")
        assert await ws.recv() == "next"


async def test_fragments_from_an_asynchronous_iterable_make_one_message(network):
    async def fragments():
        for part in ("one ", "two ", "three"):
            await asyncio.sleep(0)
            yield part

    async with network.serve(echo), network.connect() as ws:
        await ws.send(fragments())
        assert await ws.recv() == "one two three"


async def test_fragments_are_frames_on_the_wire(network):
    async def handler(ws):
        await ws.send(["a", "b", "c"])

    async with network.serve(handler), network.raw() as raw:
        assert [await raw.recv() for _ in range(3)] == [
            (TEXT, b"a", False),
            (CONTINUATION, b"b", False),
            (CONTINUATION, b"c", True),
        ]


async def test_text_and_binary_may_not_be_mixed_in_one_message(network):
    async with network.serve(echo), network.connect() as ws:
        with pytest.raises(TypeError):
            await ws.send(["text", b"binary"])
        if ws.state is State.OPEN:  # nothing was sent before the mistake
            await ws.send("fine")
            assert await ws.recv() == "fine"


@pytest.mark.parametrize("message", [None, 1, {"a": 1}, object(), [1]])
async def test_anything_else_is_refused_and_the_connection_goes_on(network, message):
    async with network.serve(echo), network.connect() as ws:
        with pytest.raises(TypeError):
            await ws.send(message)
        await ws.send("fine")
        assert await ws.recv() == "fine"


async def test_an_error_midway_in_fragments_closes_with_1011(network):
    def fragments():
        yield "half"
        yield " a"
        raise LookupError("no more")

    closed = asyncio.get_running_loop().create_future()

    async def handler(ws):
        try:
            await ws.recv()
        except ConnectionClosedError as error:
            closed.set_result(error.rcvd.code)

    async with network.serve(handler), network.connect() as ws:
        with pytest.raises(LookupError):
            await ws.send(fragments())
        assert await closed == 1011
        with pytest.raises(ConnectionClosedError):
            await ws.send("more")


async def test_an_error_before_the_first_fragment_changes_nothing(network):
    def fragments():
        raise LookupError("nothing")
        yield

    async with network.serve(echo), network.connect() as ws:
        with pytest.raises(LookupError):
            await ws.send(fragments())
        await ws.send("fine")
        assert await ws.recv() == "fine"


async def test_the_end_of_another_connection_midway_does_not_leave_half_a_message(network):
    """Fragments that are forwarded from a connection that breaks."""

    def fragments():
        yield "half"
        yield "a message"
        raise ConnectionClosedError(None, None)

    codes = []

    async def handler(ws):
        with pytest.raises(ConnectionClosedError) as caught:
            await ws.recv()
        codes.append(caught.value.rcvd.code)

    async with network.serve(handler), network.connect() as ws:
        with pytest.raises(ConnectionClosedError):
            await ws.send(fragments())
        assert ws.state is not State.OPEN
    assert codes == [1011]


async def test_text_says_how_a_message_is_sent(network):
    async with network.serve(echo), network.connect() as ws:
        await ws.send("text as binary", text=False)
        assert await ws.recv() == b"text as binary"
        await ws.send("bytes as téxt".encode(), text=True)
        assert await ws.recv() == "bytes as téxt"
        with pytest.raises(ValueError, match="UTF-8"):
            await ws.send(b"\xff", text=True)


async def test_decode_chooses_str_or_bytes_for_one_message(network):
    async with network.serve(echo), network.connect() as ws:
        await ws.send("é")
        assert await ws.recv(decode=False) == b"\xc3\xa9"
        await ws.send(b"\xc3\xa9")
        assert await ws.recv(decode=True) == "é"
        await ws.send("é")
        assert await ws.recv(decode=True) == "é"
        await ws.send(b"\xff")
        assert await ws.recv(decode=False) == b"\xff"


async def test_decode_false_gives_bytes_for_all_messages(network):
    async with network.serve(echo, decode=False), network.connect(decode=False) as ws:
        await ws.send("é", text=True)
        assert await ws.recv() == b"\xc3\xa9"
        await ws.send("é")
        assert await ws.recv(decode=True) == "é"


async def test_bytes_of_text_are_checked_even_when_not_decoded(network):
    async with network.serve(echo, decode=False), network.raw() as raw:
        await raw.send(TEXT, b"\xff\xfe")
        assert (await raw.recv_close())[0] == 1007


async def test_iteration_ends_with_a_normal_closure(network):
    async def handler(ws):
        for message in ("a", b"b", "c"):
            await ws.send(message)

    async with network.serve(handler), network.connect() as ws:
        assert [message async for message in ws] == ["a", b"b", "c"]
        with pytest.raises(ConnectionClosedOK):
            await ws.recv()


async def test_iteration_raises_for_any_other_end(network):
    async def handler(ws):
        await ws.send("last")
        await ws.close(4000, "odd")

    async with network.serve(handler), network.connect() as ws:
        got = []
        with pytest.raises(ConnectionClosedError) as caught:
            await receive_all(ws, got)
        assert got == ["last"]
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "odd")


async def test_pings_are_answered_between_fragments(network):
    async with network.serve(echo), network.raw() as raw:
        await raw.send(TEXT, "be", fin=False)
        await raw.send(PING, b"there?")
        assert await raw.recv() == (PONG, b"there?", True)
        await raw.send(CONTINUATION, "fore")
        assert await raw.recv() == (TEXT, b"before", True)


async def test_messages_before_a_violation_are_delivered(network):
    got = []

    async def handler(ws):
        with pytest.raises(ConnectionClosedError) as caught:
            await receive_all(ws, got)
        assert caught.value.sent.code == 1002

    async with network.serve(handler), network.raw() as raw:
        await raw.send(BINARY, b"fine")
        await raw.send(TEXT, "fine too")
        await raw.write(b"\xff\x80\0\0\0\0")
        assert (await raw.recv_close())[0] == 1002
        await raw.send(CLOSE, b"\x03\xe8")
    assert got == [b"fine", "fine too"]


async def test_a_message_over_max_size_closes_with_1009(network):
    async with network.serve(echo, max_size=1000), network.connect(compression=None) as ws:
        await ws.send("x" * 1000)
        assert await ws.recv() == "x" * 1000
        await ws.send("x" * 1001)
        with pytest.raises(ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.rcvd.code == 1009


async def test_too_many_fragments_close_with_1009(network):
    async with network.serve(echo, max_fragments=3), network.connect() as ws:
        await ws.send(["a", "b", "c"])
        assert await ws.recv() == "abc"
        await ws.send(["a", "b", "c", "d"])
        with pytest.raises(ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.rcvd.code == 1009


async def test_a_ping_between_fragments_is_answered_before_the_message(network):
    """Though all of it came at once (RFC 6455 §5.4)."""
    async with network.serve(echo, compression=None), network.raw() as raw:
        key = b"abcd"
        pieces = [
            frame(TEXT, b"one, ", fin=False, key=key),
            frame(PING, b"are you there?", key=key),
            frame(CONTINUATION, b"two", key=key),
        ]
        await raw.write(b"".join(pieces))
        first, second = await raw.recv(), await raw.recv()
        assert (first.opcode, first.payload) == (PONG, b"are you there?")
        assert (second.opcode, second.payload) == (TEXT, b"one, two")
