"""Messages received fragment by fragment, over both layers."""

from __future__ import annotations

import asyncio

import pytest
from wire import BINARY, CONTINUATION, TEXT

from fastws.errors import ConcurrencyError, ConnectionClosedError


class Script:
    """A server that sends frames when it is told to."""

    def __init__(self, *frames):
        self.frames = frames
        self.go = asyncio.Event()

    async def __call__(self, raw):
        await raw.accept()
        for opcode, payload, fin in self.frames:
            if opcode is None:
                await self.go.wait()
                self.go.clear()
            else:
                await raw.send(opcode, payload, fin)
        await raw.recv_close()
        await raw.send_close()


PAUSE = (None, None, None)


async def test_fragments_are_given_out_as_they_arrive(network):
    script = Script(PAUSE, (TEXT, "one", False), PAUSE, (CONTINUATION, "two", False), PAUSE,
                    (CONTINUATION, "three", True), (TEXT, "next", True))  # fmt: skip
    async with network.listen(script), network.connect() as ws:
        got = []
        asyncio.get_running_loop().call_later(0.02, script.go.set)
        async for fragment in ws.recv_streaming():
            got.append(fragment)
            script.go.set()
        assert got == ["one", "two", "three"]
        assert await ws.recv() == "next"


async def test_a_message_in_one_frame_is_one_fragment(network):
    script = Script((BINARY, b"whole", True), (TEXT, "t", True))
    async with network.listen(script), network.connect() as ws:
        assert [fragment async for fragment in ws.recv_streaming()] == [b"whole"]
        assert [fragment async for fragment in ws.recv_streaming()] == ["t"]


async def test_the_rest_of_an_abandoned_message_is_left_out(network):
    script = Script(PAUSE, (TEXT, "a", False), PAUSE, (CONTINUATION, "b", False),
                    (CONTINUATION, "c", True), (TEXT, "next", True), PAUSE, (TEXT, "d", False),
                    PAUSE, (CONTINUATION, "e", True), (TEXT, "last", True))  # fmt: skip
    loop = asyncio.get_running_loop()
    async with network.listen(script), network.connect() as ws:
        stream = ws.recv_streaming()
        loop.call_later(0.02, script.go.set)
        async for fragment in stream:
            assert fragment == "a"
            break
        script.go.set()
        assert await ws.recv() == "next"
        loop.call_later(0.02, script.go.set)
        async for fragment in ws.recv_streaming():
            assert fragment == "d"
            break
        script.go.set()
        assert [fragment async for fragment in ws.recv_streaming()] == ["last"]
        if network.client == "aio":
            with pytest.raises(ConcurrencyError):
                await anext_of(stream)


async def anext_of(stream):
    return await stream.__anext__()


async def test_code_points_cut_by_fragments_come_whole(network):
    text = "é🎉x".encode()
    frames = [(TEXT, text[:1], False), (CONTINUATION, text[1:4], False)]
    frames += [(CONTINUATION, text[4:], True)]
    for options, decode in (({}, None), ({}, True), ({"decode": False}, True)):
        async with network.listen(Script(*frames)), network.connect(**options) as ws:
            got = [fragment async for fragment in ws.recv_streaming(decode)]
            assert all(isinstance(fragment, str) for fragment in got)
            assert "".join(got) == "é🎉x"
    for options, decode in (({"decode": False}, None), ({"decode": False}, False), ({}, False)):
        async with network.listen(Script(*frames)), network.connect(**options) as ws:
            got = [fragment async for fragment in ws.recv_streaming(decode)]
            assert b"".join(got) == text


async def test_the_end_of_the_connection_midway_is_raised(network):
    async def rude(raw):
        await raw.accept()
        await go.wait()
        await raw.send(TEXT, "half", fin=False)

    go = asyncio.Event()
    async with network.listen(rude), network.connect() as ws:
        asyncio.get_running_loop().call_later(0.02, go.set)
        stream = ws.recv_streaming()
        assert await anext_of(stream) == "half"
        with pytest.raises(ConnectionClosedError):
            await anext_of(stream)
        with pytest.raises(ConnectionClosedError):
            await ws.recv()


async def test_fragments_that_were_there_before_are_not_lost(network):
    script = Script((TEXT, "a", False), (CONTINUATION, "b", False), PAUSE,
                    (CONTINUATION, "c", True))  # fmt: skip
    async with network.listen(script), network.connect() as ws:
        if network.client == "aio":
            await asyncio.sleep(0.02)  # they are in the reader by now
        script.go.set()
        assert "".join([fragment async for fragment in ws.recv_streaming()]) == "abc"
