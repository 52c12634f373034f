"""What the scenarios of echo servers share: one turn of a server, and columns of its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..figures import Key, Results
from ..fleet import Running
from ..load import Load
from ..machine import pinned
from ..run import Run
from ..sizes import format_size
from ..table import Spec, microseconds, number
from ..workloads import payload

__all__ = [
    "RATE_NOTE",
    "columns",
    "connections_title",
    "echo_turn",
    "places",
    "size_title",
]

RATE_NOTE = "CPU: the server's time for one message; msg/s is also the client's and the system's"


def echo_turn(run: Run, key: Key, running: Running, **load: Any) -> None:
    """Load one server for a round and add what came of it."""
    with (
        pinned(run.load_core),
        Load([running.port], payload(key.size), connections=key.connections, **load) as echo,
    ):
        before = running.cpu_seconds()
        done = echo.run(run.effort.server_seconds)
        cpu = running.cpu_seconds() - before
    run.add_round(key._replace(contender=running.name), running, done, cpu)


def places(results: Results, scenario: str) -> Sequence[tuple[str, int, int]]:
    """Return the works, sizes and connections there are figures of, in order."""
    return list(dict.fromkeys(figure.key[1:4] for figure in results.of(scenario)))


def columns(
    results: Results, scenario: str, place: tuple[str, int, int], group: str
) -> Sequence[Spec]:
    """Return the rate and the CPU time at one place."""
    rate = results.column(scenario, *place, "rate")
    cpu = results.column(scenario, *place, "cpu")
    return [Spec(group, "msg/s", rate, number), Spec(group, "CPU µs", cpu, microseconds)]


def connections_title(connections: int) -> str:
    return f"{connections:,} connection{'s' if connections != 1 else ''}"


def size_title(size: int) -> str:
    return f"{format_size(size)} messages"
