"""Echo over loopback: every server in its own process, one client here, by turns."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .contenders import Contender, Kind
from .definition import MAX_HEADER_BYTES
from .load import Load, LoadFailed
from .machine import usable_cores
from .measure import NOISY_SPREAD, Effort
from .server_process import ServerFailed, ServerProcess
from .sizes import KIB, MIB
from .workloads import payload

__all__ = ["Echo", "Mode", "Round", "measure_echo", "modes"]


class Mode(NamedTuple):
    """How many messages are under way at once, on each of how many connections."""

    title: str
    in_flight: int
    connections: int = 1


# What both sockets hold for sure: more in flight, and client and server would wait for each other.
MAX_IN_FLIGHT_BYTES = 32 * KIB
MAX_IN_FLIGHT = 64

CONNECTIONS = 50
# On all connections together, and the server may hold a copy.
MAX_CONNECTIONS_BYTES = 16 * MIB


def modes(size: int) -> list[Mode]:
    """Return how messages of ``size`` bytes are sent: one by one, many at once, by many clients."""
    in_flight = min(MAX_IN_FLIGHT, MAX_IN_FLIGHT_BYTES // (size + MAX_HEADER_BYTES))
    found = [Mode("round trip", 1)]
    if in_flight > 1:
        found.append(Mode(f"{in_flight} in flight", in_flight))
    if size * CONNECTIONS <= MAX_CONNECTIONS_BYTES:
        found.append(Mode(f"{CONNECTIONS} connections", 1, CONNECTIONS))
    return found


class Round(NamedTuple):
    """One turn of one server."""

    messages_per_second: float
    cpu_seconds_per_message: float


@dataclass
class Echo:
    """The rounds of every server at one message size; it may be partly filled."""

    size: int
    kinds: dict[str, Kind] = field(default_factory=dict)
    rounds: dict[str, dict[Mode, list[Round]]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    pinned: bool = False

    @property
    def own_failed(self) -> bool:
        """Whether a server of fastws did not do its work."""
        return any(self.kinds[server] is Kind.OWN for server in self.problems)

    def rate(self, server: str, mode: Mode) -> float | None:
        """Return the median of messages per second."""
        rounds = self.rounds.get(server, {}).get(mode)
        return statistics.median(r.messages_per_second for r in rounds) if rounds else None

    def cpu(self, server: str, mode: Mode) -> float | None:
        """Return the median of the server's CPU seconds per message."""
        rounds = self.rounds.get(server, {}).get(mode)
        return statistics.median(r.cpu_seconds_per_message for r in rounds) if rounds else None

    def noisy(self, server: str, mode: Mode) -> bool:
        rates = [r.messages_per_second for r in self.rounds.get(server, {}).get(mode, [])]
        return bool(rates) and max(rates) / statistics.median(rates) - 1 > NOISY_SPREAD

    def cheapest(self, kind: Kind, mode: Mode) -> tuple[str, float] | None:
        """Return the server of that kind with the least CPU time per message."""
        cpus = {name: self.cpu(name, mode) for name in self.kinds if self.kinds[name] is kind}
        known = {name: cpu for name, cpu in cpus.items() if cpu}
        return min(known.items(), key=lambda item: item[1]) if known else None

    def compare(self, mode: Mode) -> tuple[float | None, float | None]:
        """Return how many times as fast, and as cheap, fastws is as the best peer in each."""

        def fastest(kind: Kind) -> float:
            names = (name for name in self.kinds if self.kinds[name] is kind)
            return max((self.rate(name, mode) or 0.0 for name in names), default=0.0)

        own, peer = self.cheapest(Kind.OWN, mode), self.cheapest(Kind.PEER, mode)
        if not own or not peer:
            return None, None
        return fastest(Kind.OWN) / fastest(Kind.PEER), peer[1] / own[1]

    def as_json(self) -> list[dict[str, Any]]:
        """Return one flat record per server and mode."""
        return [
            {
                "scenario": "echo",
                "workload": mode.title,
                "size": self.size,
                "contender": server,
                "messages_per_second": self.rate(server, mode),
                "cpu_seconds_per_message": self.cpu(server, mode),
                "rounds": [r._asdict() for r in rounds],
                "noisy": self.noisy(server, mode),
            }
            for server, modes in self.rounds.items()
            for mode, rounds in modes.items()
        ]


def measure_echo(
    echo: Echo,
    contenders: dict[str, list[Contender]],
    effort: Effort,
    progress: Callable[[str], None],
) -> None:
    """Fill ``echo`` round by round, so that what is done stays if this is interrupted."""
    with ExitStack() as running:
        server_core, load_core = _two_cores()
        echo.pinned = server_core is not None
        progress("echo: starting the servers")
        servers = {}
        for module, of_module in contenders.items():
            for contender in of_module:
                for name in contender.echo_servers():
                    echo.kinds[name] = contender.kind
                    process = ServerProcess(module, name, core=server_core)
                    servers[name] = running.enter_context(process)
        ports = {}
        for name, server in servers.items():
            with _problems(echo, name):
                ports[name] = server.port()
        running.enter_context(_pinned(load_core))
        for number in range(effort.echo_rounds):
            for mode in modes(echo.size):
                for name, port in ports.items():
                    if name in echo.problems:
                        continue
                    progress(f"echo: {mode.title}, round {number + 1}, {name}")
                    with _problems(echo, name):
                        one = _round(servers[name], port, echo.size, mode, effort.echo_seconds)
                        echo.rounds.setdefault(name, {}).setdefault(mode, []).append(one)


def _round(server: ServerProcess, port: int, size: int, mode: Mode, seconds: float) -> Round:
    with Load(port, payload(size), mode.in_flight, mode.connections) as load:
        before = server.cpu_seconds()
        messages, took = load.run(seconds)
        return Round(messages / took, (server.cpu_seconds() - before) / messages)


@contextmanager
def _problems(echo: Echo, server: str) -> Iterator[None]:
    """Keep one server's failure to itself."""
    try:
        yield
    except TimeoutError:
        echo.problems[server] = "no reply in time"
    except (LoadFailed, ServerFailed, OSError) as error:
        echo.problems[server] = str(error)


def _two_cores() -> tuple[int | None, int | None]:
    cores = usable_cores()
    return (cores[0], cores[-1]) if len(cores) > 1 else (None, None)


@contextmanager
def _pinned(core: int | None) -> Iterator[None]:
    """Keep this process on one core for a while."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
