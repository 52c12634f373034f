"""Results as plain text, at most 100 columns wide."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap

from .contenders import Absent, Kind
from .echo import Echo, modes
from .glance import Line
from .results import COMPARISONS, Kernels
from .sizes import format_size

__all__ = ["LEGEND", "echo_table", "glance_table", "heading", "kernels_table", "number"]

WIDTH = 100
NAME_WIDTH = 24
COLUMN_WIDTH = 9
COLUMNS = (WIDTH - NAME_WIDTH) // COLUMN_WIDTH
ECHO_WIDTHS = (10, 8, 6)
NOISY = "~"
INDENT = " " * 14

ECHO_NOTE = "busy: the server's share of its core; far below 100 %, something else is the limit"

LEGEND = """\
Every result is checked before it is timed; then contenders take turns, and the best round counts.
"fastws : best peer 2.0x" reads: fastws is 2.0 times as fast, it takes half the time.
~ is a noisy figure: the median round was over 15 % slower than the best one."""


def heading(facts: Mapping[str, str], peers: Mapping[str, str], absent: Iterable[Absent]) -> str:
    """Return where the figures come from: machine, versions, configurations, who is missing."""
    lines = [f"{name:<14}{text}" for name, text in facts.items()]
    lines += [f"{'peer':<14}{name} {text}" for name, text in peers.items()]
    lines += [f"{'missing':<14}{module}" for module in absent]
    return "\n".join(line for text in lines for line in wrap(text, WIDTH, subsequent_indent=INDENT))


def kernels_table(kernels: Kernels) -> str:
    """Return one workload: a row per contender, a column per size, then the ratios."""
    # Sizes that do not fit beside each other go below.
    sizes = list(kernels.columns)
    lines = [kernels.workload.title]
    for i in range(0, len(sizes), COLUMNS):
        lines += _kernels_rows(kernels, sizes[i : i + COLUMNS])
    if kernels.workload.note and sizes:
        lines.append(f"({kernels.workload.note})")
    return "\n".join([*lines, *_problems(kernels.problems)]) + "\n"


def _kernels_rows(kernels: Kernels, sizes: Sequence[int]) -> list[str]:
    units = {size: _unit(kernels, size) for size in sizes}

    def cell(name: str, size: int) -> str:
        timing = kernels.columns[size].get(name)
        if timing is None:
            return "- "
        factor = units[size][1]
        value = timing.best * factor if factor else size / timing.best / 1e9
        return number(value) + (NOISY if timing.noisy else " ")

    rows = [
        _row("", [f"{format_size(size)} " for size in sizes]),
        _row("", [f"{units[size][0]} " for size in sizes]),
    ]
    for contender in sorted(kernels.contenders, key=lambda c: list(Kind).index(c.kind)):
        rows.append(_row(contender.name, [cell(contender.name, size) for size in sizes]))
    rows.append("-" * len(rows[0]))
    for comparison in COMPARISONS:
        ratios = kernels.compare(comparison.ours, comparison.others)
        if ratios:
            rows.append(_row(comparison.label, [_ratio(ratios.get(size)) for size in sizes]))
    remark = kernels.workload.remark
    if remark is not None:
        rows.append(_row(remark.label, [f"{remark.of_size(size)} " for size in sizes]))
    return rows


def _unit(kernels: Kernels, size: int) -> tuple[str, float]:
    """Return the unit of a column and how many of it are in a second; 0 for a rate."""
    if kernels.workload.rate_from is not None and size >= kernels.workload.rate_from:
        return "GB/s", 0.0
    fastest = min((timing.best for timing in kernels.columns[size].values()), default=0.0)
    if fastest < 10e-6:
        return "ns", 1e9
    return ("µs", 1e6) if fastest < 10e-3 else ("ms", 1e3)


def echo_table(echo: Echo) -> str:
    """Return the echo servers: messages per second, and what each message costs them in CPU."""
    shown = [mode for mode in modes(echo.size) if any(mode in r for r in echo.rounds.values())]
    cores = "a core each" if echo.pinned else "not pinned to cores"
    rows = [
        f"echo, {format_size(echo.size)} messages; server and client: {cores}",
        _row("", [f"{mode.title} " for mode in shown], sum(ECHO_WIDTHS)),
        _echo_row("", ["msg/s ", "CPU µs ", "busy "] * len(shown)),
    ]
    order = list(Kind)
    for server in sorted(echo.kinds, key=lambda name: order.index(echo.kinds[name])):
        cells = []
        for mode in shown:
            rate, cpu = echo.rate(server, mode), echo.cpu(server, mode)
            if rate is None or cpu is None:
                cells += ["- "] * 3
                continue
            mark = NOISY if echo.noisy(server, mode) else " "
            cells += [f"{number(rate)}{mark}", f"{number(cpu * 1e6)} ", f"{rate * cpu:.0%} "]
        rows.append(_echo_row(server, cells))
    rows.append("-" * len(rows[2]))
    ratios = [(*echo.compare(mode), None) for mode in shown]
    if any(rate is not None for rate, _, _ in ratios):
        cells = [_ratio(ratio) for three in ratios for ratio in three]
        rows.append(_echo_row("fastws : best peer", cells))
    rows.append(f"({ECHO_NOTE})")
    problems = [f"{server}: {problem}" for server, problem in echo.problems.items()]
    return "\n".join([*rows, *_problems(problems)]) + "\n"


def glance_table(lines: Iterable[Line]) -> str:
    """Return the answers to what people ask first."""
    rows = [f"{'at a glance':<40}{'fastws':>12}  {'against':<29}{'speed':>10}"]
    for line in lines:
        rows.append(
            f"{line.work:<40}{_time(line.ours):>12}"
            f"  {line.other_name:<20}{_time(line.other):>10}{_ratio(line.ratio):>9}"
        )
    return "\n".join(rows) + "\n"


def number(value: float) -> str:
    """Return ``value`` with three digits or more."""
    if value < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _time(seconds: float) -> str:
    for unit, factor in (("ns", 1e9), ("µs", 1e6)):
        if seconds * factor < 1000:
            return f"{number(seconds * factor)} {unit}"
    return f"{number(seconds * 1e3)} ms"


def _ratio(ratio: float | None) -> str:
    return "  " if ratio is None else f"{number(ratio)}x"


def _row(name: str, cells: Iterable[str], width: int = COLUMN_WIDTH) -> str:
    return f"{name:<{NAME_WIDTH}}" + "".join(f"{cell:>{width}}" for cell in cells)


def _echo_row(name: str, cells: Iterable[str]) -> str:
    widths = itertools.cycle(ECHO_WIDTHS)
    return f"{name:<{NAME_WIDTH}}" + "".join(f"{cell:>{next(widths)}}" for cell in cells)


def _problems(problems: Iterable[str]) -> list[str]:
    return [line for text in problems for line in wrap(f"! {text}", WIDTH, subsequent_indent="  ")]
