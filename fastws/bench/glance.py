"""The few figures that people ask for first, taken from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .contenders import Kind
from .figures import QUANTITIES, Figure, Results, best_of
from .sizes import KIB, MIB, format_size
from .table import Column, Row, Table, number, ratio, seconds
from .workloads import REQUEST

__all__ = ["Line", "glance", "glance_table"]


class Line(NamedTuple):
    """One question and its answer: our figure, and that of the best of the others."""

    work: str
    ours: Figure
    other: Figure

    @property
    def ratio(self) -> float:
        """How many times as good as the other."""
        return self.ours.times_as_good_as(self.other)

    def form(self, figure: Figure) -> str:
        """Return a figure with its unit."""
        unit = QUANTITIES[figure.key.quantity].unit
        if unit == "s":
            return seconds(figure.median)
        return f"{number(figure.median / 1000)} kB" if unit == "B" else f"{number(figure.median)}/s"


class Question(NamedTuple):
    """Which time of ours to put beside which other."""

    work: str
    scenario: str
    workload: str
    size: int
    others: Kind = Kind.PEER


QUESTIONS = (
    Question("mask into new bytes, 125 B", "mask", "mask", 125),
    Question("mask into new bytes, 1 MiB", "mask", "mask", MIB, Kind.LIMIT),
    Question("mask in place, 125 B", "mask", "mask-inplace", 125),
    Question("mask in place, 64 KiB", "mask", "mask-inplace", 64 * KIB),
    Question("receive a binary message, 125 B", "parse", "parse-binary", 125),
    Question("receive a binary message, 64 KiB", "parse", "parse-binary", 64 * KIB),
    Question("receive a text message, 125 B", "parse", "parse-text", 125),
    Question("make a server's frame, 125 B", "serialize", "serialize-server", 125),
    Question("validate mixed CJK, 64 KiB", "utf8", "utf8-cjk", 64 * KIB),
    Question("accept an opening handshake", "handshake", "handshake", len(REQUEST)),
    Question("compress JSON, 1 KiB", "deflate", "compress", KIB, Kind.LIMIT),
)

NOTE = "of servers and clients: their CPU time for one message or connection, on their side only"

# Scenarios of processes: what to call them, and the quantity that says most.
PROCESSES = {
    "echo": ("echo {size}, {work}, {connections}", "cpu"),
    "large": ("echo {size}, {work}", "cpu"),
    "tls": ("echo {size} over TLS, {connections}", "cpu"),
    "broadcast": ("broadcast {size}, each of {connections}", "cpu"),
    "latency": ("99 % of replies at {work}", "p99"),
    "connect": ("open and close a connection", "cpu"),
    "memory": ("an idle connection, {work}", "memory"),
    "client": ("client {size}, {work}", "cpu"),
    "uvicorn": ("ASGI echo {size} under uvicorn", "cpu"),
    "rooms": ("rooms {size}, {work}", "cpu"),
}


def _of(kind: Kind) -> Callable[[Figure], bool]:
    return lambda figure: figure.kind is kind


def _line(work: str, figures: list[Figure], others: Kind) -> Iterator[Line]:
    ours = best_of(figures, _of(Kind.OWN))
    # Where no peer is installed, what the machine allows says at least something.
    other = best_of(figures, _of(others)) or best_of(figures, _of(Kind.LIMIT))
    if ours and other:
        yield Line(work, ours, other)


def glance(results: Results) -> Iterator[Line]:
    """Answer every question whose two figures were taken."""
    for question in QUESTIONS:
        where = (question.scenario, question.workload, question.size, 0, "time")
        yield from _line(question.work, results.column(*where), question.others)
    for scenario, (title, quantity) in PROCESSES.items():
        for _, work, size, connections, *_ in dict.fromkeys(
            figure.key._replace(contender="", quantity="") for figure in results.of(scenario)
        ):
            many = f"{connections:,} connection{'s' if connections != 1 else ''}"
            what = title.format(size=format_size(size), work=work, connections=many)
            figures = results.column(scenario, work, size, connections, quantity)
            yield from _line(what, figures, Kind.PEER)


def glance_table(lines: list[Line]) -> Table:
    """Return the answers to what people ask first."""
    headings = ("fastws", "against", "best other", "ratio")
    rows = [
        Row(
            line.work,
            None,
            (
                line.form(line.ours),
                line.other.key.contender,
                line.form(line.other),
                ratio(line.ratio),
            ),
        )
        for line in lines
    ]
    columns = tuple(Column("", heading) for heading in headings)
    return Table("at a glance", columns, tuple(rows), notes=(NOTE,))
