"""How much more two threads get done than one: ``python scaling.py [WANTED]``.

Exit code 1 if some work does not reach the ratio, 1.3 unless told; without free threads it cannot.
Small work needs a Python without the lock of the interpreter; large work gives it up.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import fastws
from fastws import MessageReader, Role
from fastws._kernels import serialize_message

KEY = b"\x37\xfa\x21\x3d"
SECONDS = 0.25
TRIES = 5
TRIES_AT_MOST = 60
BIG = bytes(range(256)) * 4096
SMALL = BIG[:4096]
TEXT = ("é" * 60).encode() * 40


def masking_small(until: float) -> int:
    return repeat(lambda: fastws.apply_mask(SMALL, KEY), until)


def masking_large(until: float) -> int:
    return repeat(lambda: fastws.apply_mask(BIG, KEY), until)


def validating(until: float) -> int:
    return repeat(lambda: fastws.is_utf8(TEXT), until)


def receiving(until: float) -> int:
    reader = MessageReader(Role.SERVER)
    wire = serialize_message("x" * 125, True) * 20
    return repeat(lambda: reader.receive(wire), until)


def sending(until: float) -> int:
    return repeat(lambda: serialize_message("x" * 125, True), until)


def repeat(do: Callable[[], object], until: float) -> int:
    """Do it until a time; return how often."""
    done = 0
    while time.perf_counter() < until:
        for _ in range(50):
            do()
        done += 50
    return done


def rate(work: Callable[[float], int], threads: int) -> float:
    """Return how often so many threads together do something in a second."""
    results: list[int] = []
    together = threading.Barrier(threads)

    def run() -> None:
        together.wait()
        results.append(work(time.perf_counter() + SECONDS))

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(results) / SECONDS


def main(wanted: float = 1.3) -> int:
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    version, kind = sys.version.split()[0], "with" if locked else "without"
    print(f"Python {version}, {kind} a lock of the interpreter, {fastws.backend}")
    slow = []
    for work in (masking_small, masking_large, validating, receiving, sending):
        # The machine may be busy with other things: its best moments are compared, taken in turns,
        # and where two processors were not to be had yet, there is another turn.
        one = two = 0.0
        for turn in range(TRIES_AT_MOST):
            one, two = max(one, rate(work, 1)), max(two, rate(work, 2))
            if turn + 1 >= TRIES and two / one >= wanted:
                break
        print(
            f"{work.__name__:15}{one:>12,.0f} /s in one thread{two:>12,.0f} in two"
            f"{two / one:>6.2f}x"
        )
        if two / one < wanted:
            slow.append(work.__name__)
    if slow:
        print(f"below {wanted}x: {', '.join(slow)}", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
