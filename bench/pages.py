"""Put the results of a run into the documents: ``python bench/pages.py RESULTS.json``.

It writes the parts of docs/benchmarks.md and README.md between ``<!-- benchmarks: NAME -->`` and
``<!-- end -->``, and the picture docs/benchmarks.svg. ``--check`` writes nothing, and exits with 1
if the documents do not have those parts.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from fastws.bench.export import Unreadable, read
from fastws.bench.figures import Results
from fastws.bench.glance import Line, glance, glance_table
from fastws.bench.plot import plot
from fastws.bench.scenarios import SCENARIOS, load
from fastws.bench.table import Table, problem_lines, ratio

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "benchmarks.svg"
PART = re.compile(r"(<!-- benchmarks: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

# What the README has of the first table.
README_LINES = (
    "mask into new bytes, 125 B",
    "mask in place, 64 KiB",
    "receive a binary message, 125 B",
    "receive a text message, 125 B",
    "validate mixed CJK, 64 KiB",
    "accept an opening handshake",
    "echo 64 B, 64 in flight, 1 connection",
    "echo 64 B, round trips, 50 connections",
    "echo 1 MiB, round trips",
    "an idle connection, plain",
)


def markdown(table: Table) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield f"**{table.title}**"
    yield ""
    headings = [" ".join(filter(None, (c.group, c.heading))) for c in table.columns]
    yield _cells("", *headings)
    yield _cells("---", *("--:" for _ in headings))
    for row in (*table.rows, *table.comparisons):
        yield _cells(row.name, *row.cells)
    yield ""
    for note in table.notes:
        yield f"{note[0].upper()}{note[1:]}."
    for problem in table.problems:
        yield f"- {problem}"
    yield ""


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def tables(results: Results) -> Iterator[str]:
    """Yield a section for each scenario that was measured."""
    for name, scenario in SCENARIOS.items():
        found = list(load(name).tables(results, name))
        problems = problem_lines(p for p in results.problems if p.scenario == name)
        if found:
            yield f"### {name}: {scenario.question}"
            yield ""
            for table in found:
                yield from markdown(table)
            yield from (f"- {problem}" for problem in problems)
            yield ""


def machine(document: dict[str, object], results: Results) -> Iterator[str]:
    """Yield where the figures come from."""
    yield _cells("what", "")
    yield _cells("---", "---")
    yield _cells("command", f"`{document['command']}`")
    yield _cells("date", str(document["date"]).replace("T", " ").replace("+00:00", " UTC"))
    for name, text in results.machine.items():
        yield _cells(name, text)
    for name, text in results.peers.items():
        yield _cells(name, text)
    for name, text in results.absent.items():
        yield _cells(name, f"missing, {text}")


def readme(document: dict[str, object], results: Results) -> Iterator[str]:
    """Yield the README's table: what people ask for first."""
    facts = results.machine
    yield f"`{document['command']}`, {str(document['date'])[:10]}, {facts['processor']},"
    yield f"{facts['python']}, fastws {facts['fastws'].partition(', built')[0]}; medians."
    yield ""
    yield _cells("work", "fastws", "best other", "", "ratio")
    yield _cells("---", "--:", "--:", "---", "--:")
    for line in glance(results):
        if line.work in README_LINES:
            yield _readme_line(line)


def _readme_line(line: Line) -> str:
    other = line.other.key.contender
    times = ratio(line.ratio)
    return _cells(line.work, line.form(line.ours), line.form(line.other), other, times)


def parts(document: dict[str, object], results: Results) -> dict[str, str]:
    """Return the text of each part."""
    found = {
        "machine": machine(document, results),
        "glance": markdown(glance_table(list(glance(results)))),
        "tables": tables(results),
        "readme": readme(document, results),
    }
    return {name: "\n".join(lines).strip() + "\n" for name, lines in found.items()}


def fill(text: str, new: dict[str, str]) -> str:
    """Return a document with its parts replaced."""
    return PART.sub(lambda match: f"{match[1]}{new[match[2]]}{match[3]}", text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, help="a file of python -m fastws.bench --json")
    parser.add_argument("--check", action="store_true", help="write nothing, and compare")
    options = parser.parse_args()
    try:
        document, results = read(options.results)
    except Unreadable as error:
        print(error, file=sys.stderr)
        return 2
    new = parts(document, results)
    same = True
    for path in (PAGE, README):
        text = path.read_text(encoding="utf-8")
        filled = fill(text, new)
        same &= filled == text
        if not options.check:
            path.write_text(filled, encoding="utf-8")
    if options.check:
        return 0 if same else 1
    plot(PICTURE, document, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
