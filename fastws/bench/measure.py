"""How time is taken: contenders by turns, the garbage collector off, doubtful figures marked."""

from __future__ import annotations

import random
import statistics
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .contenders import Call
from .sizes import KIB

__all__ = ["FULL", "QUICK", "TINY", "Effort", "Timing", "time_calls"]

# A median further than this above the best round means that something else was running.
NOISY_SPREAD = 0.15

LARGEST_BLOCK = 128 * KIB
CHANCE = random.Random(0)  # the same in every run


@dataclass(frozen=True)
class Effort:
    """How much time to spend."""

    rounds: int
    round_seconds: float
    echo_rounds: int
    echo_seconds: float


QUICK = Effort(rounds=7, round_seconds=0.006, echo_rounds=5, echo_seconds=0.1)
FULL = Effort(rounds=15, round_seconds=0.02, echo_rounds=7, echo_seconds=1.0)
TINY = Effort(rounds=1, round_seconds=0.0001, echo_rounds=1, echo_seconds=0.01)


@dataclass(frozen=True)
class Timing:
    """The seconds that one unit of work took, in each round."""

    rounds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The round that other programs disturbed least."""
        return min(self.rounds)

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """How far the median is above the best, as a fraction of it."""
        return self.median / self.best - 1 if self.best else 0.0

    @property
    def noisy(self) -> bool:
        return self.spread > NOISY_SPREAD


def time_calls(calls: Mapping[str, Call], effort: Effort) -> dict[str, Timing]:
    """Return the time per unit of each call's work."""
    takers = {name: _taker(call, effort.round_seconds) for name, call in calls.items()}
    taken: dict[str, list[float]] = {name: [] for name in takers}
    _by_turns(takers, taken, effort.rounds)
    if any(Timing(tuple(rounds)).noisy for rounds in taken.values()):
        # Once more: what disturbed may have ended.
        _by_turns(takers, taken, effort.rounds)
    return {name: Timing(tuple(rounds)) for name, rounds in taken.items()}


def _by_turns(
    takers: Mapping[str, Callable[[], float]], taken: dict[str, list[float]], rounds: int
) -> None:
    """Let each take one time per round, so that a slow moment of the machine hits all alike."""
    for _ in range(rounds):
        for name, take in takers.items():
            # Where the allocator puts a new object decides how it and its source share the cache:
            # hold some blocks, so that no contender has the same luck in every round.
            blocks = [bytes(CHANCE.randrange(LARGEST_BLOCK)) for _ in range(CHANCE.randrange(16))]
            taken[name].append(take())
            del blocks


def _taker(call: Call, seconds: float) -> Callable[[], float]:
    # timeit compiles the code into its own loop, so no call of ours is timed with it, and turns
    # the garbage collector off.
    timer = timeit.Timer(f"{call.before}\n{call.expression}", globals=call.names)
    number = 1
    # Also warms the caches and the interpreter's specialized code.
    while (took := timer.timeit(number)) < seconds / 4:
        number = min(number * 10, max(2 * number, int(number * seconds / 4 / max(took, 1e-9))))
    number = max(1, round(number * seconds / took))
    return lambda: timer.timeit(number) / (number * call.count)
