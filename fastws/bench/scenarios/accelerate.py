"""Other people's packages before and after ``fastws.accelerate()``: by turns, in pairs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from statistics import median
from timeit import Timer

import fastws
from fastws._kernels import compiled

from ..contenders import Kind
from ..effort import Effort
from ..figures import Figure, Key, Results
from ..fleet import Running, servers_of
from ..jobs import Job
from ..load import Load
from ..machine import pinned
from ..measure import CLOCK
from ..run import Run
from ..sizes import MIB, format_size
from ..table import Column, Row, Table, ratio, seconds
from .accelerate_calls import CALLS, SIZES

__all__ = ["measure", "tables"]

CONNECTIONS = 50
QUICK_SIZES = (64,)
# Messages of 1 MiB are few in the time that others take.
MIB_SECONDS = 4
OPCODES = {"text": 0x1, "binary": 0x2}
KINDS = {"before": Kind.PEER, "after": Kind.OWN}
# Whose servers are packages that can be accelerated.
MODULES = ("websockets", "aiohttp", "tornado", "autobahn")


def measure(run: Run, scenario: str) -> None:
    """Time calls in this process, and servers in theirs with --full, or if this is all to do."""
    if not compiled:
        run.results.notes[scenario] = "pure Python: nothing is replaced, as nothing would be faster"
        return
    for name in CALLS:
        _measure_call(run, scenario, name)
    if _thorough(run, scenario):
        _measure_servers(run, scenario)


def _thorough(run: Run, scenario: str) -> bool:
    return run.effort.full or run.options.only == (scenario,)


def _add(run: Run, key: Key, contender: str, value: float) -> None:
    run.results.add(key._replace(contender=contender), KINDS[contender], value)


def _measure_call(run: Run, scenario: str, name: str) -> None:
    row = CALLS[name]
    if find_spec(row.package) is None:
        return
    sizes = run.sizes(SIZES if _thorough(run, scenario) else QUICK_SIZES, SIZES)
    # One of a single size is about that size.
    for size in row.sizes if len(row.sizes) == 1 else sizes:
        for kind in OPCODES if _thorough(run, scenario) else ("text",):
            run.progress(f"{name}, {format_size(size)} {kind}")
            key = Key(scenario, f"{name}, {kind}", size, 0, "", "time")
            try:
                call = row.prepare(b"a" * size, kind == "text")
                messages = row.messages(size)
                for _ in range(run.effort.rounds):
                    _add(run, key, "before", _time(call, messages, run.effort))
                    with fastws.accelerate(row.target):
                        _add(run, key, "after", _time(call, messages, run.effort))
            except Exception as error:  # somebody else's code may fail in any way
                run.blame(scenario, name, Kind.PEER, repr(error))
                return


def _time(call: Callable[[], object], messages: int, effort: Effort) -> float:
    """Return the CPU seconds a message takes in a call of so many."""
    timer = Timer(call, timer=CLOCK)
    number = max(1, int(effort.round_seconds / max(timer.timeit(1), 1e-9)))
    return timer.timeit(number) / (number * messages)


def _measure_servers(run: Run, scenario: str) -> None:
    found = {m: of_module for m, of_module in run.contenders.items() if m in MODULES}
    wanted = list(servers_of(found, Job(), "echo", run.effort))
    plain = run.start(scenario, wanted, run.server_core)
    faster = [one._replace(accelerated=True) for one in wanted]
    accelerated = {r.name: r for r in run.start(scenario, faster, run.server_core)}
    for before in plain:
        if before.name in accelerated:
            for size in run.sizes(SIZES, SIZES):
                for kind in OPCODES:
                    _measure_pair(run, scenario, (before, accelerated[before.name]), size, kind)


def _measure_pair(
    run: Run, scenario: str, pair: tuple[Running, Running], size: int, kind: str
) -> None:
    name = pair[0].name
    key = Key(scenario, f"{name}, {kind}", size, CONNECTIONS, "", "cpu")
    round_seconds = run.effort.server_seconds * (MIB_SECONDS if size >= MIB else 1)

    def turns(running: Running) -> None:
        with pinned(run.load_core), contextlib.ExitStack() as opened:
            loads = [
                opened.enter_context(
                    Load(
                        [server.port],
                        b"a" * size,
                        connections=CONNECTIONS,
                        opcode=OPCODES[kind],
                    )
                )
                for server in pair
            ]
            for number in range(run.effort.server_rounds):
                run.progress(f"{name}, {format_size(size)} {kind}, round {number + 1}")
                for contender, server, load in zip(KINDS, pair, loads, strict=True):
                    start = server.cpu_seconds()
                    done = load.run(round_seconds)
                    used = server.cpu_seconds() - start
                    _add(run, key, contender, used / done.messages)

    run.once(scenario, pair[0], turns)


def paired_ratio(before: Figure, after: Figure) -> float:
    """Return the median of the rounds' ratios.

    The two of a round were taken one after the other, so a busy moment of the machine hits both,
    and their ratio hardly.
    """
    # The last round may have been interrupted between the two.
    return median(a / b for a, b in zip(before.rounds, after.rounds, strict=False))


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield one table: a row for each server or call and kind of message."""
    rows = []
    for key, after in results.figures.items():
        if key.scenario != scenario or key.contender != "after":
            continue
        before = results.figures[key._replace(contender="before")]
        cells = (
            format_size(key.size),
            *(seconds(figure.median) for figure in (before, after)),
            ratio(paired_ratio(before, after)),
        )
        rows.append(Row(key.work, None, cells))
    note = results.notes.get(scenario, "")
    if rows or note:
        headings = ("size", "before", "after", "ratio")
        title = "others, before and after fastws.accelerate(): time per message; of servers, CPU"
        yield Table(
            title, tuple(Column("", h) for h in headings), tuple(rows), (), (note,) if note else ()
        )
