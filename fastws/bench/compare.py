"""Two runs against each other: which figures of fastws got better, and which worse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .contenders import Kind
from .figures import Figure, Results
from .sizes import format_size
from .table import Column, Row, Table, number, ratio, seconds

__all__ = ["Change", "changes", "changes_table", "worst"]


class Change(NamedTuple):
    """One figure in both runs."""

    old: Figure
    new: Figure

    @property
    def gain(self) -> float:
        """How many times as good as before; 0.5 takes twice the time."""
        return self.new.times_as_good_as(self.old)

    @property
    def loss(self) -> float:
        """By which fraction it is worse: 0.1 takes a tenth more, or does a tenth less."""
        if self.new.less_is_better:
            return self.new.median / self.old.median - 1 if self.old.median else 0.0
        return 1 - self.new.median / self.old.median if self.old.median else 0.0


def changes(old: Results, new: Results) -> Iterator[Change]:
    """Yield the figures of fastws that both runs have."""
    for key, figure in new.figures.items():
        before = old.figures.get(key)
        if before is not None and figure.kind is Kind.OWN:
            yield Change(before, figure)


def worst(found: list[Change], limit: float) -> list[Change]:
    """Return those that are worse by more than ``limit``, the worst first."""
    return sorted((c for c in found if c.loss > limit), key=lambda c: -c.loss)


def _form(figure: Figure) -> str:
    if figure.key.quantity == "rate":
        return f"{number(figure.median)}/s"
    if figure.key.quantity == "memory":
        return f"{number(figure.median / 1000)} kB"
    return seconds(figure.median)


def _name(change: Change) -> str:
    key = change.new.key
    size = f" {format_size(key.size)}" if key.size else ""
    many = f" x{key.connections}" if key.connections else ""
    work = key.work if key.work.startswith(key.scenario) else f"{key.scenario} {key.work}"
    return f"{work}{size}{many}, {key.contender}, {key.quantity}"


def changes_table(found: list[Change], other: str) -> Table:
    """Return a row for each, with how many times as good it is now."""
    rows = []
    for change in found:
        noisy = "~" if change.old.noisy or change.new.noisy else ""
        cells = (_form(change.old), _form(change.new), ratio(change.gain) + noisy)
        rows.append(Row(_name(change), None, cells))
    headings = ("then", "now", "gain")
    note = "above 1.00x is better than then; ~ one of the two is noisy"
    return Table(
        f"fastws, compared with {other}",
        tuple(Column("", heading) for heading in headings),
        tuple(rows),
        notes=(note,),
    )
