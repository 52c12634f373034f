"""How connections end: codes, reasons, events, what an app may still send, keepalive, shutdown."""

import asyncio

import pytest
from connections.running import until
from wire import BINARY, CLOSE, PING, PONG, TEXT

from .serving import Recorder, accept, echo, serving


def closing(**event):
    """An app that accepts and closes."""

    async def app(scope, receive, send):
        await accept(receive, send)
        await send({"type": "websocket.close", **event})
        app.disconnect = await receive()

    return app


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, (1000, "")),
        ({"code": 1001}, (1001, "")),
        ({"code": 4000, "reason": "é" * 60}, (4000, "é" * 60)),
        ({"code": None, "reason": None}, (1000, "")),
    ],
)
async def test_the_app_closes_with_its_code_and_reason(event, expected):
    app = closing(**event)
    async with serving(app) as site, site.opened() as client:
        assert await client.recv_close() == expected
        await client.send_close(expected[0])
        assert await client.recv() is None
    code, reason = expected
    assert app.disconnect == {"type": "websocket.disconnect", "code": code, "reason": reason}


@pytest.mark.parametrize("event", [{"code": 1006}, {"code": 42}, {"reason": "x" * 124}])
async def test_a_code_or_reason_that_cannot_be_sent_is_the_apps_error(event, lines):
    async with serving(closing(**event)) as site, site.opened() as client:
        assert await client.recv() is None
    assert "Exception in ASGI application\n" in lines()


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        ((1000).to_bytes(2, "big"), 1000, ""),
        ((4321).to_bytes(2, "big") + "grüß".encode(), 4321, "grüß"),
        (b"", 1005, ""),
    ],
)
async def test_the_client_closes_with_its_code_and_reason(payload, code, reason):
    app = Recorder()
    async with serving(app) as site, site.opened() as client:
        await client.send(CLOSE, payload)
        assert (await client.recv()).payload == payload
        assert await client.recv() is None
        assert await app.disconnect() == {
            "type": "websocket.disconnect",
            "code": code,
            "reason": reason,
        }


async def test_a_client_that_vanishes_is_1006():
    app = Recorder()
    async with serving(app) as site, site.opened() as client:
        client.abort()
        assert await app.disconnect() == {"type": "websocket.disconnect", "code": 1006}


async def test_messages_before_the_close_are_delivered_first():
    app = Recorder()
    async with serving(app) as site, site.opened() as client:
        await client.send(TEXT, "one")
        await client.send(BINARY, b"two")
        await client.send_close()
        await app.disconnect()
    assert app.events == [
        {"type": "websocket.receive", "text": "one"},
        {"type": "websocket.receive", "bytes": b"two"},
        {"type": "websocket.disconnect", "code": 1000, "reason": ""},
    ]


async def test_the_disconnect_event_can_be_received_again():
    events = []

    async def app(scope, receive, send):
        await accept(receive, send)
        events.extend([await receive(), await receive()])

    async with serving(app) as site, site.opened() as client:
        await client.send_close(1001)
        await client.recv_close()
    assert events == [{"type": "websocket.disconnect", "code": 1001, "reason": ""}] * 2


