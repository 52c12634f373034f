"""What can be done over and over without a socket, each with the errors it can end in."""

from __future__ import annotations

import contextlib

from handshakes import URI
from wire import frame

import fastws
from fastws import Close, CloseCode, Protocol, Role
from fastws._kernels import serialize_message
from fastws.deflate import Deflate
from fastws.handshake import ClientHandshake, ServerHandshake

__all__ = ["SCENARIOS"]

KEY = b"\x37\xfa\x21\x3d"
MESSAGES = ["x" * 100, "é" * 50, b"y" * 300, "z" * 3000, "", b"1"]
GOOD = b"".join(frame(1, b"text", key=KEY) + frame(2, b"binary" * 40, key=KEY) for _ in range(5))
CUT = frame(1, b"a" * 70_000, key=KEY)
BAD = [
    frame(1, b"not masked"),
    frame(3, key=KEY),
    frame(1, b"\xff\xff", key=KEY),
    frame(8, b"\x00", key=KEY),
    frame(2, announce=2**40, key=KEY),
    frame(9, b"p" * 126, key=KEY),
    frame(0, b"continues nothing", key=KEY),
]


def messages(rounds: int) -> None:
    """Whole messages, out and in."""
    reader = fastws.MessageReader(Role.SERVER)
    for i in range(rounds):
        reader.receive(serialize_message(MESSAGES[i % len(MESSAGES)], True))


def readers(rounds: int) -> None:
    """Readers: one that is good, one left in mid-message, one that ends in an error."""
    for i in range(rounds):
        fastws.MessageReader(Role.SERVER).receive(GOOD)
        reader = fastws.MessageReader(Role.SERVER)
        reader.receive(CUT[: 10 + i % 60_000])
        buffer = reader.get_buffer()
        assert buffer is None or len(memoryview(buffer)) > 0
        fastws.MessageReader(Role.SERVER).receive(BAD[i % len(BAD)])


def refusals(rounds: int) -> None:
    """Calls that raise."""
    wrong = [
        lambda: fastws.apply_mask(b"data", b"key"),
        lambda: fastws.apply_mask("data", KEY),  # type: ignore[arg-type]
        lambda: fastws.apply_mask_inplace(b"read only", KEY),
        lambda: fastws.apply_mask(memoryview(b"strided")[::2], KEY),
        lambda: fastws.serialize_frame(3, b""),
        lambda: fastws.serialize_frame(9, b"p" * 126),
        lambda: fastws.parse_header(b"\x83\x00"),
        lambda: fastws.parse_close(b"\x00\x00"),
        lambda: fastws.parse_close(b"\x03\xe8\xff"),
        lambda: fastws.serialize_close(1006),
        lambda: fastws.is_utf8(5),  # type: ignore[arg-type]
        lambda: fastws.MessageReader(5),  # type: ignore[arg-type]
    ]
    for i in range(rounds):
        try:
            wrong[i % len(wrong)]()
        except (ValueError, TypeError, BufferError, fastws.ProtocolError):
            continue
        raise AssertionError(f"call {i % len(wrong)} did not raise")


def _open(compression: Deflate | None) -> tuple[Protocol, Protocol]:
    client = Protocol(
        Role.CLIENT, handshake=ClientHandshake(URI, deflate=compression), max_size=100_000
    )
    server = Protocol(Role.SERVER, handshake=ServerHandshake(deflate=compression), max_size=100_000)
    client.send_request()
    server.receive_data(b"".join(client.data_to_send()), 0.0)
    server.send_response(server.accept(), 0.0)
    client.receive_data(b"".join(server.data_to_send()), 0.0)
    return client, server


def handshakes(rounds: int) -> None:
    """Opening handshakes, a compressed message, and all ways to end."""
    for i in range(rounds):
        client, server = _open(Deflate() if i % 2 else None)
        client.send_message("hello " * 100)
        server.receive_data(b"".join(client.data_to_send()), 0.0)
        if i % 3 == 0:
            client.send_close(1000, "done", 0.0)
            server.receive_data(b"".join(client.data_to_send()), 0.0)
            client.receive_data(b"".join(server.data_to_send()), 0.0)
        elif i % 3 == 1:
            server.receive_data(BAD[i % len(BAD)], 0.0)
            client.receive_data(b"".join(server.data_to_send()), 0.0)
        client.receive_eof(0.0)
        server.receive_eof(0.0)


def broken_handshakes(rounds: int) -> None:
    """Requests and responses that are refused."""
    wrong = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: bad\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"\x16\x03\x01" * 20,
        b"GET " + b"/" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nHo",
    ]
    for i in range(rounds):
        server = Protocol(Role.SERVER, handshake=ServerHandshake())
        for request in server.receive_data(wrong[i % len(wrong)], 0.0):
            if hasattr(request, "headers"):
                server.send_response(server.accept(), 0.0)
        server.data_to_send()
        server.receive_eof(0.0)
        client = Protocol(Role.CLIENT, handshake=ClientHandshake(URI))
        client.send_request()
        client.data_to_send()
        with contextlib.suppress(Exception):
            client.receive_data(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 0.0)
        client.receive_eof(0.0)


def control_frames(rounds: int) -> None:
    """Pings, pongs and closes, parsed and answered."""
    server = Protocol(Role.SERVER)
    for i in range(rounds):
        server.receive_data(frame(9, b"%d" % i, key=KEY), 0.0)
        server.data_to_send()
        assert fastws.parse_close(fastws.serialize_close(1000, "bye")) == Close(
            CloseCode.NORMAL_CLOSURE, "bye"
        )


# The name, what to do, and how often in a run of full length.
SCENARIOS = {
    "messages": (messages, 1_000_000),
    "readers": (readers, 30_000),
    "refusals": (refusals, 100_000),
    "control frames": (control_frames, 50_000),
    "handshakes": (handshakes, 5_000),
    "broken handshakes": (broken_handshakes, 20_000),
}
