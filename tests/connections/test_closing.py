"""The end of connections: codes and reasons on both sides, for every way it can come."""

from __future__ import annotations

import asyncio

import pytest
from wire import CLOSE, TEXT

from connections.running import until
from fastws.errors import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from fastws.frames import State


class Witness:
    """A handler that receives until the end and keeps the exception that told of it."""

    def __init__(self):
        self.ended = asyncio.Event()

    async def __call__(self, ws):
        self.connection = ws
        try:
            while True:
                await ws.recv()
        except ConnectionClosed as error:
            self.error = error
            self.ended.set()


@pytest.mark.parametrize(("code", "kind"), [(1000, ConnectionClosedOK), (1001, ConnectionClosedOK),
                                            (1011, ConnectionClosedError),
                                            (4999, ConnectionClosedError)])  # fmt: skip
async def test_the_client_closes_and_both_sides_know(network, code, kind):
    witness = Witness()
    async with network.serve(witness), network.connect() as ws:
        await ws.close(code, "reason é")
        with pytest.raises(kind) as caught:
            await ws.recv()
        with pytest.raises(kind):
            await ws.send("more")
        error = caught.value
        assert (error.sent.code, error.sent.reason) == (code, "reason é")
        assert (error.rcvd.code, error.rcvd.reason) == (code, "reason é")
        assert error.rcvd_then_sent is False
        await witness.ended.wait()
        assert type(witness.error) is kind
        assert (witness.error.rcvd.code, witness.error.rcvd.reason) == (code, "reason é")
        assert witness.error.rcvd_then_sent is True
        await until(lambda: witness.connection.state is State.CLOSED)
        for side in (ws, witness.connection):
            assert (side.close_code, side.close_reason) == (code, "reason é")


async def test_the_server_closes_and_both_sides_know(network):
    async def handler(ws):
        await ws.close(4000, "bye")

    async with network.serve(handler), network.connect() as ws:
        with pytest.raises(ConnectionClosedError) as caught:
            await ws.recv()
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "bye")
        assert caught.value.rcvd_then_sent is True
        assert (ws.close_code, ws.close_reason) == (4000, "bye")


async def test_a_handler_that_returns_closes_with_1000(network):
    async def handler(ws):
        pass

    async with network.serve(handler), network.raw() as raw:
        assert await raw.recv_close() == (1000, "")


async def test_a_handler_that_fails_closes_with_1011_and_is_logged(network, caplog):
    async def handler(ws):
        raise LookupError("secret detail")

    async with network.serve(handler), network.raw() as raw:
        assert await raw.recv_close() == (1011, "")
    assert "secret detail" in caplog.text
    assert "connection handler failed" in caplog.text


async def test_a_handler_that_does_not_catch_the_end_is_no_error(network, caplog):
    caplog.set_level("INFO")

    async def handler(ws):
        while True:
            await ws.recv()

    async with network.serve(handler) as server, network.connect() as ws:
        await ws.close(4000)
        await until(lambda: not server._connections)
    assert all(record.levelname == "INFO" for record in caplog.records)
    assert "connection closed" in caplog.text


async def test_the_end_of_another_connection_is_a_failure_of_the_handler(network, caplog):
    """As in a relay whose upstream closes."""

    async def handler(ws):
        raise ConnectionClosedOK(None, None)

    async with network.serve(handler), network.raw() as raw:
        assert await raw.recv_close() == (1011, "")
    assert "connection handler failed" in caplog.text


async def test_an_exception_in_the_clients_block_closes_with_1011(network):
    witness = Witness()
    async with network.serve(witness):
        ws = await network.open()
        if network.client == "aio":
            with pytest.raises(LookupError):
                async with ws:
                    raise LookupError
        else:

            def block():
                with ws.connection:
                    raise LookupError

            with pytest.raises(LookupError):
                await network.in_thread(block)
        await witness.ended.wait()
        assert witness.error.rcvd.code == 1011


async def test_a_close_frame_without_a_code_is_1005(network):
    witness = Witness()
    async with network.serve(witness), network.raw() as raw:
        await raw.send(CLOSE)
        assert await raw.recv_close() == (1005, "")
        await raw.close()
        await witness.ended.wait()
        assert isinstance(witness.error, ConnectionClosedOK)
        assert witness.error.rcvd.code == 1005


async def test_the_server_closes_the_stream_first(network):
    witness = Witness()
    async with network.serve(witness), network.raw() as raw:
        await raw.send_close(1000)
        assert await raw.recv_close() == (1000, "")
        assert await raw.recv() is None