@pytest.mark.parametrize("kind", ["websocket.send", "websocket.close"])
async def test_sending_to_a_client_that_left_is_an_oserror(kind, lines):
    problems = []

    async def app(scope, receive, send):
        await accept(receive, send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        try:
            await send({"type": kind, "text": "late"})
        except OSError as error:
            problems.append(error)
            raise

    async with serving(app) as site, site.opened() as client:
        await client.send_close()
        await client.recv_close()
    assert len(problems) == 1
    # It is no error of the app that it did not know.
    assert "Exception in ASGI application\n" not in lines()


async def test_nothing_can_be_sent_after_the_app_closed():
    problems = []

    async def app(scope, receive, send):
        await accept(receive, send)
        await send({"type": "websocket.close"})
        for kind in ("websocket.send", "websocket.close", "websocket.accept"):
            try:
                await send({"type": kind, "text": "late"})
            except RuntimeError as error:
                problems.append(str(error))

    async with serving(app) as site, site.opened() as client:
        assert await client.recv_close() == (1000, "")
    assert problems == [
        f"Unexpected ASGI message '{kind}', after sending 'websocket.close' "
        "or response already completed."
        for kind in ("websocket.send", "websocket.close", "websocket.accept")
    ]


async def test_events_out_of_order_are_refused_by_name():
    problems = []

    async def app(scope, receive, send):
        await receive()
        for before in (True, False):
            for kind in ("websocket.send", "websocket.accept", "nonsense"):
                try:
                    if before and kind == "websocket.accept":
                        continue
                    await send({"type": kind, "text": "x"})
                except RuntimeError as error:
                    problems.append(str(error))
            if before:
                await send({"type": "websocket.accept"})

    async with serving(app) as site, site.opened() as client:
        assert (await client.recv()).payload == b"x"
    undecided = "'websocket.accept', 'websocket.close' or 'websocket.http.response.start'"
    accepted = "'websocket.send' or 'websocket.close'"
    assert problems == [
        f"Expected ASGI message {undecided} but got 'websocket.send'.",
        f"Expected ASGI message {undecided} but got 'nonsense'.",
        f"Expected ASGI message {accepted} but got 'websocket.accept'.",
        f"Expected ASGI message {accepted} but got 'nonsense'.",
    ]


async def test_an_app_that_fails_after_accepting_breaks_the_connection_off(lines):
    async def app(scope, receive, send):
        await accept(receive, send)
        await send({"type": "websocket.send", "text": "last words"})
        raise ZeroDivisionError

    async with serving(app) as site, site.opened() as client:
        assert (await client.recv()).payload == b"last words"
        assert await client.recv() is None
    assert "Exception in ASGI application\n" in lines()


async def test_an_app_that_returns_without_closing_breaks_the_connection_off(lines):
    async def app(scope, receive, send):
        await accept(receive, send)
        return 123

    # At level "trace" uvicorn wraps the app, and what it returns gets lost.
    async with serving(app, log_level="info") as site, site.opened() as client:
        assert await client.recv() is None
    assert "ASGI callable should return None, but returned '123'." in lines()


@pytest.mark.parametrize(
    ("opcode", "payload", "options", "code"),
    [
        (TEXT, b"\xff", {}, 1007),
        (BINARY, bytes(101), {}, 1009),
        (3, b"", {}, 1002),
        (TEXT, b"x", {"rsv": 2}, 1002),
        (PING, bytes(126), {}, 1002),
        (CLOSE, b"\x03", {}, 1002),
    ],
    ids=["not UTF-8", "too big", "opcode", "RSV", "long ping", "half a code"],
)
async def test_bad_input_closes_and_tells_the_app_why(opcode, payload, options, code):
    app = Recorder()
    async with serving(app, ws_max_size=100) as site, site.opened() as client:
        await client.send(TEXT, "good")
        await client.send(opcode, payload, **options)
        got, reason = await client.recv_close()
        assert got == code
        event = await app.disconnect()
    assert app.events[0] == {"type": "websocket.receive", "text": "good"}
    assert event["code"] == code
    assert event["reason"] == reason != ""


async def test_a_frame_that_is_not_masked_is_refused():
    app = Recorder()
    async with serving(app) as site, site.opened() as client:
        client.key = None
        await client.send(TEXT, "bare")
        head, code = (await client.reader.read())[:1], (await app.disconnect())["code"]
        assert (head, code) == (b"\x88", 1002)


async def test_pings_are_answered_while_the_app_is_busy():
    async def app(scope, receive, send):
        await accept(receive, send)
        await app.done.wait()

    app.done = asyncio.Event()
    async with serving(app) as site, site.opened() as client:
        await client.send(PING, b"there?")
        assert await client.recv() == (PONG, b"there?", True)
        app.done.set()


async def test_silent_clients_are_closed_with_1011_when_pings_are_not_answered():
    app = Recorder()
    async with (
        serving(app, ws_ping_interval=0.02, ws_ping_timeout=0.02) as site,
        site.opened() as client,
    ):
        assert (await client.recv()).opcode == PING
        code, reason = await client.recv_close()
        assert code == 1011
        assert reason.startswith("keepalive ping timeout")
        event = await app.disconnect()
    assert event == {"type": "websocket.disconnect", "code": 1011, "reason": reason}


@pytest.mark.parametrize("interval", [0, None])
async def test_pings_can_be_turned_off(interval):
    async with serving(echo, ws_ping_interval=interval) as site, site.opened():
        [connection] = site.server.server_state.connections
        assert connection.protocol.next_deadline is None


async def test_clients_that_answer_pings_stay():
    async with (
        serving(echo, ws_ping_interval=0.01, ws_ping_timeout=5) as site,
        site.opened() as client,
    ):
        for _ in range(3):
            ping = await client.recv()
            assert ping.opcode == PING
            await client.send(PONG, ping.payload)
        await client.send(TEXT, "still here")
        while (frame := await client.recv()).opcode == PING:
            pass
        assert frame.payload == b"still here"


async def test_shutting_down_says_1012_to_both_sides():
    app = Recorder()
    async with serving(app) as site, site.opened() as client:
        stopping = site.stop()
        assert await client.recv_close() == (1012, "")
        assert await app.disconnect() == {"type": "websocket.disconnect", "code": 1012}
        await client.send_close(1012)
        assert await client.recv() is None
        await stopping


async def test_shutting_down_does_not_wait_long_for_clients_that_do_not_answer(monkeypatch):
    monkeypatch.setattr("fastws.uvicorn.websocket._SHUTDOWN_SECONDS", 0.05)
    app = Recorder()
    async with serving(app) as site, site.opened() as client:
        stopping = site.stop()
        assert await client.recv_close() == (1012, "")
        await asyncio.wait_for(stopping, 5)


async def test_shutting_down_waits_for_what_apps_do_last():
    done = []

    async def app(scope, receive, send):
        await accept(receive, send)
        await receive()
        await asyncio.sleep(0.05)
        done.append(True)

    async with serving(app) as site, site.opened() as client:
        stopping = site.stop()
        await client.recv_close()
        await client.close()
        await stopping
    assert done == [True]


async def test_shutting_down_ends_a_closing_handshake_that_drags_on():
    async with serving(closing()) as site, site.opened() as client:
        assert await client.recv_close() == (1000, "")
        await until(lambda: not site.server.server_state.tasks)
        await asyncio.wait_for(site.stop(), 5)
        assert await client.recv() is None
