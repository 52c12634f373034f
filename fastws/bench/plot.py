"""One picture of a run, by matplotlib: what people ask for first."""

from __future__ import annotations

import math
from pathlib import Path
from textwrap import wrap
from typing import Any

from .charts import Bar, BarChart, CurveChart, bar_charts, curve_charts, scale_charts
from .contenders import Kind
from .figures import Results

__all__ = ["plot"]

COLOURS = {Kind.OWN: "#0b7a53", Kind.PEER: "#8c9cc0", Kind.LIMIT: "#c3c9d1"}
PALETTE = ("#b3541e", "#4b5fc0", "#8a3fa0", "#b08800", "#c2346b", "#2b7fa8", "#6b5b4b", "#5f8a1f")
SETTINGS = {
    "font.size": 9,
    "axes.titlesize": 10,
    # Text stays text: small, and to be searched.
    "svg.fonttype": "none",
    "svg.hashsalt": "fastws",
}
# Which charts go in, if they are there, and how many of each scenario at most.
WANTED = {"echo": 3, "latency": 1, "broadcast": 1, "memory": 1}
CURVES = ("mask", "parse")
COLUMNS = 2
WIDTH_INCHES, ROW_INCHES = 12.0, 3.6
HEADING_INCHES = 0.8
TITLE_WIDTH = 52
TICK_SHARE = 0.13  # of the axis, for a label


def plot(path: Path, document: dict[str, Any], results: Results) -> None:
    """Write the picture; the form is that of the file's name. Raises OSError."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams.update(SETTINGS)
    from matplotlib import pyplot

    charts = _charts(results)
    rows = max(1, -(-len(charts) // COLUMNS))
    height = ROW_INCHES * rows + HEADING_INCHES
    figure, axes = pyplot.subplots(rows, COLUMNS, figsize=(WIDTH_INCHES, height), squeeze=False)
    for axis, chart in zip(axes.flat, charts, strict=False):
        if isinstance(chart, BarChart):
            _bars(axis, chart)
        else:
            _curves(axis, chart)
    for axis in list(axes.flat)[len(charts) :]:
        axis.set_axis_off()
    if not charts:
        figure.text(0.5, 0.5, "nothing was measured that has a picture", ha="center")
    machine = ", ".join(results.machine.get(name, "") for name in ("processor", "python"))
    when = str(document.get("date", ""))[:10]
    figure.suptitle(f"fastws benchmarks, {when}\n{machine}", fontsize=10)
    figure.tight_layout(rect=(0, 0, 1, 1 - HEADING_INCHES / 2 / height))
    # No date in the file: the same results make the same picture.
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(path, dpi=110, metadata=metadata, facecolor="white")
    pyplot.close(figure)


def _charts(results: Results) -> list[BarChart | CurveChart]:
    bars: list[BarChart | CurveChart] = []
    for scenario, most in WANTED.items():
        bars += [chart for chart in bar_charts(results) if chart.scenario == scenario][:most]
    curves = []
    for scenario in CURVES:
        curves += [chart for chart in curve_charts(results) if chart.scenario == scenario][:1]
    # Two numbers of workers make no curve worth a place.
    scaling = [chart for chart in scale_charts(results) if len(chart.ticks) > 2]
    return [*bars, *curves, *scaling]


def _best_of_each(bars: tuple[Bar, ...]) -> list[Bar]:
    """Return all bars of ours, and of every peer the best one, whatever its event loop."""
    shown: dict[str, Bar] = {}
    for bar in bars:  # the best first
        title = bar.name if bar.kind is Kind.OWN else bar.name.partition(" (")[0]
        shown.setdefault(title, bar)
    return list(shown.values())


def _bars(axis: Any, chart: BarChart) -> None:
    bars = _best_of_each(chart.bars)[::-1]  # the first one on top
    axis.barh(
        range(len(bars)), [bar.value for bar in bars], color=[COLOURS[bar.kind] for bar in bars]
    )
    axis.set_yticks(range(len(bars)), [bar.name for bar in bars])
    for tick, bar in zip(axis.get_yticklabels(), bars, strict=True):
        tick.set_fontweight("bold" if bar.kind is Kind.OWN else "normal")
    longest = max(bar.value for bar in bars) or 1.0
    for i, bar in enumerate(bars):
        axis.text(bar.value + longest * 0.01, i, bar.text, va="center", fontsize=8)
    axis.set_xlim(0, longest * 1.2)
    better = "less is better" if chart.less_is_better else "more is better"
    axis.set_xlabel(f"{chart.unit}, {better}")
    axis.set_title("\n".join(wrap(chart.title, TITLE_WIDTH)), loc="left")
    axis.spines[["top", "right"]].set_visible(False)


def _apart(ticks: tuple[tuple[float, str], ...]) -> list[tuple[float, str]]:
    """Return those far enough from each other to be named."""
    span = math.log2(ticks[-1][0] / ticks[0][0])
    chosen: list[tuple[float, str]] = []
    for tick in ticks:
        if not chosen or math.log2(tick[0] / chosen[-1][0]) > span * TICK_SHARE:
            chosen.append(tick)
    return chosen


def _curves(axis: Any, chart: CurveChart) -> None:
    others = 0
    for curve in chart.curves:
        colour, width, line = COLOURS[curve.kind], 2.5, "-"
        if curve.kind is Kind.LIMIT:
            line, width = "--", 1.5
        elif curve.kind is Kind.PEER or others or axis.lines:
            colour, width = PALETTE[others % len(PALETTE)], 1.5
            others += 1
        axis.plot(
            *zip(*curve.points, strict=True),
            marker="o",
            markersize=3,
            color=colour,
            linewidth=width,
            linestyle=line,
            label=curve.name,
        )
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    ticks = _apart(chart.ticks)
    axis.set_xticks([value for value, _ in ticks], [label for _, label in ticks])
    axis.minorticks_off()
    axis.set_ylabel(f"{chart.unit}, more is better")
    axis.set_title("\n".join(wrap(chart.title, TITLE_WIDTH)), loc="left")
    axis.grid(alpha=0.3)
    # Below: curves leave no corner free for sure.
    axis.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncol=4, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
