"""Other people's servers before and after ``fastws.accelerate()``: by turns, in pairs.

``python -m fastws.bench.accelerate SERVER`` is one of these servers, as ``echo_server`` is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from statistics import median
from timeit import Timer
from typing import Any

import fastws

from . import echo_server, event_loop
from .contenders import Serve
from .definition import serialize_frame
from .load import Load, LoadFailed
from .machine import usable_cores
from .measure import Effort
from .server_process import ServerFailed, ServerProcess
from .sizes import KIB, MIB, format_size

__all__ = ["Acceleration", "measure_acceleration", "table"]

SIZES = (64, 4 * KIB, MIB)
CONNECTIONS = 50
MASKING_KEY = bytes.fromhex("37fa213d")
BURST = 500
# Messages of 1 MiB are few in the time that others take.
MIB_SECONDS = 4
OPCODES = {"text": 0x1, "binary": 0x2}


@dataclass
class Acceleration:
    """Seconds per message, before and after, by (what, message); and what went wrong."""

    seconds: dict[tuple[str, str], tuple[list[float], list[float]]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, message: str, after: bool, seconds: float) -> None:
        self.seconds.setdefault((what, message), ([], []))[after].append(seconds)

    def rows(self) -> Iterator[tuple[str, str, float, float, float]]:
        """Yield what was measured both ways: the medians of the rounds, and that of their ratios.

        The two of a round were taken one after the other, so a busy moment of the machine hits
        both, and their ratio hardly.
        """
        for (what, message), (before, after) in self.seconds.items():
            if before and after:
                # The last round may have been interrupted between the two.
                ratio = median(a / b for a, b in zip(before, after, strict=False))
                yield what, message, median(before), median(after), ratio

    def as_json(self) -> list[dict[str, Any]]:
        """Return one flat record per row."""
        return [
            {
                "scenario": "accelerate",
                "workload": what,
                "message": message,
                "before": before,
                "after": after,
                "ratio": ratio,
            }
            for what, message, before, after, ratio in self.rows()
        ]


def table(acceleration: Acceleration) -> str:
    """Return a row per server or call and kind of message."""
    lines = [
        "accelerate: CPU time per message, before and after fastws.accelerate(); medians of rounds",
        "that alternate",
        f"{'':<44}{'message':<14}{'before':>12}{'after':>12}{'ratio':>10}",
    ]
    for what, message, before, after, ratio in acceleration.rows():
        times = f"{before * 1e6:>9.2f} µs{after * 1e6:>9.2f} µs"
        lines.append(f"{what:<44}{message:<14}{times}{ratio:>9.2f}x")
    lines += [f"{what}: {why}" for what, why in acceleration.problems.items()]
    return "\n".join(lines) + "\n"


def measure_acceleration(
    acceleration: Acceleration,
    sizes: tuple[int, ...] | None,
    effort: Effort,
    progress: Callable[[str], None],
) -> None:
    """Fill ``acceleration`` round by round, so that what is done stays if this is interrupted."""
    _measure_calls(acceleration, sizes, effort, progress)
    for name in SERVERS:
        if find_spec(name.partition(" ")[0]) is None:
            acceleration.problems[name] = "not installed"
            continue
        try:
            _measure_server(acceleration, name, sizes or SIZES, effort, progress)
        except (LoadFailed, ServerFailed, OSError) as error:
            acceleration.problems[name] = str(error) or "no reply in time"


def _measure_server(
    acceleration: Acceleration,
    name: str,
    sizes: tuple[int, ...],
    effort: Effort,
    progress: Callable[[str], None],
) -> None:
    cores = usable_cores()
    core = cores[0] if len(cores) > 1 else None
    with ExitStack() as running:
        servers = []
        for start in ((), ("-m", "fastws.accelerate")):
            command = (*start, "-m", "fastws.bench.accelerate", name)
            servers.append(running.enter_context(ServerProcess(command=command, core=core)))
        ports = [server.port() for server in servers]
        for size in sizes:
            for kind, opcode in OPCODES.items():
                message = f"{format_size(size)} {kind}"
                seconds = effort.echo_seconds * (MIB_SECONDS if size == MIB else 1)
                with ExitStack() as opened:
                    loads = [
                        opened.enter_context(Load(port, b"a" * size, 1, CONNECTIONS, opcode=opcode))
                        for port in ports
                    ]
                    for number in range(effort.echo_rounds):
                        progress(f"accelerate: {name}, {message}, round {number + 1}")
                        for after, (server, load) in enumerate(zip(servers, loads, strict=True)):
                            start_seconds = server.cpu_seconds()
                            messages, _ = load.run(seconds)
                            used = server.cpu_seconds() - start_seconds
                            acceleration.add(name, message, bool(after), used / messages)


def _measure_calls(
    acceleration: Acceleration,
    sizes: tuple[int, ...] | None,
    effort: Effort,
    progress: Callable[[str], None],
) -> None:
    for name, row in CALLS.items():
        if find_spec(row.package) is None:
            acceleration.problems[name] = "not installed"
            continue
        # One of a single size is about that size.
        for size in row.sizes if len(row.sizes) == 1 else sizes or row.sizes:
            for kind in OPCODES:
                message = f"{format_size(size)} {kind}"
                progress(f"accelerate: {name}, {message}")
                call = row.prepare(b"a" * size, kind == "text")
                messages = row.messages(size)
                for _ in range(effort.rounds):
                    seconds = _time(call, messages, effort)
                    acceleration.add(name, message, False, seconds)
                    with fastws.accelerate(row.target):
                        seconds = _time(call, messages, effort)
                        acceleration.add(name, message, True, seconds)


def _time(call: Callable[[], object], messages: int, effort: Effort) -> float:
    """Return the CPU seconds a message takes in a call of so many."""
    timer = Timer(call, timer=time.process_time)
    number = max(1, int(effort.round_seconds / max(timer.timeit(1), 1e-9)))
    return timer.timeit(number) / (number * messages)


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


@dataclass(frozen=True)
class _Row:
    """What is called of a target, with messages of which sizes, and how many in one call."""

    target: str
    package: str
    sizes: tuple[int, ...]
    prepare: Callable[[bytes, bool], Callable[[], object]]
    messages: Callable[[int], int] = lambda size: 1


CALLS = {
    "wsproto receive, without I/O": _Row("wsproto", "wsproto", SIZES, _wsproto),
    "aiohttp feed_data, a frame at a time": _Row("aiohttp", "aiohttp", SIZES, _aiohttp_feed, _many),
    f"aiohttp feed_data, {BURST} frames at a time": _Row(
        "aiohttp", "aiohttp", (64,), _aiohttp_burst, lambda size: BURST
    ),
    "aiohttp feed_data, and read from its queue": _Row(
        "aiohttp", "aiohttp", SIZES, _aiohttp_read, _many
    ),
    "websocket-client receive, without I/O": _Row(
        "websocket-client", "websocket", SIZES, _websocket_client_receive
    ),
    "websocket-client send, without I/O": _Row(
        "websocket-client", "websocket", SIZES, _websocket_client_send
    ),
    "gunicorn unmask": _Row("gunicorn", "gunicorn", (4 * KIB,), _gunicorn),
    "gevent-websocket unmask": _Row(
        "gevent-websocket", "geventwebsocket", (4 * KIB,), _gevent_websocket
    ),
    "ws4py unmask": _Row("ws4py", "ws4py", (4 * KIB,), _ws4py),
}


def _serve_websockets(ready: Callable[[int], None]) -> None:
    from .contenders.websockets import serve_asyncio

    serve_asyncio(ready)


def _serve_websockets_threads(ready: Callable[[int], None]) -> None:
    from .contenders.websockets import serve_threads

    serve_threads(ready)


def _serve_aiohttp(ready: Callable[[int], None]) -> None:
    from aiohttp import WSMsgType, web

    async def echo(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(compress=False, max_msg_size=0)
        await connection.prepare(request)
        async for message in connection:
            if message.type is WSMsgType.TEXT:
                await connection.send_str(message.data)
            else:
                await connection.send_bytes(message.data)
        return connection

    async def main() -> None:
        application = web.Application()
        application.router.add_get("/", echo)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready(runner.addresses[0][1])
        await event_loop.forever()

    event_loop.run(main())


def _serve_tornado(ready: Callable[[int], None]) -> None:
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application
    from tornado.websocket import WebSocketHandler

    class Echo(WebSocketHandler):  # type: ignore[misc]
        def on_message(self, message: str | bytes) -> None:
            self.write_message(message, binary=isinstance(message, bytes))

    async def main() -> None:
        application = Application(
            [("/", Echo)], websocket_max_message_size=2**30, log_function=lambda handler: None
        )
        [listening] = bind_sockets(0, "127.0.0.1")
        HTTPServer(application).add_sockets([listening])
        ready(listening.getsockname()[1])
        await event_loop.forever()

    event_loop.run(main())


SERVERS: dict[str, Serve] = {
    f"websockets ({event_loop.NAME})": _serve_websockets,
    "websockets (threads)": _serve_websockets_threads,
    f"aiohttp ({event_loop.NAME})": _serve_aiohttp,
    f"tornado ({event_loop.NAME})": _serve_tornado,
}


if __name__ == "__main__":
    echo_server.run(SERVERS[sys.argv[1]])
