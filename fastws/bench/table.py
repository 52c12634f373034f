"""Tables before they have a form: text, rich, Markdown and HTML are made from the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from .contenders import Kind
from .figures import Figure, Problem, Results, best_of

__all__ = [
    "Column",
    "Row",
    "Spec",
    "Table",
    "kilobytes",
    "matrix",
    "microseconds",
    "number",
    "problem_lines",
    "ratio",
    "seconds",
]

NOISY = "~"
LIMITED = "*"
ABSENT = "-"


class Column(NamedTuple):
    """A heading, and what stands above it and its neighbours."""

    group: str
    heading: str


class Row(NamedTuple):
    """One contender, or one comparison, whose kind is None."""

    name: str
    kind: Kind | None
    cells: tuple[str, ...]


class Table(NamedTuple):
    """One table; ``notes`` are lines below it, ``problems`` who is not in it and why."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    comparisons: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Spec(NamedTuple):
    """A column to be: its headings, its figures, one for each contender, and their form."""

    group: str
    heading: str
    figures: Sequence[Figure]
    form: Callable[[float], str]
    compared: bool = True


class Comparison(NamedTuple):
    """Which of ours stands against which of the others, and what to call that."""

    label: str
    ours: Callable[[Figure], bool]
    others: Callable[[Figure], bool]


def _is(kind: Kind, *, pure: bool = False) -> Callable[[Figure], bool]:
    return lambda figure: figure.kind is kind and not (pure and figure.compiled)


COMPARISONS = (
    Comparison("fastws : best peer", _is(Kind.OWN), _is(Kind.PEER)),
    Comparison("fastws : limit", _is(Kind.OWN), _is(Kind.LIMIT)),
    Comparison("pure : best pure peer", _is(Kind.OWN, pure=True), _is(Kind.PEER, pure=True)),
)


def matrix(
    results: Results, scenario: str, title: str, specs: Sequence[Spec], notes: Iterable[str] = ()
) -> Table:
    """Return a row for each contender and a column for each spec; ratios compare medians."""
    kinds = {figure.key.contender: figure.kind for spec in specs for figure in spec.figures}
    order = list(Kind)
    rows = [
        Row(name, kind, tuple(_cell(name, spec) for spec in specs))
        for name, kind in sorted(kinds.items(), key=lambda item: order.index(item[1]))
    ]
    if scenario in results.notes:
        notes = (*notes, results.notes[scenario])
    return Table(
        title,
        tuple(Column(spec.group, spec.heading) for spec in specs),
        tuple(rows),
        tuple(_comparisons(specs)),
        tuple(notes),
    )


def _cell(name: str, spec: Spec) -> str:
    for figure in spec.figures:
        if figure.key.contender == name:
            marks = (NOISY if figure.noisy else "") + (LIMITED if figure.load_limited else "")
            return spec.form(figure.median) + marks
    return ABSENT


def _comparisons(specs: Sequence[Spec]) -> Iterable[Row]:
    for comparison in COMPARISONS:
        cells = []
        for spec in specs:
            ours = best_of(spec.figures, comparison.ours)
            others = best_of(spec.figures, comparison.others)
            if spec.compared and ours and others:
                cells.append(ratio(ours.times_as_good_as(others)))
            else:
                cells.append("")
        if any(cells):
            yield Row(comparison.label, None, tuple(cells))


def problem_lines(problems: Iterable[Problem]) -> tuple[str, ...]:
    """Return one line for each problem."""
    return tuple(f"{problem.contender}: {problem.text}" for problem in problems)


def number(value: float) -> str:
    """Return ``value`` with three digits or more."""
    if abs(value) < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def ratio(value: float) -> str:
    return f"{number(value)}x"


def microseconds(value: float) -> str:
    return number(value * 1e6)


def seconds(value: float) -> str:
    """Return a time with the unit that suits it."""
    for unit, factor in (("ns", 1e9), ("µs", 1e6), ("ms", 1e3)):
        if abs(value) * factor < 1000:
            return f"{number(value * factor)} {unit}"
    return f"{number(value)} s"


def kilobytes(value: float) -> str:
    """Return a number of bytes in thousands."""
    return number(value / 1000)
