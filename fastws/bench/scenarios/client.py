"""Clients: round trips, each from a process of its own, to one and the same bare echo server."""

from __future__ import annotations

from collections.abc import Iterator

from ..contenders import Kind, load
from ..figures import Key, Results
from ..fleet import Running, Wanted
from ..jobs import Job
from ..run import Run
from ..sizes import KIB
from ..table import Table, matrix
from .serving import columns, places, size_title

__all__ = ["measure", "tables"]

SIZES = (64,)
FULL_SIZES = (64, 4 * KIB)
NOTE = "CPU: the client's time for one message, sent and received"


def measure(run: Run, scenario: str) -> None:
    """Time every client, on the core that servers have in other scenarios."""
    bare = [
        Wanted("builtin", Kind.LIMIT, server, Job(), number=1)
        for contender in load("builtin")
        for server in contender.servers()
    ]
    servers = run.start(scenario, bare, run.load_core)
    clients = run.clients(scenario)
    if not servers:
        return
    uri = f"ws://127.0.0.1:{servers[0].port}/"
    for size in run.sizes(SIZES, FULL_SIZES):
        key = Key(scenario, "round trips", size, 1, "", "rate")

        def turn(running: Running, key: Key = key) -> None:
            done = running.drive(uri, key.size, run.effort.server_seconds)
            at = key._replace(contender=running.name)
            run.add(at, running, done.messages / done.seconds)
            run.add(at._replace(quantity="cpu"), running, done.cpu_seconds / done.messages)

        run.by_turns(scenario, size_title(size), clients, turn)


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield one table."""
    specs = [
        spec
        for place in places(results, scenario)
        for spec in columns(results, scenario, place, size_title(place[1]))
    ]
    if specs:
        yield matrix(results, scenario, "clients, round trips, 1 connection", specs, [NOTE])
