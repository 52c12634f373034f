"""How much time to spend: rounds, their length, and at how many places to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from .jobs import Client, Server

__all__ = ["FULL", "QUICK", "TINY", "Effort"]

Choice = TypeVar("Choice", Server, Client)


@dataclass(frozen=True)
class Effort:
    """Rounds of kernels and of servers, and the seconds that each takes.

    ``idle`` is how many connections it takes to see what one costs.
    """

    name: str
    rounds: int
    round_seconds: float
    server_rounds: int
    server_seconds: float
    idle: int

    @property
    def full(self) -> bool:
        """Whether to take every size and every event loop."""
        return self.name == "full"

    def chosen(self, found: Sequence[Choice]) -> Sequence[Choice]:
        """Return which servers or clients of a contender take part."""
        if self.full:
            return found
        quick = [one for one in found if one.quick]
        return quick[-1:] if self.name == "tiny" else quick


QUICK = Effort("quick", 5, 0.003, 3, 0.04, 200)
FULL = Effort("full", 9, 0.01, 5, 0.15, 1000)
# For the tests: everything runs, no figure means anything.
TINY = Effort("tiny", 1, 0.0001, 1, 0.002, 5)
