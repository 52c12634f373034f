"""How time is taken: contenders by turns, the garbage collector off."""

from __future__ import annotations

import random
import time
import timeit
from collections.abc import Callable, Mapping
from statistics import median

from .contenders import Call
from .effort import Effort
from .figures import NOISY_SPREAD
from .sizes import KIB

__all__ = ["CLOCK", "time_calls"]

# What others do on this core meanwhile is not counted, where that is known exactly enough.
EXACT = time.get_clock_info("thread_time").resolution < 1e-6
CLOCK = time.thread_time if EXACT else time.perf_counter

LARGEST_BLOCK = 128 * KIB
CHANCE = random.Random(0)  # the same in every run


def time_calls(calls: Mapping[str, Call], effort: Effort) -> dict[str, list[float]]:
    """Return the seconds per unit of each call's work, in each round."""
    takers = {name: _taker(call, effort.round_seconds) for name, call in calls.items()}
    taken: dict[str, list[float]] = {name: [] for name in takers}
    _by_turns(takers, taken, effort.rounds)
    if any(median(rounds) > (1 + NOISY_SPREAD) * min(rounds) for rounds in taken.values()):
        # Once more: what disturbed may have ended.
        _by_turns(takers, taken, effort.rounds)
    return taken


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
    code = f"{call.before}\n{call.expression}"
    timer = timeit.Timer(code, timer=CLOCK, globals=call.names)
    number = 1
    # Also warms the caches and the interpreter's specialized code.
    while (took := timer.timeit(number)) < seconds / 4:
        number = min(number * 10, max(2 * number, int(number * seconds / 4 / max(took, 1e-9))))
    number = max(1, round(number * seconds / took))
    return lambda: timer.timeit(number) / (number * call.count)
