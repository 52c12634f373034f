"""A Starlette application under uvicorn: the WebSocket class of fastws and those uvicorn has."""

from __future__ import annotations

from collections.abc import Iterator

from ..figures import Key, Results
from ..jobs import Job
from ..run import Run
from ..table import Table, matrix
from .serving import RATE_NOTE, columns, connections_title, echo_turns, places, size_title

__all__ = ["measure", "tables"]

SIZES = (64,)
CONNECTIONS = (50,)


def measure(run: Run, scenario: str) -> None:
    """Time every class with every event loop."""
    servers = run.servers(scenario, Job(), "asgi")
    for size in run.sizes(SIZES, SIZES):
        for connections in run.connections(CONNECTIONS, CONNECTIONS):
            key = Key(scenario, "round trips", size, connections, "", "rate")
            echo_turns(run, size_title(size), key, servers)


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield one table."""
    specs = [
        spec
        for place in places(results, scenario)
        for spec in columns(
            results, scenario, place, f"{size_title(place[1])}, {connections_title(place[2])}"
        )
    ]
    if specs:
        yield matrix(results, scenario, "an ASGI echo under uvicorn", specs, [RATE_NOTE])
