"""The few figures that people ask for first, taken from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from .contenders import Contender, Kind
from .echo import Echo, modes
from .results import Kernels, is_limit, is_own, is_own_pure, is_peer, is_pure_peer
from .sizes import KIB, MIB, format_size
from .workloads import REQUEST

__all__ = ["Line", "glance"]


class Line(NamedTuple):
    """One question and its answer; times in seconds."""

    work: str
    ours: float
    other_name: str
    other: float

    @property
    def ratio(self) -> float:
        """How many times as fast as the other."""
        return self.other / self.ours


class Question(NamedTuple):
    """Which timing of ours to put beside which other."""

    work: str
    workload: str
    size: int
    others: Callable[[Contender], bool] = is_peer
    ours: Callable[[Contender], bool] = is_own
    other_workload: str = ""


QUESTIONS = (
    Question("mask new bytes, 16 B", "mask", 16),
    Question("mask new bytes, 125 B", "mask", 125),
    Question("mask new bytes, 64 KiB", "mask", 64 * KIB, is_limit),
    Question("mask new bytes, 1 MiB", "mask", MIB, is_limit),
    Question("mask in place, 16 B", "mask-inplace", 16),
    Question("mask in place, 125 B", "mask-inplace", 125),
    Question("mask in place, 4 KiB", "mask-inplace", 4 * KIB),
    Question("mask in place, 64 KiB", "mask-inplace", 64 * KIB),
    Question("receive binary, 16 B", "parse-binary", 16),
    Question("receive binary, 125 B", "parse-binary", 125),
    Question("receive binary, 4 KiB", "parse-binary", 4 * KIB),
    Question("receive binary, 1 MiB", "parse-binary", MIB),
    Question("receive ASCII text, 125 B", "parse-text", 125),
    Question("receive ASCII text, 4 KiB", "parse-text", 4 * KIB),
    Question(
        "receive ASCII text, 4 KiB", "parse-text", 4 * KIB, is_own, other_workload="parse-binary"
    ),
    Question("receive ASCII text, 1 MiB", "parse-text", MIB, is_own, other_workload="parse-binary"),
    Question("validate ASCII, 64 KiB", "utf8-ascii", 64 * KIB),
    Question("validate mixed CJK, 64 KiB", "utf8-cjk", 64 * KIB),
    Question("open a connection as a server", "handshake", len(REQUEST)),
    Question("compress JSON, 1 KiB", "compress", KIB, is_limit),
    Question("decompress JSON, 1 KiB", "decompress", KIB, is_limit),
    Question("pure Python: mask new bytes, 1 KiB", "mask", KIB, is_pure_peer, is_own_pure),
    Question("pure Python: receive binary, 125 B", "parse-binary", 125, is_pure_peer, is_own_pure),
)


def glance(measured: Mapping[str, Kernels], echoes: Iterable[Echo]) -> Iterator[Line]:
    """Answer every question whose two timings were taken."""
    for question in QUESTIONS:
        ours = measured.get(question.workload)
        others = measured.get(question.other_workload or question.workload)
        our_best = ours and ours.best(question.size, question.ours)
        other_best = others and others.best(question.size, question.others)
        if our_best and other_best:
            name = "the same, binary" if question.other_workload else other_best[0]
            yield Line(question.work, our_best[1].best, name, other_best[1].best)
    for echo in echoes:
        for mode in modes(echo.size):
            own, peer = echo.cheapest(Kind.OWN, mode), echo.cheapest(Kind.PEER, mode)
            if own and peer:
                work = f"echo {format_size(echo.size)}, {mode.title}: server CPU"
                yield Line(work, own[1], *peer)
