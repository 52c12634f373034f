"""Tables as plain text, at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from .figures import Results
from .table import Column, Row, Table

__all__ = ["LEGEND", "heading", "text_table"]

WIDTH = 100
GAP = 2
INDENT = " " * 14

LEGEND = """\
Every result is checked before it is timed; then contenders take turns, and medians are shown.
"fastws : best peer 2.0x" reads: fastws is 2.0 times as good, it takes half the time.
~ is a noisy figure: median and best round are over 15 % apart; * the load was the limit."""


def heading(results: Results) -> str:
    """Return where the figures come from: machine, versions, configurations, who is missing."""
    lines = [f"{name:<14}{text}" for name, text in results.machine.items()]
    lines += [f"{'contender':<14}{name}: {text}" for name, text in results.peers.items()]
    lines += [f"{'missing':<14}{name}, {why}" for name, why in results.absent.items()]
    return "\n".join(line for text in lines for line in wrap(text, WIDTH, subsequent_indent=INDENT))


def text_table(table: Table) -> str:
    """Return the table; columns that do not fit beside each other go below."""
    lines = [table.title]
    if table.rows:
        first = max(map(len, (row.name for row in (*table.rows, *table.comparisons))))
        widths = _widths(table)
        for columns in _parts(table.columns, widths, WIDTH - first):
            lines += _part(table, columns, first, widths)
    lines += _wrapped(table.notes, "(", ")")
    lines += _wrapped(table.problems, "! ", "")
    return "\n".join(lines) + "\n"


def _widths(table: Table) -> list[int]:
    rows = (*table.rows, *table.comparisons)
    widths = [
        max(len(column.heading), *(len(row.cells[i]) for row in rows)) + GAP
        for i, column in enumerate(table.columns)
    ]
    for start, end in _groups(table.columns, range(len(widths))):
        # What stands above several of them may be longer than they are together.
        missing = len(table.columns[start].group) + GAP - sum(widths[start:end])
        for i in range(max(0, missing)):
            widths[start + i % (end - start)] += 1
    return widths


def _groups(columns: Sequence[Column], shown: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield where columns under one heading begin and end."""
    start = shown[0]
    for i in shown:
        if columns[i].group != columns[start].group:
            yield start, i
            start = i
    yield start, shown[-1] + 1


def _parts(columns: Sequence[Column], widths: Sequence[int], room: int) -> Iterator[Sequence[int]]:
    """Yield which columns go beside each other: no group is divided."""
    part: list[int] = []
    for start, end in _groups(columns, range(len(columns))):
        if part and sum(widths[part[0] : end]) > room:
            yield part
            part = []
        part += range(start, end)
    yield part


def _part(table: Table, shown: Sequence[int], first: int, widths: Sequence[int]) -> list[str]:
    groups = list(_groups(table.columns, shown))
    lines = []
    if any(table.columns[start].group for start, _ in groups):
        cells = (f"{table.columns[s].group:>{sum(widths[s:e])}}" for s, e in groups)
        lines.append(" " * first + "".join(cells))
    lines.append(_line("", (table.columns[i].heading for i in shown), shown, first, widths))
    lines += _lines(table.rows, shown, first, widths)
    comparisons = _lines(table.comparisons, shown, first, widths)
    if comparisons:
        lines += ["-" * len(lines[-1]), *comparisons]
    return lines


def _lines(
    rows: Iterable[Row], shown: Sequence[int], first: int, widths: Sequence[int]
) -> list[str]:
    return [_line(row.name, (row.cells[i] for i in shown), shown, first, widths) for row in rows]


def _line(
    name: str, cells: Iterable[str], shown: Sequence[int], first: int, widths: Sequence[int]
) -> str:
    aligned = (f"{cell:>{widths[i]}}" for i, cell in zip(shown, cells, strict=True))
    return f"{name:<{first}}" + "".join(aligned)


def _wrapped(texts: Iterable[str], before: str, after: str) -> list[str]:
    indent = " " * len(before)
    return [
        line
        for text in texts
        for line in wrap(f"{before}{text}{after}", WIDTH, subsequent_indent=indent)
    ]
