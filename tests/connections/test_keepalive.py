"""Pings, pongs and latency; peers that fall silent."""

from __future__ import annotations

import asyncio

import pytest
from wire import PING, PONG

from fastws.errors import ConcurrencyError, ConnectionClosedError


async def echo(ws):
    async for message in ws:
        await ws.send(message)


class Listening:
    """Receive in the background, as the blocking layer needs to see pongs."""

    def __init__(self, ws):
        self.ws = ws

    async def __aenter__(self):
        self.task = asyncio.ensure_future(self.ws.recv())
        await asyncio.sleep(0.005)

    async def __aexit__(self, *exc):
        await self.ws.send("enough")
        await self.task


async def answered(network, pong):
    """Wait for a pong; return the latency if the layer tells."""
    if network.client == "aio":
        return await pong
    assert await network.in_thread(pong.wait, 5)
    return None


async def test_a_ping_is_answered_and_gives_the_latency(network):
    async with network.serve(echo), network.connect() as ws:
        assert ws.latency == 0
        async with Listening(ws):
            latency = await answered(network, await ws.ping())
            # uvloop's clock counts whole milliseconds.
            assert ws.latency > 0 or network.loop_name == "uvloop"
            assert latency in (None, ws.latency)


async def test_a_ping_carries_the_payload_it_is_given(network):
    async with network.serve(echo), network.raw() as raw:
        await raw.send(PING, b"payload")
        assert await raw.recv() == (PONG, b"payload", True)
        await raw.send(PING)
        assert await raw.recv() == (PONG, b"", True)


async def test_pings_and_pongs_from_us_are_frames_on_the_wire(network):
    async def handler(ws):
        await ws.ping("text")
        await ws.ping(b"bytes")
        await ws.pong(b"unasked")
        await ws.recv()

    async with network.serve(handler), network.raw() as raw:
        assert await raw.recv() == (PING, b"text", True)
        assert await raw.recv() == (PING, b"bytes", True)
        assert await raw.recv() == (PONG, b"unasked", True)
        await raw.send_close()


async def test_two_pings_with_one_payload_cannot_wait_at_once(network):
    async with network.serve(echo), network.connect() as ws, Listening(ws):
        if network.client == "aio":
            first = await ws.ping("same")
            with pytest.raises(ConcurrencyError):
                await ws.ping("same")
            await first
            await (await ws.ping("same"))


async def test_a_payload_over_125_bytes_is_refused(network):
    async with network.serve(echo), network.connect() as ws:
        with pytest.raises(ValueError):
            await ws.ping(b"x" * 126)
        with pytest.raises(ValueError):
            await ws.pong(b"x" * 126)
        await ws.send("fine")
        assert await ws.recv() == "fine"


async def test_a_later_pong_answers_earlier_pings(network):
    async def lazy(raw):
        await raw.accept()
        await raw.recv()
        second = await raw.recv()
        await raw.send(PONG, second.payload)
        await raw.recv_close()
        await raw.send_close()

    async with network.listen(lazy), network.connect() as ws:
        first, second = await ws.ping(), await ws.ping()
        receiving = asyncio.ensure_future(ws.recv())
        await answered(network, second)
        await answered(network, first)
        await ws.close()
        await asyncio.gather(receiving, return_exceptions=True)


async def test_pings_that_wait_at_the_end_are_told(network):
    async def rude(raw):
        await raw.accept()
        await raw.recv()

    async with network.listen(rude), network.connect() as ws:
        if network.client == "aio":
            pong = await ws.ping()
            with pytest.raises(ConnectionClosedError):
                await pong
        else:
            forgotten, told = await ws.ping(), await ws.ping(ack_on_close=True)
            await ws.close()
            assert told.is_set()
            assert not forgotten.is_set()


async def test_a_silent_peer_fails_the_connection_with_1011(network):
    async def silent(raw):
        await raw.accept()
        seen.append(await raw.recv())
        seen.append(await raw.recv_close())

    seen = []
    async with network.listen(silent):
        ws = await network.open(ping_interval=0.05, ping_timeout=0.05, close_timeout=0.1)
        with pytest.raises(ConnectionClosedError, match="keepalive ping timeout") as caught:
            await ws.recv()
        assert caught.value.sent.code == 1011
        assert caught.value.rcvd is None
        await ws.close()
    assert seen[0].opcode == PING
    assert seen[1][0] == 1011


async def test_a_server_pings_too_and_gives_up_a_silent_client(network):
    async def handler(ws):
        with pytest.raises(ConnectionClosedError, match="the peer is silent"):
            await ws.recv()
        ended.set()

    ended = asyncio.Event()
    options = {"ping_interval": 0.05, "ping_timeout": 0.05, "close_timeout": 0.1}
    async with network.serve(handler, **options), network.raw() as raw:
        assert (await raw.recv()).opcode == PING
        assert (await raw.recv_close())[0] == 1011
        await ended.wait()


async def test_any_byte_from_the_peer_is_a_sign_of_life(network):
    async def handler(ws):
        async for message in ws:
            got.append(message)

    got = []
    options = {"ping_interval": 0.05, "ping_timeout": 0.25}
    async with network.serve(handler, **options), network.raw() as raw:
        for _ in range(20):  # it never answers a ping, but it speaks
            await raw.send(1, "alive")
            await asyncio.sleep(0.02)
        await raw.send_close()
        assert await raw.recv_close() == (1000, "")
    assert len(got) == 20


async def test_keepalive_goes_on_and_measures(network):
    async with network.serve(echo), network.connect(ping_interval=0.01) as ws:
        receiving = asyncio.ensure_future(ws.recv())
        while not (ws.latency or network.loop_name == "uvloop"):
            await asyncio.sleep(0.005)
        await ws.send("enough")
        assert await receiving == "enough"


async def test_without_an_interval_nobody_pings(network):
    async def handler(ws):
        await asyncio.sleep(0.05)

    async with network.serve(handler, ping_interval=None), network.raw() as raw:
        assert (await raw.recv()).opcode == 8
