"""Run a program accelerated: ``python -m fastws.accelerate -m uvicorn app:app``."""

from __future__ import annotations

import argparse
import importlib
import os
import runpy
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from ..command_line import drop_output
from .patching import LEVELS
from .report import Report, Status
from .switch import accelerate, restore
from .targets import TARGETS

__all__ = ["main"]

EPILOG = """\
Without an option, everything of the program's command line is its own:

  python -m fastws.accelerate -m uvicorn app:app --port 8000
  python -m fastws.accelerate server.py

Processes that the program starts anew (not by fork) are not accelerated; there, call
fastws.accelerate() in the program."""


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m fastws.accelerate",
        description="Run a Python program with its WebSocket packages made faster.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s [options] (-m MODULE | SCRIPT) [ARGUMENTS...]\n"
        "       %(prog)s --check | --list",
    )
    parser.add_argument(
        "--only", metavar="NAME[,NAME]", help=f"targets, from: {', '.join(TARGETS)}"
    )
    parser.add_argument(
        "--level", choices=LEVELS, default=LEVELS[-1], help="how much to replace (default: all)"
    )
    parser.add_argument(
        "--report", action="store_true", help="say on stderr what was accelerated, at the end"
    )
    parser.add_argument(
        "--check", action="store_true", help="import every installed target, run its self-check"
    )
    parser.add_argument("--list", action="store_true", help="show the targets that are here")
    parser.add_argument("-m", dest="module", action="store_true", help="PROGRAM is a module's name")
    parser.add_argument("program", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not (options.program or options.check or options.list):
        parser.error("nothing to run: give -m MODULE, a SCRIPT, --check or --list")
    return options


def _check(names: list[str] | None, level: str) -> Report:
    """Replace everything that is installed, and put it back."""
    for name in names or TARGETS:
        target = TARGETS[name]
        if target.version() is not None:
            for part in target.parts:
                # An optional part of a package may need what is not installed.
                try:
                    importlib.import_module(part.module)
                except Exception as error:
                    print(f"{part.module} cannot be imported: {error}", file=sys.stderr)
    report = accelerate(names, level=level)
    restore()
    return report


def _list() -> str:
    lines = []
    for target in TARGETS.values():
        first, end = target.tested
        here = target.version() or "not installed"
        lines.append(f"{target.name:<18} {here:<14} tested with {first} up to {end}, not included")
    return "\n".join(lines)


def _missing(program: str, module: bool) -> str:
    """Say what of a program is not there, in Python's own words; "" if it can be run."""
    if not module:
        if not os.path.exists(program):
            return f"no such file: {program}"
        main = os.path.join(program, "__main__.py")
        if os.path.isdir(program) and not os.path.exists(main):
            return f"can't find '__main__' module in {program}"
        return ""
    try:
        spec = find_spec(program)
        package = spec is not None and spec.submodule_search_locations is not None
        if package and find_spec(f"{program}.__main__") is None:
            return f"{program} is a package without __main__, so it cannot be run"
    except ModuleNotFoundError as error:
        # Its own imports are its own affair.
        if not program.startswith(error.name or "?"):
            raise
        spec = None
    return f"no module named {program}" if spec is None else ""


def _run(program: str, module: bool, rest: list[str]) -> None:
    sys.argv = [program, *rest]
    if module:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
        return
    # As Python does it: a script finds the modules beside it, a directory those within.
    beside = program if os.path.isdir(program) else os.path.dirname(os.path.abspath(program))
    # With -P, what is first is not where we are started, and stays.
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = beside
    runpy.run_path(program, run_name="__main__")


def _say(text: object) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        drop_output()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a program accelerated, or say what could be."""
    options = _arguments(arguments)
    names = options.only.split(",") if options.only else None
    for name in names or ():
        if name not in TARGETS:
            print(f"no target {name!r}: choose from {', '.join(TARGETS)}", file=sys.stderr)
            return 2
    if options.list:
        _say(_list())
        return 0
    if options.check:
        report = _check(names, options.level)
        _say(report)
        failed = [
            row
            for row in report
            if row.status is Status.SKIPPED and TARGETS[row.target].version() is not None
        ]
        return 1 if failed else 0
    accelerate(names, level=options.level)
    missing = _missing(options.program, options.module)
    if missing:
        print(missing, file=sys.stderr)
        return 1 if options.module else 2
    try:
        _run(options.program, options.module, options.rest)
    finally:
        if options.report:
            from .switch import status

            print(status(), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
