"""What the model of docs/scale.md is made of: ``python -m fastws.bench.rooms_constants``.

Each figure is CPU time of the process that serves, or of the broker, divided by how often something
was done, so it hardly depends on what else the machine does.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .machine import facts
from .rooms import Scenario, Server, Sockets, broker, cpu_seconds, throughput
from .rooms_server import PING_SECONDS

__all__ = ["main"]

SOCKETS = 2000
SECONDS = 3.0
# Servers answer handshakes before handlers have joined: so long until the last one has.
SETTLE_SECONDS = 0.3
PONG = b"\x8a\x84\0\0\0\0"  # RFC 6455 §5.5.3, with four bytes to come, masked with zeros


def _memory(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _ticks(pid: int) -> float:
    """CPU seconds of any process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(kind: str, url: str, scenario: Scenario) -> Iterator[tuple[list[Server], Sockets]]:
    """Servers with their sockets."""
    with contextlib.ExitStack() as stack:
        servers = []
        for _ in range(scenario.processes):
            servers.append(Server(kind, url, scenario.rooms, None))
            stack.callback(servers[-1].end)
        sockets = Sockets(scenario, servers)
        stack.callback(sockets.close)
        time.sleep(SETTLE_SECONDS)
        yield servers, sockets


def opening() -> Iterator[tuple[str, float]]:
    """Yield what it takes to open a socket and join, and what a socket that is there takes."""
    with serving("fastws", "memory://", Scenario("warm", 1, 1, 10)) as (servers, _):
        memory, cpu = _memory(servers[0].pid), cpu_seconds(servers)
        with contextlib.closing(Sockets(Scenario("more", 1, 1, SOCKETS), servers)):
            time.sleep(SETTLE_SECONDS)
            cpu, memory = cpu_seconds(servers) - cpu, _memory(servers[0].pid) - memory
        yield "CPU us to open a connection and join", cpu / SOCKETS * 1e6
        yield "bytes of memory of a socket in a room", memory / SOCKETS


def pings() -> Iterator[tuple[str, float]]:
    """Yield what a keepalive ping and its answer take."""
    scenario = Scenario("pings", 1, 1, SOCKETS)
    with serving("fastws, pings", "memory://", scenario) as (servers, sockets):
        cpu, end, answered = cpu_seconds(servers), time.perf_counter() + SECONDS, 0
        while time.perf_counter() < end:
            for fd, _ in sockets.epoll.poll(PING_SECONDS):
                ping = sockets.by_fd[fd].recv(64)
                if len(ping) == 6:
                    sockets.by_fd[fd].send(PONG + ping[2:])
                    answered += 1
        yield "CPU us of a keepalive ping", (cpu_seconds(servers) - cpu) / answered * 1e6


def deliveries() -> Iterator[tuple[str, float]]:
    """Yield what a delivery takes, alone and with nine others."""
    scenario = Scenario("deliveries", 1, 1, 1000)
    with serving("fastws", "memory://", scenario) as (servers, sockets):
        for burst in (1, 10):
            best = min(
                throughput(servers, sockets, scenario, 64, burst, SECONDS / 3).cpu_microseconds
                for _ in range(4)
            )
            yield f"CPU us of a delivery of 64 B, {burst} in a write", best


def messages(kind: str) -> Iterator[tuple[str, float]]:
    """Yield what a message through a broker takes: to receive it, and for the broker."""
    with broker(kind) as (url, pid):
        if url is None:
            return
        few = Scenario("messages", 4, 1, 1)
        with serving("fastws", url, few) as (servers, sockets):
            for burst in (1, 100):
                others, before = cpu_seconds(servers[1:]), _ticks(pid)
                published = cpu_seconds(servers[:1])
                count = 0
                end = time.perf_counter() + SECONDS
                frame = sockets.expect(64)
                while time.perf_counter() < end:
                    servers[0].tell(1000, burst, 64, 0)
                    sockets.receive(1000 * few.receivers * frame, frame)
                    servers[0].cpu_seconds()
                    count += 1000
                name = f"{kind}, {burst} at a time"
                others = (cpu_seconds(servers[1:]) - others) / count / 3 * 1e6
                published = (cpu_seconds(servers[:1]) - published) / count * 1e6
                yield f"CPU us to receive a message, and deliver it once ({name})", others
                yield f"CPU us to publish, receive and deliver it once ({name})", published
                each = (_ticks(pid) - before) / count / few.processes * 1e6
                yield f"CPU us of the broker for each process a message goes to ({name})", each


def main() -> int:
    """Print all constants."""
    for name, fact in facts().items():
        print(f"{name}: {fact}")
    print("\n| what | figure |\n|---|---:|")
    for part in (opening(), pings(), deliveries(), messages("redis"), messages("nats")):
        for what, figure in part:
            print(f"| {what} | {figure:,.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
