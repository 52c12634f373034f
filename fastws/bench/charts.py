"""Charts before they have a form: bars of servers, curves over sizes; for the page and the plot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .contenders import Kind
from .figures import QUANTITIES, Figure, Results
from .sizes import format_size
from .table import number
from .workloads import WORKLOADS

__all__ = ["Bar", "BarChart", "Curve", "CurveChart", "bar_charts", "curve_charts", "scale_charts"]


MOST_CURVES = 8


class Bar(NamedTuple):
    """One contender; ``value`` is in the unit of the chart, ``text`` says it with its marks."""

    name: str
    kind: Kind
    value: float
    text: str


class BarChart(NamedTuple):
    """Contenders side by side, the best first."""

    scenario: str
    title: str
    unit: str
    less_is_better: bool
    bars: tuple[Bar, ...]


class Curve(NamedTuple):
    """One contender over an axis."""

    name: str
    kind: Kind
    points: tuple[tuple[float, float], ...]


class CurveChart(NamedTuple):
    """Contenders over sizes, or over numbers of workers; both axes logarithmic."""

    scenario: str
    title: str
    unit: str
    ticks: tuple[tuple[float, str], ...]
    curves: tuple[Curve, ...]


class Shown(NamedTuple):
    """What of a scenario is shown as bars."""

    title: str
    quantity: str
    unit: str
    of: Callable[[float], float]


def _micro(value: float) -> float:
    return value * 1e6


def _kilo(value: float) -> float:
    return value / 1e3


SHOWN = {
    "echo": Shown("echo {size}, {work}, {many}: server CPU for a message", "cpu", "µs", _micro),
    "large": Shown("echo {size}, {work}: server CPU for a message", "cpu", "µs", _micro),
    "tls": Shown("echo {size} over TLS, {many}: server CPU for a message", "cpu", "µs", _micro),
    "broadcast": Shown("broadcast {size} to {many}: server CPU for each", "cpu", "µs", _micro),
    "latency": Shown("replies at {work}, {many}: 99 % within", "p99", "µs", _micro),
    "connect": Shown("open and close a connection: server CPU", "cpu", "µs", _micro),
    "memory": Shown("an idle connection, {work}: memory", "memory", "kB", _kilo),
    "client": Shown("client, {size}, {work}: its CPU for a message", "cpu", "µs", _micro),
    "uvicorn": Shown("ASGI echo {size} under uvicorn, {many}: server CPU", "cpu", "µs", _micro),
    "rooms": Shown("rooms, {size}, {work}, {many}: server CPU", "cpu", "µs", _micro),
}


def bar_charts(results: Results) -> Iterator[BarChart]:
    """Yield a chart for each place where servers or clients were measured."""
    for scenario, shown in SHOWN.items():
        found = (f.key for f in results.of(scenario) if f.key.quantity == shown.quantity)
        for _, work, size, connections, *_ in dict.fromkeys(
            k._replace(contender="") for k in found
        ):
            figures = results.column(scenario, work, size, connections, shown.quantity)
            many = f"{connections:,} connection{'s' if connections != 1 else ''}"
            yield BarChart(
                scenario,
                shown.title.format(size=format_size(size), work=work, many=many),
                shown.unit,
                QUANTITIES[shown.quantity].less_is_better,
                tuple(_bars(figures, shown)),
            )


def _bars(figures: list[Figure], shown: Shown) -> Iterator[Bar]:
    for figure in sorted(figures, key=lambda f: f.median, reverse=not figures[0].less_is_better):
        value = shown.of(figure.median)
        mark = " ~" if figure.noisy else ""
        yield Bar(figure.key.contender, figure.kind, value, f"{number(value)} {shown.unit}{mark}")


def curve_charts(results: Results) -> Iterator[CurveChart]:
    """Yield bytes per second over the size of payloads, for each kind of work without sockets."""
    for workload in WORKLOADS.values():
        curves: dict[str, list[tuple[float, float]]] = {}
        kinds: dict[str, Kind] = {}
        for figure in results.of(workload.scenario):
            if figure.key.work == workload.name and figure.key.size and workload.sizable:
                point = (figure.key.size, figure.key.size / figure.median / 1e9)
                curves.setdefault(figure.key.contender, []).append(point)
                kinds[figure.key.contender] = figure.kind
        sizes = sorted({size for points in curves.values() for size, _ in points})
        if len(sizes) > 1:
            yield CurveChart(
                workload.scenario,
                workload.title,
                "GB/s",
                tuple((size, format_size(int(size))) for size in sizes),
                tuple(Curve(name, kinds[name], tuple(curves[name])) for name in curves),
            )


def scale_charts(results: Results) -> Iterator[CurveChart]:
    """Yield messages per second over the number of workers."""
    curves: dict[str, list[tuple[float, float]]] = {}
    kinds: dict[str, Kind] = {}
    for figure in results.of("scale"):
        if figure.key.quantity == "rate":
            workers = float(figure.key.work.split()[0])
            curves.setdefault(figure.key.contender, []).append((workers, figure.median / 1e3))
            kinds[figure.key.contender] = figure.kind
    shown = _best_titles(curves)
    counts = sorted({workers for points in curves.values() for workers, _ in points})
    if len(counts) > 1:
        yield CurveChart(
            "scale",
            "workers on cores: messages per second",
            "thousands/s",
            tuple((count, f"{count:.0f}") for count in counts),
            tuple(Curve(name, kinds[name], tuple(curves[name])) for name in shown),
        )


def _best_titles(curves: dict[str, list[tuple[float, float]]]) -> list[str]:
    """Return the names of the highest curves, one of each package: more cannot be told apart."""
    best: dict[str, str] = {}
    for name in sorted(curves, key=lambda name: -curves[name][-1][1]):
        best.setdefault(name.partition(" (")[0], name)
    return list(best.values())[:MOST_CURVES]
