"""Several workers: processes of one server, each on a core, and connections dealt out to them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..figures import Key, Results
from ..fleet import Running, servers_of
from ..jobs import Job
from ..load import Load
from ..machine import pinned, usable_cores
from ..run import Run
from ..sizes import KIB
from ..table import Spec, Table, matrix, microseconds, number
from ..workloads import payload
from .echo import pipeline_depth
from .serving import places

__all__ = ["measure", "tables"]

SIZES = (64,)
CONNECTIONS_PER_WORKER = 8
MOST_WORKERS = 64
LARGEST = 4 * KIB


def worker_counts(cores: int) -> list[int]:
    """Return 1, 2, 4, ... up to the number of cores."""
    counts = [1 << i for i in range(MOST_WORKERS.bit_length()) if 1 << i < cores]
    return [*counts, min(cores, MOST_WORKERS)]


def measure(run: Run, scenario: str) -> None:
    """Time every server with 1, 2, 4, ... workers, up to one on each core."""
    cores: list[int | None] = [*usable_cores()] or [None]
    if len(cores) < 2:
        run.results.notes[scenario] = "one core only: more workers than one would share it"
    counts = worker_counts(len(cores))
    run.results.notes.setdefault(
        scenario,
        f"the load has core {run.load_core}, which is also that of worker {len(cores)}: "
        "with as many workers as cores they share it",
    )
    found = list(servers_of(run.contenders, Job(), "echo", run.effort))
    workers: dict[str, list[Running]] = {}
    for number_of, core in zip(range(counts[-1]), cores, strict=False):
        alike = [wanted._replace(number=100 + number_of) for wanted in found]
        for running in run.start(scenario, alike, core):
            workers.setdefault(running.name, []).append(running)
    for size in run.sizes(SIZES, SIZES):
        if size > LARGEST:
            continue
        for count in counts:
            key = Key(scenario, _title(count), size, count * CONNECTIONS_PER_WORKER, "", "rate")
            able = [all_of[0] for all_of in workers.values() if len(all_of) >= count]
            run.by_turns(
                scenario,
                _title(count),
                able,
                partial(_turn, run, key, workers, count),
            )


def _title(workers: int) -> str:
    return f"{workers} worker{'s' if workers != 1 else ''}"


def _turn(
    run: Run, key: Key, everyone: dict[str, list[Running]], count: int, first: Running
) -> None:
    workers = everyone[first.name][:count]
    ports = [worker.port for worker in workers]
    load = Load(
        ports, payload(key.size), connections=key.connections, in_flight=pipeline_depth(key.size)
    )
    with pinned(run.load_core), load:
        before = sum(worker.cpu_seconds() for worker in workers)
        done = load.run(run.effort.server_seconds)
        cpu = sum(worker.cpu_seconds() for worker in workers) - before
    run.add_round(key._replace(contender=workers[0].name), workers[0], done, cpu, len(workers))


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield one table: a column for each number of workers."""
    specs = []
    for place in places(results, scenario):
        rate = results.column(scenario, *place, "rate")
        cpu = results.column(scenario, *place, "cpu")
        specs += [
            Spec(place[0], "msg/s", rate, number),
            Spec(place[0], "CPU µs", cpu, microseconds),
        ]
    if specs:
        # So much at once that the load takes a small part of what the workers do.
        note = f"{CONNECTIONS_PER_WORKER} connections to each worker, many messages in flight"
        yield matrix(results, scenario, "workers on cores", specs, [note])
