"""Tables as plain text, at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple

from .figures import Results
from .table import Column, Table

__all__ = ["LEGEND", "WIDTH", "Line", "heading", "lines_of", "text_table"]

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


class Line(NamedTuple):
    """A line of a table, and what it is: a title, headings, a kind of contender, a note, ..."""

    text: str
    role: str


def text_table(table: Table, width: int = WIDTH) -> str:
    """Return the table; columns that do not fit beside each other go below."""
    return "\n".join(line.text for line in lines_of(table, width)) + "\n"


def lines_of(table: Table, width: int = WIDTH) -> Iterator[Line]:
    """Yield the lines of a table."""
    yield Line(table.title, "title")
    if table.rows:
        first = max(map(len, (row.name for row in (*table.rows, *table.comparisons))))
        widths = _widths(table)
        for columns in _parts(table.columns, widths, width - first):
            yield from _part(table, columns, first, widths)
    for role, texts, before, after in (
        ("note", table.notes, "(", ")"),
        ("problem", table.problems, "! ", ""),
    ):
        for text in texts:
            indent = " " * len(before)
            for line in wrap(f"{before}{text}{after}", width, subsequent_indent=indent):
                yield Line(line, role)


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


def _part(table: Table, shown: Sequence[int], first: int, widths: Sequence[int]) -> Iterator[Line]:
    groups = list(_groups(table.columns, shown))
    if any(table.columns[start].group for start, _ in groups):
        cells = (f"{table.columns[s].group:>{sum(widths[s:e])}}" for s, e in groups)
        yield Line(" " * first + "".join(cells), "heading")
    headings = [column.heading for column in table.columns]
    yield Line(_line("", headings, shown, first, widths), "heading")
    for row in table.rows:
        role = row.kind.value if row.kind else "row"
        yield Line(_line(row.name, row.cells, shown, first, widths), role)
    comparisons = [_line(row.name, row.cells, shown, first, widths) for row in table.comparisons]
    if comparisons:
        yield Line("-" * len(comparisons[0]), "rule")
    for line in comparisons:
        yield Line(line, "ratio")


def _line(
    name: str, cells: Sequence[str], shown: Sequence[int], first: int, widths: Sequence[int]
) -> str:
    return f"{name:<{first}}" + "".join(f"{cells[i]:>{widths[i]}}" for i in shown)
