"""What was measured: figures with all their rounds, to be compared, shown, written and read."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .contenders import Kind

__all__ = [
    "NOISY_SPREAD",
    "QUANTITIES",
    "SCHEMA",
    "Figure",
    "Key",
    "Problem",
    "Quantity",
    "Results",
    "best_of",
]

# The version of what as_json() returns.
SCHEMA = 2

# Rounds further apart than this mean that something else was running.
NOISY_SPREAD = 0.15


class Quantity(NamedTuple):
    """What a figure is about."""

    unit: str
    less_is_better: bool
    meaning: str


QUANTITIES = {
    "time": Quantity("s", True, "seconds for one unit of work"),
    "rate": Quantity("1/s", False, "messages, or connections, per second, of all connections"),
    "cpu": Quantity("s", True, "CPU seconds of the process under test per message or connection"),
    "memory": Quantity("B", True, "bytes of memory per connection"),
    "p50": Quantity("s", True, "half of the replies were there within this time"),
    "p99": Quantity("s", True, "99 % of the replies were there within this time"),
    "p99.9": Quantity("s", True, "99.9 % of the replies were there within this time"),
}


class Key(NamedTuple):
    """Which figure: two runs have the same one under the same key.

    ``size`` is of payloads in bytes and ``connections`` their number, 0 where neither says
    anything.
    """

    scenario: str
    work: str
    size: int
    connections: int
    contender: str
    quantity: str


@dataclass
class Figure:
    """One figure: the value of each round."""

    key: Key
    kind: Kind
    rounds: list[float] = field(default_factory=list)
    compiled: bool = True
    # The load generator had no time left, and the server had.
    load_limited: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def best(self) -> float:
        """The round that other programs disturbed least."""
        return min(self.rounds) if self.less_is_better else max(self.rounds)

    @property
    def less_is_better(self) -> bool:
        return QUANTITIES[self.key.quantity].less_is_better

    @property
    def spread(self) -> float:
        """How far the median is from the best, as a fraction of the best."""
        return abs(self.median / self.best - 1) if self.best else 0.0

    @property
    def noisy(self) -> bool:
        return self.spread > NOISY_SPREAD

    def times_as_good_as(self, other: Figure) -> float:
        """Return how many times as good it is; 2.0 is half the time, or twice the rate."""
        mine, others = self.median, other.median
        if self.less_is_better:
            mine, others = others, mine
        return mine / others if others else float("inf")

    def as_json(self) -> dict[str, Any]:
        """Return one flat record."""
        return {
            **self.key._asdict(),
            "kind": self.kind.value,
            "compiled": self.compiled,
            "unit": QUANTITIES[self.key.quantity].unit,
            "better": "less" if self.less_is_better else "more",
            "median": self.median,
            "best": self.best,
            "spread": round(self.spread, 4),
            "noisy": self.noisy,
            "load_limited": self.load_limited,
            "rounds": self.rounds,
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Figure:
        """Return what ``as_json`` was called on; raises KeyError or ValueError."""
        key = Key(*(record[name] for name in Key._fields))
        if key.quantity not in QUANTITIES or not record["rounds"]:
            raise ValueError(f"no figure: {key}")
        rounds = [float(value) for value in record["rounds"]]
        compiled, limited = bool(record["compiled"]), bool(record["load_limited"])
        return cls(key, Kind(record["kind"]), rounds, compiled, limited)


class Problem(NamedTuple):
    """Who could not do what, and why."""

    scenario: str
    contender: str
    kind: Kind
    text: str


@dataclass
class Results:
    """All of one run; it may be partly filled."""

    figures: dict[Key, Figure] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    machine: dict[str, str] = field(default_factory=dict)
    peers: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)  # by scenario: what limits its figures

    def add(
        self,
        key: Key,
        kind: Kind,
        value: float,
        *,
        compiled: bool = True,
        load_limited: bool = False,
    ) -> None:
        """Add the value of one round."""
        figure = self.figures.setdefault(key, Figure(key, kind, compiled=compiled))
        figure.rounds.append(value)
        figure.load_limited |= load_limited

    def of(self, scenario: str) -> Iterator[Figure]:
        """Yield the figures of a scenario, in the order in which they were taken."""
        for key, figure in self.figures.items():
            if key.scenario == scenario:
                yield figure

    def column(
        self, scenario: str, work: str, size: int, connections: int, quantity: str
    ) -> list[Figure]:
        """Return the figures that differ in the contender only."""
        where = (scenario, work, size, connections)
        return [
            figure
            for key, figure in self.figures.items()
            if key[:4] == where and key.quantity == quantity
        ]

    @property
    def own_failed(self) -> bool:
        """Whether fastws itself failed or gave a wrong result: then no figure of it counts."""
        return any(problem.kind is Kind.OWN for problem in self.problems)

    def as_json(self) -> dict[str, Any]:
        """Return everything, for other programs."""
        return {
            "machine": self.machine,
            "peers": self.peers,
            "absent": self.absent,
            "notes": self.notes,
            "problems": [{**p._asdict(), "kind": p.kind.value} for p in self.problems],
            "figures": [figure.as_json() for figure in self.figures.values()],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Results:
        """Return what ``as_json`` was called on; raises KeyError, TypeError or ValueError."""
        figures = [Figure.from_json(record) for record in document["figures"]]
        return cls(
            {figure.key: figure for figure in figures},
            [
                Problem(p["scenario"], p["contender"], Kind(p["kind"]), p["text"])
                for p in document["problems"]
            ],
            dict(document["machine"]),
            dict(document["peers"]),
            dict(document["absent"]),
            dict(document["notes"]),
        )


def best_of(figures: Iterable[Figure], accept: Callable[[Figure], bool]) -> Figure | None:
    """Return the best of the accepted figures, which are of one quantity."""
    accepted = [figure for figure in figures if accept(figure)]
    if not accepted:
        return None
    choose = min if accepted[0].less_is_better else max
    return choose(accepted, key=lambda figure: figure.median)
