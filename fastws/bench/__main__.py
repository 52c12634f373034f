"""The command line: ``python -m fastws.bench``."""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..command_line import INTERRUPTED, OneLineParser, drop_output
from . import tables
from .accelerate import Acceleration, measure_acceleration, table
from .contenders import MODULES, load_all, version
from .echo import Echo, measure_echo
from .glance import glance
from .machine import facts
from .measure import FULL, QUICK, TINY, Effort
from .results import Kernels, measure_kernels
from .sizes import KIB, parse_size
from .workloads import WORKLOADS

__all__ = ["main"]

# Not part of a run unless it is asked for: it is about others.
ASKED_FOR = ("accelerate",)
SCENARIOS = (*dict.fromkeys(workload.scenario for workload in WORKLOADS.values()), "echo")
ECHO_SIZES = (64,)
ECHO_SIZES_FULL = (64, 4 * KIB, 64 * KIB)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({parse_size(part) for part in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _scenarios(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in (*SCENARIOS, *ASKED_FOR):
            raise argparse.ArgumentTypeError(
                f"no scenario {name!r}: choose from {', '.join((*SCENARIOS, *ASKED_FOR))}"
            )
    return names


def _output(text: str) -> Path:
    path = Path(text)
    try:
        # Better now than after the run.
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write {text}: {error.strerror}") from None
    return path


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        prog="python -m fastws.bench",
        description="Compare fastws with the WebSocket packages installed here.",
        epilog="Peers come with: pip install 'fastws-core[bench]'",
    )
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument(
        "--quick",
        action="store_const",
        dest="effort",
        const="quick",
        help="about half a minute (default)",
    )
    effort.add_argument(
        "--full",
        action="store_const",
        dest="effort",
        const="full",
        help="more sizes, longer rounds: several minutes",
    )
    # For the tests: everything runs, no figure means anything.
    effort.add_argument(
        "--tiny", action="store_const", dest="effort", const="tiny", help=argparse.SUPPRESS
    )
    parser.add_argument(
        "--only",
        type=_scenarios,
        default=SCENARIOS,
        metavar="NAME[,NAME]",
        help=f"run only these scenarios: {', '.join(SCENARIOS)}; or {', '.join(ASKED_FOR)}",
    )
    parser.add_argument(
        "--sizes", type=_sizes, metavar="SIZE[,SIZE]", help="payload sizes, as in 125,4KiB,1MiB"
    )
    parser.add_argument(
        "--json", type=_output, metavar="FILE", help="also write every figure and the machine"
    )
    parser.set_defaults(effort="quick")
    return parser.parse_args(arguments)


class Run:
    """One run of the command: what it found and measured so far."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._effort: Effort = {"quick": QUICK, "full": FULL, "tiny": TINY}[options.effort]
        self._full = options.effort == "full"
        self._only: tuple[str, ...] = options.only
        self._sizes: tuple[int, ...] | None = options.sizes
        self._facts = facts()
        self._contenders, self._absent = load_all()
        self._kernels: dict[str, Kernels] = {}
        self._echoes: list[Echo] = []
        self._acceleration = Acceleration()

    def measure(self) -> None:
        """Measure everything; print each table when it is there."""
        print(tables.heading(self._facts, self._peers(), self._absent))
        print(f"\n{tables.LEGEND}\n", flush=True)
        for workload in WORKLOADS.values():
            if workload.scenario in self._only:
                sizes = workload.full_sizes if self._full else workload.sizes
                if self._sizes and workload.sizable:
                    sizes = self._sizes
                kernels = self._kernels[workload.name] = Kernels(workload)
                everyone = [c for of_module in self._contenders.values() for c in of_module]
                try:
                    measure_kernels(kernels, everyone, sizes, self._effort, _progress)
                finally:
                    _print(tables.kernels_table(kernels))
        if "echo" in self._only:
            for size in self._sizes or (ECHO_SIZES_FULL if self._full else ECHO_SIZES):
                echo = Echo(size)
                self._echoes.append(echo)
                try:
                    measure_echo(echo, self._contenders, self._effort, _progress)
                finally:
                    _print(tables.echo_table(echo))
        if "accelerate" in self._only:
            try:
                measure_acceleration(self._acceleration, self._sizes, self._effort, _progress)
            finally:
                _print(table(self._acceleration))
        lines = list(glance(self._kernels, self._echoes))
        if lines:
            _print(tables.glance_table(lines))

    def _peers(self) -> dict[str, str]:
        peers = {}
        for module, of_module in self._contenders.items():
            distribution = MODULES[module]
            if distribution is not None:
                configuration = ", ".join(c.configuration for c in of_module)
                peers[module] = f"{version(distribution)}, {configuration}"
        return peers

    @property
    def own_failed(self) -> bool:
        """Whether fastws itself failed or gave a wrong result: then no figure of it counts."""
        kernels_failed = any(kernels.own_failed for kernels in self._kernels.values())
        return kernels_failed or any(echo.own_failed for echo in self._echoes)

    def as_json(self, *, complete: bool) -> dict[str, Any]:
        """Return everything, for other programs; times are in seconds."""
        results = [record for kernels in self._kernels.values() for record in kernels.as_json()]
        results += [record for echo in self._echoes for record in echo.as_json()]
        results += self._acceleration.as_json()
        return {
            "schema": 1,
            "complete": complete,
            "machine": self._facts,
            "peers": self._peers(),
            "absent": dict(self._absent),
            "results": results,
        }


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _print(table: str) -> None:
    _progress("")
    print(table, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    options = _arguments(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # µ is not in every encoding
    run = Run(options)
    start = time.perf_counter()
    complete = False
    try:
        run.measure()
        complete = True
    except KeyboardInterrupt:
        _print("interrupted: the tables above are what was done so far")
    except BrokenPipeError:
        drop_output()
    if options.json is not None:
        text = json.dumps(run.as_json(complete=complete), indent=1)
        try:
            options.json.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            print(f"cannot write {options.json}: {error.strerror}", file=sys.stderr)
            return 1
    if not complete:
        return INTERRUPTED
    print(f"took {time.perf_counter() - start:.0f} s")
    return 1 if run.own_failed else 0


if __name__ == "__main__":
    sys.exit(main())
