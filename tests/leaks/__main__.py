"""Do everything over and over and look what stays: ``python -m leaks [--scale S] [--only NAME]``.

Run it in ``tests``, with a Python that has fastws. Exit code 1 if memory, objects or files grew.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from soak.memory import allocated_blocks, open_files, release, resident_bytes

import fastws

from . import connections, kernels

SCENARIOS = {**kernels.SCENARIOS, **connections.SCENARIOS}
PARTS = 5
# The allocator's own: a leak of one object in a hundred rounds is far over these at any scale.
MAX_BYTES = 768 * 1024
MAX_BLOCKS = 800


class Held(NamedTuple):
    """What the process holds at one time."""

    bytes_: int
    blocks: int
    files: int

    @classmethod
    def now(cls) -> Held:
        release()
        gc.collect()
        return cls(resident_bytes(), allocated_blocks(), open_files())


def grown(history: list[Held]) -> list[str]:
    """Return what grew from part to part, in words; what grows once is a cache."""
    found = []
    first, last = history[0], history[-1]
    steps = list(itertools.pairwise(history))
    if last.bytes_ - first.bytes_ > MAX_BYTES and sum(b.bytes_ > a.bytes_ for a, b in steps) > 2:
        found.append(f"{(last.bytes_ - first.bytes_) // 1024} KiB of memory")
    if last.blocks - first.blocks > MAX_BLOCKS and sum(b.blocks > a.blocks for a, b in steps) > 2:
        found.append(f"{last.blocks - first.blocks} blocks of objects")
    if last.files > first.files:
        found.append(f"{last.files - first.files} file descriptors")
    return found


def look(name: str, do: Callable[[int], None], rounds: int) -> list[str]:
    """Do something so often, in parts after two that fill the caches; return what grew."""
    started = time.process_time()
    part = max(rounds // PARTS, 100)
    do(2 * part)
    history = [Held.now()]
    for _ in range(PARTS):
        do(part)
        history.append(Held.now())
    first, last = history[0], history[-1]
    print(
        f"{name:22}{PARTS * part:>10} rounds {(last.bytes_ - first.bytes_) // 1024:>7} KiB "
        f"{last.blocks - first.blocks:>6} blocks {last.files - first.files:>3} files "
        f"{time.process_time() - started:>7.1f} s CPU",
        flush=True,
    )
    return grown(history)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="times the full length (1)")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="may be repeated")
    options = parser.parse_args()
    print(f"fastws {fastws.__version__}, {fastws.backend}, Python {sys.version.split()[0]}")
    failed = False
    for name in options.only or SCENARIOS:
        do, rounds = SCENARIOS[name]
        for what in look(name, do, int(rounds * options.scale)):
            print(f"{name}: {what} stayed", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