async def test_a_reset_is_1006_on_our_side(network):
    witness = Witness()
    async with network.serve(witness), network.raw() as raw:
        raw.abort()
        await witness.ended.wait()
        assert isinstance(witness.error, ConnectionClosedError)
        assert (witness.error.rcvd, witness.error.sent) == (None, None)
        assert witness.error.code == 1006
        await until(lambda: witness.connection.state is State.CLOSED)
        assert witness.connection.close_code == 1006


async def test_the_end_of_the_stream_without_a_close_frame_is_1006(network):
    async def rude(raw):
        await raw.accept()
        await raw.send(TEXT, "last words")

    async with network.listen(rude), network.connect() as ws:
        assert await ws.recv() == "last words"
        with pytest.raises(ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.rcvd is None
        assert ws.close_code == 1006


async def test_a_peer_that_never_answers_our_close_is_given_up(network):
    async def handler(ws):
        await ws.close(1000, "go")
        ended.set()

    ended = asyncio.Event()
    async with network.serve(handler, close_timeout=0.1), network.raw() as raw:
        assert await raw.recv_close() == (1000, "go")
        await ended.wait()
        assert await raw.recv() is None


async def test_a_server_that_never_closes_the_stream_is_given_up(network):
    async def slow(raw):
        await raw.accept()
        await raw.recv_close()
        await raw.send_close(1000)
        await raw.reader.read()

    async with network.listen(slow):
        ws = await network.open(close_timeout=0.1)
        await ws.close()
        assert (ws.state, ws.close_code) == (State.CLOSED, 1000)


async def test_closing_twice_and_from_two_tasks_is_fine(network):
    witness = Witness()
    async with network.serve(witness), network.connect() as ws:
        await asyncio.gather(ws.close(4001, "a"), ws.close(4001, "b"))
        await ws.close(4002)
        assert ws.close_code == 4001


async def test_both_sides_may_close_at_the_same_time(network):
    async def crossing(raw):
        await raw.accept()
        await raw.send_close(4000, "server")
        assert await raw.recv_close() in ((4000, "server"), (4001, "client"))

    async with network.listen(crossing), network.connect() as ws:
        await ws.close(4001, "client")
        assert ws.close_code == 4000


async def test_messages_that_came_before_the_close_can_be_received_after_it(network):
    async def handler(ws):
        await ws.send("one")
        await ws.send("two")

    async with network.serve(handler), network.connect() as ws:
        await ws.wait_closed() if network.client == "aio" else await ws.close()
        assert await ws.recv() == "one"
        assert await ws.recv() == "two"
        with pytest.raises(ConnectionClosedOK):
            await ws.recv()


async def test_closing_wakes_a_receiver(network):
    witness = Witness()
    async with network.serve(witness), network.connect() as ws:
        receiving = asyncio.ensure_future(ws.recv())
        await asyncio.sleep(0.01)
        await ws.close()
        with pytest.raises(ConnectionClosedOK):
            await receiving


@pytest.mark.parametrize(
    ("code", "reason"), [(999, ""), (1006, ""), (1015, ""), (5000, ""), (1000, "é" * 62)]
)
async def test_codes_and_reasons_that_cannot_be_sent_are_refused(network, code, reason):
    async with network.serve(Witness()), network.connect() as ws:
        with pytest.raises(ValueError):
            await ws.close(code, reason)
        assert ws.state is State.OPEN


async def test_a_wrong_close_code_from_the_peer_closes_with_1002(network):
    witness = Witness()
    async with network.serve(witness), network.raw() as raw:
        await raw.send_close(1005)
        assert (await raw.recv_close())[0] == 1002
    await witness.ended.wait()
    assert witness.error.rcvd is None


async def test_a_violation_says_why_on_both_sides(network):
    witness = Witness()
    async with network.serve(witness), network.raw() as raw:
        await raw.write(b"\x83\x80\0\0\0\0")
        code, reason = await raw.recv_close()
        assert (code, bool(reason)) == (1002, True)
        await raw.close()
        await witness.ended.wait()
        assert reason in str(witness.error)


async def test_sending_after_the_peer_has_gone_raises(network):
    async def rude(raw):
        await raw.accept()
        raw.abort()

    async with network.listen(rude):
        ws = await network.open(close_timeout=0.5)
        with pytest.raises(ConnectionClosed):
            await send_forever(ws)
        await ws.close()
        assert ws.state is State.CLOSED


async def send_forever(ws):
    for _ in range(10_000):
        await ws.send(b"x" * 1000)


async def test_ping_after_the_end_raises(network):
    async with network.serve(Witness()), network.connect() as ws:
        await ws.close()
        with pytest.raises(ConnectionClosed):
            await ws.ping()
        with pytest.raises(ConnectionClosed):
            await ws.pong()
