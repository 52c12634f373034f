"""What the scenarios of echo servers share: turns of servers, and columns of its figures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
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
    "echo_turns",
    "places",
    "size_title",
]

RATE_NOTE = "CPU: the server's time for one message; msg/s is also the client's and the system's"


def echo_turns(run: Run, what: str, key: Key, servers: Sequence[Running], **how: Any) -> None:
    """Load each server in every round, on connections that stay open, and add what came of it.

    ``how`` is what ``Load`` takes besides ports, payload and connections.
    """
    with ExitStack() as opened:
        loads: dict[str, Load] = {}

        def turn(running: Running) -> None:
            with pinned(run.load_core):
                if running.name not in loads:
                    ports, message = [running.port], payload(key.size)
                    load = Load(ports, message, connections=key.connections, **how)
                    loads[running.name] = opened.enter_context(load)
                before = running.cpu_seconds()
                done = loads[running.name].run(run.effort.server_seconds)
                cpu = running.cpu_seconds() - before
            run.add_round(key._replace(contender=running.name), running, done, cpu)

        run.by_turns(key.scenario, what, servers, turn)


def places(results: Results, scenario: str) -> Sequence[tuple[str, int, int]]:
    """Return the works, sizes and connections there are figures of, in order."""
    return list(dict.fromkeys(figure.key[1:4] for figure in results.of(scenario)))


def columns(
    results: Results,
    scenario: str,
    place: tuple[str, int, int],
    group: str,
    heading: str = "msg/s",
) -> Sequence[Spec]:
    """Return the rate and the CPU time at one place; ``heading`` says of what the rate is."""
    rate = results.column(scenario, *place, "rate")
    cpu = results.column(scenario, *place, "cpu")
    return [Spec(group, heading, rate, number), Spec(group, "CPU µs", cpu, microseconds)]


def connections_title(connections: int) -> str:
    return f"{connections:,} connection{'s' if connections != 1 else ''}"


def size_title(size: int) -> str:
    return f"{format_size(size)} messages"
