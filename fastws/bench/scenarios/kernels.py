"""Work without sockets: masking, UTF-8, frames, compression, handshakes; in this process."""

from __future__ import annotations

from collections.abc import Iterator

from ..contenders import Call, Contender
from ..figures import Figure, Key, Results
from ..measure import time_calls
from ..run import Run
from ..sizes import format_size
from ..table import Spec, Table, matrix, number
from ..workloads import WORKLOADS, Workload, WrongResult

__all__ = ["measure", "tables"]


def measure(run: Run, scenario: str) -> None:
    """Time the workloads of a scenario, size by size."""
    for workload in WORKLOADS.values():
        if workload.scenario != scenario or not (workload.quick or run.effort.full):
            continue
        contenders = [one for of_module in run.contenders.values() for one in of_module]
        sizes = run.sizes(workload.sizes, workload.full_sizes)
        for size in sizes if workload.sizable else workload.sizes:
            run.progress(f"{workload.title}, {format_size(size)}")
            calls = _calls(run, workload, size, contenders)
            by_name = {contender.name: contender for contender in contenders}
            for name, rounds in time_calls(calls, run.effort).items():
                key = Key(scenario, workload.name, size, 0, name, "time")
                kind, compiled = by_name[name].kind, by_name[name].compiled
                for seconds in rounds:
                    run.results.add(key, kind, seconds, compiled=compiled)


def _calls(run: Run, workload: Workload, size: int, contenders: list[Contender]) -> dict[str, Call]:
    """Return the calls whose results are right; who fails is taken out of the contenders."""
    calls = {}
    for contender in list(contenders):
        try:
            call = workload.prepare(contender, size)
        except Exception as error:  # somebody else's code may fail in any way
            why = error if isinstance(error, WrongResult) else repr(error)
            text = f"{why}, at {format_size(size)}; left out"
            run.blame(workload.scenario, contender.name, contender.kind, text)
            contenders.remove(contender)
            continue
        if call is not None:
            calls[contender.name] = call
    return calls


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield a table for each workload: a column for each size."""
    for workload in WORKLOADS.values():
        by_size: dict[int, list[Figure]] = {}
        for figure in results.of(scenario):
            if figure.key.work == workload.name:
                by_size.setdefault(figure.key.size, []).append(figure)
        if by_size:
            specs = [_spec(workload, size, figures) for size, figures in by_size.items()]
            notes = [workload.note] if workload.note else []
            if workload.remark is not None:
                sizes = (f"{format_size(s)} to {workload.remark.of_size(s)}" for s in by_size)
                notes.append(f"{workload.remark.label}: {', '.join(sizes)}")
            yield matrix(results, scenario, workload.title, specs, notes)


def _spec(workload: Workload, size: int, figures: list[Figure]) -> Spec:
    fastest = min(figure.median for figure in figures)
    if workload.rate_from is not None and size >= workload.rate_from:
        unit, form = "GB/s", lambda seconds: number(size / seconds / 1e9)
    elif fastest < 10e-6:
        unit, form = "ns", lambda seconds: number(seconds * 1e9)
    elif fastest < 10e-3:
        unit, form = "µs", lambda seconds: number(seconds * 1e6)
    else:
        unit, form = "ms", lambda seconds: number(seconds * 1e3)
    return Spec(format_size(size), unit, figures, form)
