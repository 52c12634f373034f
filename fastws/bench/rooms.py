"""Deliveries a second of rooms: ``python -m fastws.bench.rooms``.

One message to many sockets, over memory, Redis and NATS, beside what people do with websockets. The
sockets are bare ones, in this process; each server has a process of its own. A broker is started
for the time of the run, if it is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .load import shake_hands
from .machine import facts, usable_cores
from .rooms_server import STAMP_CHARS

__all__ = ["Scenario", "Server", "Sockets", "broker", "cpu_seconds", "main", "throughput"]

START_SECONDS = 30.0
SILENCE_SECONDS = 20.0
# When rates are measured sockets are read this often, so that one call takes several frames: who
# sends has a core to itself, and is not to wait for Python that receives.
READ_SECONDS = 0.005
FIGURES = ("deliveries/s", "CPU us each")
LATENCY_MESSAGES = 60
LATENCY_PAUSE = 0.03


@dataclass(frozen=True)
class Scenario:
    """So many processes, each with so many sockets in each of its rooms."""

    name: str
    processes: int
    rooms: int
    sockets: int

    @property
    def receivers(self) -> int:
        """How many get a message that is published to one room."""
        return self.processes * self.sockets


SCENARIOS = [
    Scenario("1 x 1 000", 1, 1, 1000),
    Scenario("2 processes x 1 000", 2, 1, 1000),
    Scenario("100 rooms x 20", 1, 100, 20),
]

# kind of server, broker, modules it needs
CONTENDERS = [
    ("bare socket", "memory", ()),
    ("fastws", "memory", ()),
    ("websockets", "memory", ("websockets",)),
    ("fastws", "redis", ("redis",)),
    ("websockets + redis loop", "redis", ("redis", "websockets")),
    ("broadcaster", "redis", ("broadcaster", "redis", "websockets")),
    ("channels_redis", "redis", ("channels_redis", "websockets")),
    ("fastws", "nats", ("nats",)),
]


@dataclass(frozen=True)
class Figure:
    """What one contender did in one scenario."""

    deliveries: float  # a second
    cpu_microseconds: float  # of all servers, for each delivery


class Server:
    """A child process that serves and publishes."""

    def __init__(
        self, kind: str, url: str, rooms: int, core: int | None, unix: bool = False
    ) -> None:
        self._directory = tempfile.TemporaryDirectory()
        path = f"{self._directory.name}/socket" if unix else ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fastws.bench.rooms_server", kind, url, str(rooms), path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        if core is not None:
            os.sched_setaffinity(self._process.pid, {core})
        where = self._line().strip()
        if not where:
            self.end()
            raise RuntimeError(f"the server {kind} did not start")
        self.port = 0 if unix else int(where)
        self._path = path

    def connect(self) -> socket.socket:
        """Return a socket that is connected to it."""
        if not self._path:
            return socket.create_connection(("127.0.0.1", self.port), START_SECONDS)
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(START_SECONDS)
        sock.connect(self._path)
        return sock

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def tell(self, count: int, burst: int, size: int, pause: float) -> None:
        """Have it publish; ``cpu_seconds`` must be read after that."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count} {burst} {size} {pause}\n")
        self._process.stdin.flush()

    def cpu_seconds(self) -> float:
        """Wait until it has published; return the CPU time it has used so far."""
        return float(self._line())

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._directory.cleanup()


class Sockets:
    """All receivers, in this process: what arrives is counted, and its delay if asked for."""

    def __init__(self, scenario: Scenario, servers: Sequence[Server]) -> None:
        self.by_fd: dict[int, socket.socket] = {}
        self.epoll = select.epoll()
        self._buffer = bytearray(1 << 20)
        for server in servers:
            for room in range(scenario.rooms):
                for _ in range(scenario.sockets):
                    self._open(server, f"/room{room}")

    def _open(self, server: Server, path: str) -> None:
        sock = server.connect()
        shake_hands(sock, server.port, path)
        sock.setblocking(False)
        self.by_fd[sock.fileno()] = sock
        self.epoll.register(sock.fileno(), select.EPOLLIN)

    def receive(self, nbytes: int, frame: int, delays: list[int] | None = None) -> None:
        """Take so many bytes; with ``delays``, add the nanoseconds that each frame took."""
        left = nbytes
        buffer, view = self._buffer, memoryview(self._buffer)
        while left > 0:
            if delays is None:
                time.sleep(READ_SECONDS)
            ready = self.epoll.poll(SILENCE_SECONDS)
            if not ready:
                raise RuntimeError(f"{left} of {nbytes} bytes did not arrive")
            for fd, _ in ready:
                got = self.by_fd[fd].recv_into(buffer)
                if not got:
                    raise RuntimeError("a server closed a connection")
                left -= got
                if delays is not None:
                    now = time.perf_counter_ns()
                    head = frame - self._size
                    for start in range(head, got, frame):
                        delays.append(now - int(view[start : start + STAMP_CHARS]))

    _size = 0

    def expect(self, size: int) -> int:
        """Say how large payloads are; return the size of a frame (RFC 6455 §5.2)."""
        self._size = size
        return size + (2 if size < 126 else 4)

    def close(self) -> None:
        for sock in self.by_fd.values():
            sock.close()
        self.epoll.close()


