"""Echo over TLS."""

from __future__ import annotations

from collections.abc import Iterator

from ..certificate import NoCertificate, certificate
from ..figures import Key, Results
from ..jobs import Job
from ..run import Run
from ..sizes import KIB
from ..table import Table, matrix
from .serving import RATE_NOTE, columns, connections_title, echo_turns, places, size_title

__all__ = ["measure", "tables"]

SIZES = (64,)
FULL_SIZES = (64, 64 * KIB)
CONNECTIONS = (50,)


def measure(run: Run, scenario: str) -> None:
    """Time every server that can, each with the same certificate."""
    try:
        with certificate() as path:
            servers = run.servers(scenario, Job(certificate=path))
            for size in run.sizes(SIZES, FULL_SIZES):
                for connections in run.connections(CONNECTIONS, CONNECTIONS):
                    key = Key(scenario, "round trips", size, connections, "", "rate")
                    echo_turns(run, size_title(size), key, servers, tls=True)
    except NoCertificate as error:
        run.results.notes[scenario] = str(error)


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield one table."""
    specs = [
        spec
        for work, size, connections in places(results, scenario)
        for spec in columns(
            results,
            scenario,
            (work, size, connections),
            f"{size_title(size)}, {connections_title(connections)}",
        )
    ]
    if specs or scenario in results.notes:
        yield matrix(results, scenario, "echo over TLS, round trips", specs, [RATE_NOTE])
