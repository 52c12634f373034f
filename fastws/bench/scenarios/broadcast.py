"""One message to many connections, with the fastest way each package has."""

from __future__ import annotations

from collections.abc import Iterator

from ..figures import Key, Results
from ..jobs import Job
from ..run import Run
from ..sizes import KIB
from ..table import Spec, Table, matrix
from .serving import columns, echo_turns, places, size_title

__all__ = ["measure", "tables"]

SIZES = (64,)
FULL_SIZES = (64, 4 * KIB)
CONNECTIONS = (100,)
FULL_CONNECTIONS = (100, 1000)


def measure(run: Run, scenario: str) -> None:
    """One connection sends; all receive, and then it sends again."""
    servers = run.servers(scenario, Job(broadcast=True))
    for size in run.sizes(SIZES, FULL_SIZES):
        for connections in run.connections(CONNECTIONS, FULL_CONNECTIONS):
            key = Key(scenario, "broadcast", size, connections, "", "rate")
            echo_turns(
                run, f"{size_title(size)}, {connections} receivers", key, servers, broadcast=True
            )


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield one table: deliveries per second, and the CPU time of each."""
    specs: list[Spec] = []
    for place in places(results, scenario):
        _, size, connections = place
        group = f"{size_title(size)}, {connections} receivers"
        specs += columns(results, scenario, place, group, "sent/s")
    if specs:
        note = "per message received by one connection"
        yield matrix(results, scenario, "broadcast", specs, [note])
