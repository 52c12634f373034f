"""The command line: ``python -m fastws.bench``."""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..command_line import INTERRUPTED, drop_output
from . import compare, contenders, export
from .arguments import ALWAYS, options_of, parse
from .figures import Results
from .files import allow_files
from .fleet import Fleet
from .glance import glance, glance_table
from .machine import facts
from .run import Run
from .scenarios import SCENARIOS, load
from .screen import Screen
from .table import problem_lines
from .text import LEGEND, heading

__all__ = ["main"]

# Idle connections of a full run, and more.
FILES = 4000


def _new_run(parsed: argparse.Namespace, screen: Screen) -> Run:
    options = options_of(parsed)
    found, absent = contenders.load_all(
        [module for module in contenders.PACKAGES if module in (*ALWAYS, *options.peers)]
        if options.peers
        else ()
    )
    results = Results(machine=facts(), absent=dict(absent))
    for module, of_module in found.items():
        distribution = contenders.PACKAGES[module].distribution.partition(" ")[0]
        number = f"{contenders.version(distribution)}, " if distribution else ""
        results.peers[module] = number + _configuration(of_module)
    return Run(options, found, results, screen.progress, Fleet(options.port))


def _configuration(of_module: list[contenders.Contender]) -> str:
    """Return how the contenders of a module are configured; of several, each with its name."""
    if len(of_module) == 1:
        return of_module[0].configuration
    return "; ".join(f"{one.name}: {one.configuration}" for one in of_module)


def _measure(run: Run, screen: Screen) -> None:
    """Measure everything; print each table when it is there."""
    for number, scenario in enumerate(run.options.only):
        screen.enter(f"[{number + 1}/{len(run.options.only)}] {scenario}:")
        try:
            load(scenario).measure(run, scenario)
        finally:
            _show(run.results, scenario, screen)


def _show(results: Results, scenario: str, screen: Screen) -> None:
    tables = list(load(scenario).tables(results, scenario))
    problems = problem_lines(p for p in results.problems if p.scenario == scenario)
    for i, table in enumerate(tables):
        last = i == len(tables) - 1
        screen.table(table._replace(problems=problems) if last else table)
    if problems and not tables:
        screen.say("\n".join(f"! {scenario}: {problem}" for problem in problems) + "\n")


def _summary(results: Results, screen: Screen) -> None:
    lines = list(glance(results))
    if lines:
        screen.table(glance_table(lines))
    if any(figure.load_limited for figure in results.figures.values()):
        screen.say("* the load generator was the limit of these rates: compare the CPU times")
    noisy = sum(figure.noisy for figure in results.figures.values())
    if results.figures and noisy > len(results.figures) / 4:
        screen.say(
            f"this was a noisy run: {noisy} of {len(results.figures)} figures are doubtful; "
            "end other programs, or take --full"
        )


def _compare(parsed: argparse.Namespace, old: Results, results: Results, screen: Screen) -> int:
    """Print the ratios; return the exit code."""
    found = list(compare.changes(old, results))
    screen.table(compare.changes_table(found, str(parsed.compare)))
    if parsed.fail_above is None:
        return 0
    worse = compare.worst(found, parsed.fail_above)
    if worse:
        title = f"worse by more than {parsed.fail_above:.0%} than {parsed.compare}"
        screen.table(compare.changes_table(worse, "")._replace(title=title, notes=()))
        return 1
    return 0


def _write(parsed: argparse.Namespace, document: dict[str, Any], results: Results) -> int:
    """Write the files asked for; return the exit code."""
    writers: list[tuple[Path | None, Callable[[Path], object]]] = [
        (parsed.json, lambda path: path.write_text(export.json_text(document), encoding="utf-8")),
        (
            parsed.csv,
            lambda path: path.write_bytes(export.csv_text(results).encode()),
        ),
        (parsed.html, lambda path: _write_html(path, document, results)),
        (parsed.plot, lambda path: _write_plot(path, document, results)),
    ]
    code = 0
    for path, write in writers:
        if path is not None:
            try:
                write(path)
            except OSError as error:
                print(f"cannot write {path}: {error.strerror or error}", file=sys.stderr)
                code = 1
    return code


def _write_html(path: Path, document: dict[str, Any], results: Results) -> None:
    from .page import page

    path.write_text(page(document, results), encoding="utf-8")


def _write_plot(path: Path, document: dict[str, Any], results: Results) -> None:
    from .plot import plot

    plot(path, document, results)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parsed = parse(arguments)
    try:
        old = export.read(parsed.compare)[1] if parsed.compare else None
        source = export.read(parsed.source) if parsed.source else None
    except export.Unreadable as error:
        print(f"python -m fastws.bench: {error}", file=sys.stderr)
        return 2
    screen = Screen()
    document, results = source or _run(arguments, parsed, screen)
    code = 0
    try:
        if source is not None:
            print(f"{heading(results)}\n\n{LEGEND}\n", flush=True)
            for scenario in SCENARIOS:
                _show(results, scenario, screen)
        _summary(results, screen)
        if old is not None:
            code = _compare(parsed, old, results, screen)
    except BrokenPipeError:
        drop_output()
    code = _write(parsed, document, results) or code
    if source is None and not document["complete"]:
        return INTERRUPTED
    return 1 if results.own_failed else code


def _run(
    arguments: Sequence[str], parsed: argparse.Namespace, screen: Screen
) -> tuple[dict[str, Any], Results]:
    """Measure; return the document, which says whether it is complete, and the results."""
    allow_files(FILES)
    begun = datetime.datetime.now(datetime.timezone.utc)
    start = time.perf_counter()
    results = Results()
    complete = False
    try:
        # Importing every peer takes a while, too.
        run = _new_run(parsed, screen)
        results = run.results
        with run.fleet:
            print(f"{heading(results)}\n\n{LEGEND}\n", flush=True)
            _measure(run, screen)
        complete = True
    except KeyboardInterrupt:
        screen.say("interrupted: the tables above are what was done so far")
    except BrokenPipeError:
        drop_output()
    took = time.perf_counter() - start
    if complete:
        screen.say(f"took {took:.0f} s")
    document = export.document(
        results,
        complete=complete,
        command=shlex.join(["python", "-m", "fastws.bench", *map(_without_folder, arguments)]),
        date=begun.isoformat(timespec="seconds"),
        seconds=round(took, 1),
    )
    return document, results


def _without_folder(argument: str) -> str:
    """Return an argument that names a file without the folders, which are nobody's business."""
    name, equals, value = argument.rpartition("=")
    return name + equals + Path(value).name if value else argument


if __name__ == "__main__":
    sys.exit(main())
