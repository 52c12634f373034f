"""One self-contained page of a run: bars against peers and limits, curves, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any

from .charts import BarChart, CurveChart, bar_charts, curve_charts, scale_charts
from .curves import curves_svg
from .figures import Results
from .glance import Line, glance
from .scenarios import SCENARIOS, load
from .table import Row, Table, problem_lines, ratio

__all__ = ["page"]

# What is as good but for noise is not called behind.
EQUAL = 0.97
STYLE = Path(__file__).with_name("page.css")


def page(document: dict[str, Any], results: Results) -> str:
    """Return the page as HTML; it asks nothing of other files or of the network."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<title>fastws benchmarks</title>",
        f"<style>{STYLE.read_text(encoding='utf-8')}</style></head><body>",
        *_header(document, results),
        *_glance(results),
    ]
    charts = {
        scenario: [*_bars_of(results, scenario), *_curves_of(results, scenario)]
        for scenario in SCENARIOS
    }
    for scenario, about in SCENARIOS.items():
        parts += _section(results, scenario, about.question, charts[scenario])
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _header(document: dict[str, Any], results: Results) -> Iterator[str]:
    yield "<h1>fastws benchmarks</h1>"
    when = escape(str(document.get("date", "")).replace("T", " ").replace("+00:00", " UTC"))
    command = escape(str(document.get("command", "")))
    yield f'<p class="soft">{when} &middot; <code>{command}</code></p>'
    if not document.get("complete", True):
        yield '<p class="problem">This run was interrupted: not everything was measured.</p>'
    yield '<p class="soft">Medians. ~ marks a noisy figure. '
    yield "Green is fastws, blue its peers, grey what the machine allows.</p>"
    yield "<dl>"
    for name, text in results.machine.items():
        yield f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>"
    yield "</dl><details><summary>Contenders and their configuration</summary><dl>"
    for name, text in results.peers.items():
        yield f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>"
    for name, text in results.absent.items():
        yield f"<dt>{escape(name)}</dt><dd>missing, {escape(text)}</dd>"
    yield "</dl></details>"


def _glance(results: Results) -> Iterator[str]:
    lines = list(glance(results))
    if lines:
        yield '<h2>At a glance</h2><div class="cards">'
        yield from map(_card, lines)
        yield "</div>"


def _card(line: Line) -> str:
    behind = " behind" if line.ratio < EQUAL else ""
    return (
        f'<div class="card{behind}"><strong>{_together(line.work)}</strong>'
        f"<b>{ratio(line.ratio).removesuffix('x')}&times;</b>"
        f"<span>{escape(line.form(line.ours))}, against {escape(line.form(line.other))} "
        f"of {escape(line.other.key.contender)}</span></div>"
    )


def _together(text: str) -> str:
    """Keep a number and its unit on one line."""
    return re.sub(r"(\d) (?=[A-Za-zµ%])", "\\1&nbsp;", escape(text))


def _section(results: Results, scenario: str, question: str, charts: list[str]) -> Iterator[str]:
    tables = list(load(scenario).tables(results, scenario))
    problems = problem_lines(p for p in results.problems if p.scenario == scenario)
    if not tables and not problems:
        return
    yield f'<h2 id="{scenario}">{escape(question[0].upper() + question[1:])}</h2>'
    if charts:
        yield '<div class="charts">'
        yield from charts
        yield "</div>"
    for problem in problems:
        yield f'<p class="problem">{escape(problem)}</p>'
    # Where there is no chart, the table is what there is to see.
    yield f"<details{'' if charts else ' open'}><summary>Tables</summary>"
    for table in tables:
        yield from _table(table)
    yield "</details>"


def _bars_of(results: Results, scenario: str) -> Iterator[str]:
    for chart in bar_charts(results):
        if chart.scenario == scenario and chart.bars:
            yield "\n".join(_bars(chart))


def _bars(chart: BarChart) -> Iterator[str]:
    longest = max(bar.value for bar in chart.bars) or 1.0
    better = "less is better" if chart.less_is_better else "more is better"
    yield f'<figure class="chart" style="margin:0"><h3>{_together(chart.title)}</h3>'
    yield f'<div class="bars" role="img" aria-label="{escape(chart.title)}">'
    for bar in chart.bars:
        kind = bar.kind.value
        width = 100 * bar.value / longest
        yield f'<span class="name {kind}">{escape(bar.name)}</span>'
        yield f'<span class="track"><i class="{kind}" style="width:{width:.2f}%"></i></span>'
        yield f'<span class="value {kind}">{escape(bar.text)}</span>'
    yield f'</div><p class="note">{chart.unit}, {better}</p></figure>'


def _curves_of(results: Results, scenario: str) -> Iterator[str]:
    charts: Iterable[CurveChart] = (*curve_charts(results), *scale_charts(results))
    for chart in charts:
        if chart.scenario == scenario:
            yield curves_svg(chart)


def _table(table: Table) -> Iterator[str]:
    yield f'<p class="caption">{_together(table.title)}</p>'
    yield '<div class="scroll"><table><thead>'
    if any(column.group for column in table.columns):
        yield "<tr><th></th>"
        yield from (f"<th>{escape(column.group)}</th>" for column in table.columns)
        yield "</tr>"
    yield "<tr><th></th>"
    yield from (f"<th>{escape(column.heading)}</th>" for column in table.columns)
    yield "</tr></thead><tbody>"
    yield from (_row(row, row.kind.value if row.kind else "") for row in table.rows)
    yield from (_row(row, "ratio") for row in table.comparisons)
    yield "</tbody></table></div>"
    for note in table.notes:
        yield f'<p class="note">{escape(note)}</p>'


def _row(row: Row, kind: str) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in row.cells)
    return f'<tr class="{kind}"><th scope="row">{escape(row.name)}</th>{cells}</tr>'