def throughput(
    servers: Sequence[Server], sockets: Sockets, scenario: Scenario, size: int, burst: int,
    seconds: float,
) -> Figure:  # fmt: skip
    """Publish again and again, so many messages in one turn of the publisher's loop."""
    frame = sockets.expect(size)
    # About 50 000 deliveries are under way at once, and never more than the sockets can hold.
    count = max(burst, min(50_000 // scenario.receivers, 60_000 * scenario.rooms // frame))
    count -= count % burst
    cpu = cpu_seconds(servers)
    start = time.perf_counter()
    deliveries = 0
    while (took := time.perf_counter() - start) < seconds:
        servers[0].tell(count, burst, size, 0)
        sockets.receive(count * scenario.receivers * frame, frame)
        servers[0].cpu_seconds()
        deliveries += count * scenario.receivers
    took = time.perf_counter() - start
    return Figure(deliveries / took, (cpu_seconds(servers) - cpu) / deliveries * 1e6)


def latency(servers: Sequence[Server], sockets: Sockets, scenario: Scenario, size: int) -> float:
    """Return the 99th percentile, in milliseconds, of one message after the other."""
    frame = sockets.expect(size)
    delays: list[int] = []
    servers[0].tell(LATENCY_MESSAGES, 1, size, LATENCY_PAUSE)
    sockets.receive(LATENCY_MESSAGES * scenario.receivers * frame, frame, delays)
    servers[0].cpu_seconds()
    return sorted(delays)[int(len(delays) * 0.99)] / 1e6


def cpu_seconds(servers: Sequence[Server]) -> float:
    for server in servers:
        server.tell(0, 1, STAMP_CHARS, 0)
    return sum(server.cpu_seconds() for server in servers)


@contextlib.contextmanager
def broker(kind: str) -> Iterator[tuple[str | None, int]]:
    """Start a broker on a free port; yield its URL, None if it is not installed, and its pid."""
    program = shutil.which(f"{kind}-server") or shutil.which(f"{kind}-server", path="/usr/sbin")
    if kind == "memory":
        yield "memory://", 0
        return
    if program is None:
        yield None, 0
        return
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = str(sock.getsockname()[1])
    options = {
        "redis": ["--port", port, "--bind", "127.0.0.1", "--save", ""],
        "nats": ["-a", "127.0.0.1", "-p", port],
    }
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [program, *options[kind]],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(int(port))
            yield f"{kind}://127.0.0.1:{port}", process.pid
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def run(
    kind: str,
    name: str,
    url: str,
    scenario: Scenario,
    cores: Sequence[int],
    options: argparse.Namespace,
) -> Iterator[str]:
    """Yield the lines of one contender in one scenario: the best of each figure's rounds.

    What receives has the last of the ``cores``. Processes that serve take turns at the others, if
    there are any.
    """
    free = itertools.cycle([*cores[:-1]] or [None])
    servers: list[Server] = []
    with contextlib.ExitStack() as stack:
        for _ in range(scenario.processes):
            servers.append(Server(kind, url, scenario.rooms, next(free), options.unix))
            stack.callback(servers[-1].end)
        sockets = Sockets(scenario, servers)
        stack.callback(sockets.close)
        time.sleep(0.5)  # those that subscribe for each socket are still at it
        for size in options.sizes:
            throughput(servers, sockets, scenario, size, 1, 0.2)
            p99 = latency(servers, sockets, scenario, size)
            cells = [scenario.name, f"{size} B", name]
            for burst in options.bursts:
                figures = [
                    throughput(servers, sockets, scenario, size, burst, options.seconds)
                    for _ in range(options.rounds)
                ]
                cells.append(f"{max(figure.deliveries for figure in figures):,.0f}")
                cells.append(f"{min(figure.cpu_microseconds for figure in figures):.2f}")
            yield f"| {' | '.join(cells)} | {p99:.1f} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; print a table as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m fastws.bench.rooms", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 1024], help="bytes")
    parser.add_argument(
        "--bursts", type=int, nargs="+", default=[1, 10], help="messages in a turn of the loop"
    )
    parser.add_argument("--only", default="", help="contenders whose name has this in it")
    parser.add_argument("--brokers", nargs="+", default=["memory", "redis", "nats"])
    parser.add_argument(
        "--unix", action="store_true", help="sockets of the system's own, as behind a proxy"
    )
    parser.add_argument("--scenarios", type=int, nargs="+", default=[0, 1, 2], help="by number")
    options = parser.parse_args(arguments)
    if not hasattr(select, "epoll"):
        parser.error("this benchmark needs epoll, so Linux")
    for name, fact in facts().items():
        print(f"{name}: {fact}")
    cores = usable_cores()
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[-1]})
    titles = [f"{burst} in a turn: {what}" for burst in options.bursts for what in FIGURES]
    print(f"\n| scenario | size | contender | {' | '.join(titles)} | p99 ms |")
    print(f"|---|---:|---|{'---:|' * len(titles)}---:|")
    for kind, broker_kind, modules in CONTENDERS:
        if options.only not in kind or broker_kind not in options.brokers:
            continue
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        with broker(broker_kind) as (url, _):
            if missing or url is None:
                print(f"left out: {kind} over {broker_kind}: not installed", file=sys.stderr)
                continue
            for number in options.scenarios:
                scenario = SCENARIOS[number]
                if broker_kind == "memory" and scenario.processes > 1:
                    continue
                try:
                    name = f"{kind}, {broker_kind}"
                    for line in run(kind, name, url, scenario, cores, options):
                        print(line, flush=True)
                except RuntimeError as error:
                    print(
                        f"failed: {kind}, {broker_kind}, {scenario.name}: {error}", file=sys.stderr
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
