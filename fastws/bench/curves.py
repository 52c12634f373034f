"""Curves as SVG inside a page: both axes logarithmic, colours from the page's style."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from .charts import Curve, CurveChart
from .contenders import Kind
from .table import number

__all__ = ["curves_svg"]

# Small, so that its text can be read on a phone too.
WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 12, 34
TICK_GAP = 72
COLOURS = 8


def curves_svg(chart: CurveChart) -> str:
    """Return a chart with its heading and legend."""
    return "\n".join(_lines(chart))


def _lines(chart: CurveChart) -> Iterator[str]:
    colours = _colours(chart.curves)
    yield f'<figure class="chart" style="margin:0"><h3>{escape(chart.title)}</h3>'
    yield f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}">'
    low, high = _limits(chart)
    yield from _grid(chart, low, high)
    for curve in chart.curves:
        yield from _curve(chart, curve, colours[curve.name], low, high)
    yield '</svg><div class="legend">'
    for curve in chart.curves:
        colour = f'style="background:var({colours[curve.name]})"'
        yield f"<span><i {colour}></i>{escape(curve.name)}</span>"
    yield f'</div><p class="note">{chart.unit}, more is better; both axes logarithmic</p></figure>'


def _colours(curves: tuple[Curve, ...]) -> dict[str, str]:
    """Return the name of a colour for each; fastws compiled has one that nobody else has."""
    colours = {}
    others = 0
    for curve in curves:
        if curve.kind is Kind.LIMIT:
            colours[curve.name] = "--limit"
        elif curve.kind is Kind.OWN and "--own" not in colours.values():
            colours[curve.name] = "--own"
        else:
            colours[curve.name] = f"--c{others % COLOURS}"
            others += 1
    return colours


def _limits(chart: CurveChart) -> tuple[int, int]:
    values = [value for curve in chart.curves for _, value in curve.points if value > 0]
    low = math.floor(math.log10(min(values)))
    return low, max(low + 1, math.ceil(math.log10(max(values))))


def _x(chart: CurveChart, value: float) -> float:
    first, last = (math.log2(chart.ticks[i][0]) for i in (0, -1))
    return LEFT + (math.log2(value) - first) / (last - first) * (WIDTH - LEFT - RIGHT)


def _y(value: float, low: int, high: int) -> float:
    share = (math.log10(max(value, 10.0**low)) - low) / (high - low)
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _grid(chart: CurveChart, low: int, high: int) -> Iterator[str]:
    for exponent in range(low, high + 1):
        y = _y(10.0**exponent, low, high)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        label = f"{10.0**exponent:g}"
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    room = -math.inf
    for value, label in chart.ticks:
        x = _x(chart, value)
        # Where sizes are close together, not all can be named.
        if x - room >= TICK_GAP:
            anchor = "end" if x > WIDTH - RIGHT - 20 else "middle"
            yield f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{label}</text>'
            room = x


def _curve(chart: CurveChart, curve: Curve, colour: str, low: int, high: int) -> Iterator[str]:
    places = [(_x(chart, x), _y(y, low, high), x, y) for x, y in curve.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in places)
    style = f'class="{curve.kind.value}" style="stroke:var({colour})"'
    yield f'<polyline points="{path}" {style}/>'
    for x, y, size, value in places:
        what = f"{curve.name}: {number(value)} {chart.unit} at {_named(chart, size)}"
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" style="fill:var({colour})">'
            f"<title>{escape(what)}</title></circle>"
        )


def _named(chart: CurveChart, value: float) -> str:
    return dict(chart.ticks)[value]
