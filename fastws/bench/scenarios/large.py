"""Echo of large messages: one at a time, on one connection."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..figures import Key, Results
from ..jobs import Job
from ..run import Run
from ..sizes import MIB, format_size
from ..table import Spec, Table, matrix, microseconds, number
from .serving import echo_turns, places

__all__ = ["measure", "tables"]

SIZES = (MIB,)
FULL_SIZES = (MIB, 16 * MIB)


def measure(run: Run, scenario: str) -> None:
    """Time every server at every size."""
    servers = run.servers(scenario, Job(), "echo")
    for size in run.sizes(SIZES, FULL_SIZES):
        key = Key(scenario, "round trips", size, 1, "", "rate")
        echo_turns(run, f"{format_size(size)} messages", key, servers)


def _megabytes(size: int, messages: float) -> str:
    return number(messages * size / 1e6)


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield one table: payload bytes per second, once in and once out, and CPU time."""
    specs = []
    for place in places(results, scenario):
        size = place[1]
        rate = results.column(scenario, *place, "rate")
        cpu = results.column(scenario, *place, "cpu")
        group = f"{format_size(size)} messages"
        specs += [
            Spec(group, "MB/s", rate, partial(_megabytes, size)),
            Spec(group, "CPU µs", cpu, microseconds),
        ]
    if specs:
        note = "MB/s of payload, each byte received and sent once"
        yield matrix(results, scenario, "echo, large messages, round trips", specs, [note])
