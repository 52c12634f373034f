"""Echo over loopback: round trips, and as many messages at once as the sockets hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..definition import MAX_HEADER_BYTES
from ..figures import Key, Results
from ..jobs import Job
from ..run import Run
from ..sizes import KIB, MIB
from ..table import Table, matrix
from .serving import (
    RATE_NOTE,
    columns,
    connections_title,
    echo_turns,
    places,
    size_title,
)

__all__ = ["Mode", "measure", "modes", "pipeline_depth", "tables"]

SIZES = (64,)
FULL_SIZES = (64, 4 * KIB, 64 * KIB)
CONNECTIONS = (1, 50)

# What both sockets hold for sure: more in flight, and client and server would wait for each other.
MAX_IN_FLIGHT_BYTES = 32 * KIB
MAX_IN_FLIGHT = 64
# On all connections together, and the server may hold a copy.
MAX_CONNECTIONS_BYTES = 64 * MIB


class Mode(NamedTuple):
    """How many messages are under way at once, on each of how many connections."""

    work: str
    in_flight: int
    connections: int

    @property
    def title(self) -> str:
        return _title(self.work, self.connections)


def _title(work: str, connections: int) -> str:
    return f"{work}, {connections_title(connections)}"


def pipeline_depth(size: int) -> int:
    """Return how many messages may be under way on a connection."""
    return max(1, min(MAX_IN_FLIGHT, MAX_IN_FLIGHT_BYTES // (size + MAX_HEADER_BYTES)))


def modes(size: int, connections: int) -> list[Mode]:
    """Return how messages of ``size`` bytes are sent: one by one, and many at once."""
    if size * connections > MAX_CONNECTIONS_BYTES:
        return []
    in_flight = pipeline_depth(size)
    found = [Mode("round trips", 1, connections)]
    if in_flight > 1:
        found.append(Mode(f"{in_flight} in flight", in_flight, connections))
    return found


def measure(run: Run, scenario: str) -> None:
    """Time every server at every size and number of connections."""
    servers = run.servers(scenario, Job(), "echo")
    for size in run.sizes(SIZES, FULL_SIZES):
        for connections in run.connections(CONNECTIONS, CONNECTIONS):
            for mode in modes(size, connections):
                # Many connections with many messages each tell little that is new.
                if mode.in_flight > 1 and connections > 1 and not run.options.connections:
                    continue
                key = Key(scenario, mode.work, size, connections, "", "rate")
                echo_turns(
                    run, f"{size_title(size)}, {mode.title}", key, servers, in_flight=mode.in_flight
                )


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield a table for each size."""
    found = places(results, scenario)
    for size in dict.fromkeys(size for _, size, _ in found):
        specs = [
            spec
            for work, at, connections in found
            if at == size
            for spec in columns(
                results, scenario, (work, at, connections), _title(work, connections)
            )
        ]
        yield matrix(results, scenario, f"echo, {size_title(size)}", specs, [RATE_NOTE])
