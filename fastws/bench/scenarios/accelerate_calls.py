"""Calls into other packages that ``fastws.accelerate()`` makes faster, without I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..definition import serialize_frame
from ..load import MASKING_KEY
from ..sizes import KIB, MIB

__all__ = ["CALLS", "SIZES", "AcceleratedCall"]

SIZES = (64, 4 * KIB, MIB)
BURST = 500


def _one(size: int) -> int:
    return 1


class AcceleratedCall(NamedTuple):
    """What is called of a target, with messages of which sizes, and how many in one call.

    ``prepare`` takes a payload and whether it is text; the package is what must be installed.
    """

    target: str
    package: str
    sizes: tuple[int, ...]
    prepare: Callable[[bytes, bool], Callable[[], object]]
    messages: Callable[[int], int] = _one


def _frame(payload: bytes, text: bool, masked: bool = True) -> bytes:
    return serialize_frame(1 if text else 2, payload, MASKING_KEY if masked else None)


def _wsproto(payload: bytes, text: bool) -> Callable[[], object]:
    from wsproto.connection import Connection, ConnectionType

    connection = Connection(ConnectionType.SERVER)
    stream = _frame(payload, text)

    def receive() -> object:
        connection.receive_data(stream)
        return list(connection.events())

    return receive


class _Connection:
    """As much of a protocol as the queue of aiohttp asks for."""

    _reading_paused = False


def _aiohttp_pair() -> tuple[Any, Any]:
    """A queue and its reader, as aiohttp has them now."""
    import aiohttp.web  # noqa: F401  (with all that binds the reader)
    from aiohttp._websocket import reader

    queue = reader.WebSocketDataQueue(_Connection(), 2**30, loop=None)
    return queue, reader.WebSocketReader(queue, 0, False, True)


def _many(size: int) -> int:
    """So many messages that what is made for them together costs little."""
    return max(20, min(1000, MIB // size))


def _aiohttp_feed(payload: bytes, text: bool) -> Callable[[], object]:
    stream = _frame(payload, text)

    def receive() -> None:
        queue, reader = _aiohttp_pair()
        feed_data, clear = reader.feed_data, queue._buffer.clear
        for _ in range(_many(len(payload))):
            feed_data(stream)
            clear()

    return receive


def _aiohttp_read(payload: bytes, text: bool) -> Callable[[], object]:
    stream = _frame(payload, text)

    async def receive() -> object:
        queue, reader = _aiohttp_pair()
        for _ in range(_many(len(payload))):
            reader.feed_data(stream)
            message = await queue.read()
        return message

    def run() -> object:
        try:
            receive().send(None)
        except StopIteration as stop:
            return stop.value
        raise RuntimeError("a message did not come")

    return run


def _aiohttp_burst(payload: bytes, text: bool) -> Callable[[], object]:
    stream = _frame(payload, text) * BURST
    return lambda: _aiohttp_pair()[1].feed_data(stream)


def _gunicorn(payload: bytes, text: bool) -> Callable[[], object]:
    from gunicorn.asgi.websocket import WebSocketProtocol

    return lambda: WebSocketProtocol._unmask(None, payload, MASKING_KEY)


def _gevent_websocket(payload: bytes, text: bool) -> Callable[[], object]:
    from geventwebsocket.websocket import Header

    header = Header(length=len(payload))
    header.mask = MASKING_KEY
    return lambda: header.unmask_payload(payload)


def _ws4py(payload: bytes, text: bool) -> Callable[[], object]:
    from ws4py.framing import Frame

    frame = Frame(masking_key=MASKING_KEY)
    return lambda: frame.unmask(payload)


def _websocket_client_receive(payload: bytes, text: bool) -> Callable[[], object]:
    import websocket

    stream = memoryview(_frame(payload, text, masked=False))
    client = websocket.WebSocket()
    at = 0

    def recv(size: int) -> bytes:
        nonlocal at
        piece = bytes(stream[at : at + size])
        at = (at + len(piece)) % len(stream)
        return piece

    client.frame_buffer.recv = recv
    return lambda: client.recv_data()


def _websocket_client_send(payload: bytes, text: bool) -> Callable[[], object]:
    import websocket

    client = websocket.WebSocket()
    client._send = len
    opcode = 1 if text else 2
    return lambda: client.send(payload, opcode)


CALLS: dict[str, AcceleratedCall] = {
    "wsproto receive, without I/O": AcceleratedCall("wsproto", "wsproto", SIZES, _wsproto),
    "aiohttp feed_data, a frame at a time": AcceleratedCall(
        "aiohttp", "aiohttp", SIZES, _aiohttp_feed, _many
    ),
    f"aiohttp feed_data, {BURST} frames at a time": AcceleratedCall(
        "aiohttp", "aiohttp", (64,), _aiohttp_burst, lambda size: BURST
    ),
    "aiohttp feed_data, and read from its queue": AcceleratedCall(
        "aiohttp", "aiohttp", SIZES, _aiohttp_read, _many
    ),
    "websocket-client receive, without I/O": AcceleratedCall(
        "websocket-client", "websocket", SIZES, _websocket_client_receive
    ),
    "websocket-client send, without I/O": AcceleratedCall(
        "websocket-client", "websocket", SIZES, _websocket_client_send
    ),
    "gunicorn unmask": AcceleratedCall("gunicorn", "gunicorn", (4 * KIB,), _gunicorn),
    "gevent-websocket unmask": AcceleratedCall(
        "gevent-websocket", "geventwebsocket", (4 * KIB,), _gevent_websocket
    ),
    "ws4py unmask": AcceleratedCall("ws4py", "ws4py", (4 * KIB,), _ws4py),
}
