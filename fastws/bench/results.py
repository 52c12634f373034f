"""What was measured, and how the contenders compare in it; no text for people, no timing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .contenders import Contender, Kind
from .measure import Effort, Timing, time_calls
from .workloads import Workload, WrongResult

__all__ = [
    "COMPARISONS",
    "Comparison",
    "Kernels",
    "is_limit",
    "is_own",
    "is_own_pure",
    "is_peer",
    "is_pure_peer",
    "measure_kernels",
]


@dataclass
class Kernels:
    """The timings of one workload, by size and contender; it may be partly filled."""

    workload: Workload
    contenders: list[Contender] = field(default_factory=list)
    columns: dict[int, dict[str, Timing]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    own_failed: bool = False

    def best(self, size: int, accept: Callable[[Contender], bool]) -> tuple[str, Timing] | None:
        """Return the fastest of the accepted contenders at ``size``."""
        column = self.columns.get(size, {})
        names = [c.name for c in self.contenders if c.name in column and accept(c)]
        if not names:
            return None
        name = min(names, key=lambda name: column[name].best)
        return name, column[name]

    def compare(
        self, accept: Callable[[Contender], bool], against: Callable[[Contender], bool]
    ) -> dict[int, float]:
        """Return, by size, how many times as fast the first are as the best of the second."""
        ratios = {}
        for size in self.columns:
            ours, others = self.best(size, accept), self.best(size, against)
            if ours and others:
                ratios[size] = others[1].best / ours[1].best
        return ratios

    def as_json(self) -> list[dict[str, Any]]:
        """Return one flat record per contender and size; times in seconds per unit of work."""
        return [
            {
                "scenario": self.workload.scenario,
                "workload": self.workload.name,
                "size": size,
                "contender": name,
                "best": timing.best,
                "median": timing.median,
                "rounds": list(timing.rounds),
                "noisy": timing.noisy,
            }
            for size, column in self.columns.items()
            for name, timing in column.items()
        ]


@dataclass(frozen=True)
class Comparison:
    """Which of ours stands against which of the others, and what to call that."""

    label: str
    ours: Callable[[Contender], bool]
    others: Callable[[Contender], bool]


def is_own(contender: Contender) -> bool:
    """Whether it is fastws as installed, at its best."""
    return contender.kind is Kind.OWN


def is_own_pure(contender: Contender) -> bool:
    return contender.kind is Kind.OWN and not contender.compiled


def is_peer(contender: Contender) -> bool:
    return contender.kind is Kind.PEER


def is_pure_peer(contender: Contender) -> bool:
    return contender.kind is Kind.PEER and not contender.compiled


def is_limit(contender: Contender) -> bool:
    return contender.kind is Kind.LIMIT


COMPARISONS = (
    Comparison("fastws : best peer", is_own, is_peer),
    Comparison("fastws : limit", is_own, is_limit),
    Comparison("pure : best pure peer", is_own_pure, is_pure_peer),
)


def measure_kernels(
    kernels: Kernels,
    contenders: list[Contender],
    sizes: tuple[int, ...],
    effort: Effort,
    progress: Callable[[str], None],
) -> None:
    """Fill ``kernels`` size by size, so that what is done stays if this is interrupted."""
    out: set[str] = set()
    for size in sizes:
        progress(f"{kernels.workload.title}: {size:,} B")
        calls = {}
        for contender in contenders:
            if contender.name in out:
                continue
            try:
                call = kernels.workload.prepare(contender, size)
            except Exception as error:  # somebody else's code may fail in any way
                known = isinstance(error, WrongResult)
                problem = str(error) if known else f"{contender.name}: {error!r}"
                kernels.problems.append(f"{problem}, at {size:,} B; left out from there on")
                kernels.own_failed |= contender.kind is Kind.OWN
                out.add(contender.name)
                continue
            if call is not None:
                calls[contender.name] = call
                if contender not in kernels.contenders:
                    kernels.contenders.append(contender)
        kernels.columns[size] = time_calls(calls, effort)
