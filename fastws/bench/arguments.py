"""The options of ``python -m fastws.bench``, and what is wrong with them before anything runs."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..command_line import OneLineParser
from .contenders import PACKAGES
from .effort import FULL, QUICK, TINY
from .files import MAX_CONNECTIONS, allow_files
from .run import Options
from .scenarios import SCENARIOS
from .sizes import parse_size

__all__ = ["options_of", "parse"]

EFFORTS = {"quick": QUICK, "full": FULL, "tiny": TINY}
MAX_ROUNDS = 1000
MAX_SECONDS = 600.0
# What stays a contender whatever --peers says: us, and the limits of the machine.
ALWAYS = ("own", "builtin")
PICTURES = (".svg", ".png")


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({parse_size(part) for part in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _names(known: Sequence[str], what: str) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(name.strip() for name in text.split(","))
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"no {what} {name!r}: choose from {', '.join(known)}"
                )
        return names

    return parse


def _counts(text: str) -> tuple[int, ...]:
    counts = set()
    for part in text.split(","):
        if not part.strip().isdigit() or not 1 <= int(part) <= MAX_CONNECTIONS:
            raise argparse.ArgumentTypeError(
                f"{part.strip()!r} connections: write numbers from 1 to {MAX_CONNECTIONS}"
            )
        counts.add(int(part))
    problem = allow_files(max(counts))
    if problem:
        raise argparse.ArgumentTypeError(problem)
    return tuple(sorted(counts))


def _rounds(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= MAX_ROUNDS:
        raise argparse.ArgumentTypeError(f"{text!r} rounds: write a number from 1 to {MAX_ROUNDS}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdigit() or not 1024 <= int(text) <= 65000:
        raise argparse.ArgumentTypeError(f"no port {text!r}: write one from 1024 to 65000")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: write seconds, more than 0 and at most {MAX_SECONDS:g}"
        )
    return value


def _percent(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / 100
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage: write 10%") from None


def _output(text: str) -> Path:
    path = Path(text)
    existed = path.exists()
    try:
        # Better now than after the run.
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write {text}: {error.strerror}") from None
    if not existed:
        path.unlink()
    return path


def _picture(text: str) -> Path:
    path = _output(text)
    if path.suffix not in PICTURES:
        raise argparse.ArgumentTypeError(f"{text} is no picture: write FILE.svg or FILE.png")
    if find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError("needs matplotlib: pip install matplotlib")
    return path


def _input(text: str) -> Path:
    path = Path(text)
    try:
        path.open("rb").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {text}: {error.strerror}") from None
    return path


def _parser() -> argparse.ArgumentParser:
    optional = ", ".join(name for name, scenario in SCENARIOS.items() if scenario.optional)
    parser = OneLineParser(
        prog="python -m fastws.bench",
        description="Compare fastws with the WebSocket packages installed here.",
        epilog="Peers come with: pip install 'fastws-core[bench]'",
    )
    effort = parser.add_mutually_exclusive_group()
    for name, text in (
        ("quick", "about half a minute (default)"),
        ("full", "every event loop, more sizes, longer rounds: about 10 minutes"),
        # Everything runs, no figure means anything.
        ("tiny", argparse.SUPPRESS),
    ):
        effort.add_argument(f"--{name}", action="store_const", dest="effort", const=name, help=text)
    parser.add_argument(
        "--only",
        type=_names(tuple(SCENARIOS), "scenario"),
        default=(),
        metavar="NAME[,NAME]",
        help=f"only these of {', '.join(SCENARIOS)}; without it {optional} need --full",
    )
    peers = tuple(name for name in PACKAGES if name not in ALWAYS)
    parser.add_argument(
        "--peers",
        type=_names(peers, "peer"),
        default=(),
        metavar="NAME[,NAME]",
        help=f"compare with these only, of {', '.join(peers)}",
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=(),
        metavar="SIZE[,SIZE]",
        help="payload sizes, as in 125,4KiB,1MiB",
    )
    parser.add_argument(
        "--connections",
        type=_counts,
        default=(),
        metavar="N[,N]",
        help="how many connections to each server at once",
    )
    parser.add_argument("--rounds", type=_rounds, metavar="N", help="how many turns each takes")
    parser.add_argument(
        "--seconds", type=_positive, metavar="S", help="how long a turn of a server is"
    )
    parser.add_argument(
        "--port", type=_port, default=0, help="let servers listen on this port and those after it"
    )
    _add_outputs(parser)
    parser.set_defaults(effort="quick")
    return parser


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    for name, kind, what in (
        ("json", _output, "every figure of every round, and the machine"),
        ("csv", _output, "one line for each figure"),
        ("plot", _picture, "a picture, .svg or .png (needs matplotlib)"),
        ("html", _output, "one page with bars, curves and tables"),
    ):
        parser.add_argument(f"--{name}", type=kind, metavar="FILE", help=f"also write {what}")
    parser.add_argument(
        "--from",
        dest="source",
        type=_input,
        metavar="FILE",
        help="measure nothing: show and write what is in this file of --json",
    )
    parser.add_argument(
        "--compare", type=_input, metavar="FILE", help="show ratios to a file of --json"
    )
    parser.add_argument(
        "--fail-above",
        type=_percent,
        metavar="PERCENT",
        help="with --compare: exit with 1 if a figure of fastws is worse by more than this",
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; ends the program with one line about a mistake."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.fail_above is not None and options.compare is None:
        parser.error("--fail-above needs --compare FILE")
    return options


def options_of(parsed: argparse.Namespace) -> Options:
    """Return what scenarios need to know."""
    effort = EFFORTS[parsed.effort]
    if parsed.rounds:
        effort = dataclasses.replace(effort, rounds=parsed.rounds, server_rounds=parsed.rounds)
    if parsed.seconds:
        effort = dataclasses.replace(effort, server_seconds=parsed.seconds)
    only = parsed.only or tuple(
        name for name, scenario in SCENARIOS.items() if effort.full or not scenario.optional
    )
    return Options(effort, only, parsed.peers, parsed.sizes, parsed.connections, parsed.port)
