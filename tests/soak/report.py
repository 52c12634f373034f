"""What a soak found, and whether that is good."""

from __future__ import annotations

import platform
from argparse import Namespace
from collections import Counter
from typing import Any

import fastws

__all__ = ["Report"]

# What may stay after the load, against before it, with the same connections held: fragments of the
# heap, caches. One block of the smallest size for each connection served is more, after minutes.
_MAX_GROWTH = 0.05
_MAX_GROWTH_BYTES = 8 << 20
_MAX_BLOCKS_PER_CONNECTION = 0.1
# Tables of the interpreter that are filled once: imports, caches of methods and of expressions.
_MAX_BLOCKS = 20_000
_PRINTED_VIOLATIONS = 20


class Report:
    """What the phases of a soak leave here; ``violations`` are what must not be."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.samples: list[int] = []
        self.warm_up: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.behaviours: Counter[str] = Counter()
        self.idle = 0
        self.idle_end: Counter[str] = Counter()
        self.keepalive: dict[str, Any] = {}
        self.latencies: dict[str, float] = {}
        self.seconds = 0.0
        # What the server holds: after its first clients, with idle connections, with these before
        # and after the load, and at the end.
        self.fresh: dict[str, int] = {}
        self.holding: dict[str, int] = {}
        self.start: dict[str, int] = {}
        self.end: dict[str, int] = {}
        self.left: dict[str, int] = {}

    def settings(self, arguments: Namespace) -> None:
        """Say what is about to run."""
        self._keepalive_seconds = sum(arguments.keepalive)
        # uvloop's clock counts milliseconds: many an answer comes within 0 of them.
        self._sees_latencies = arguments.loop == "asyncio"
        print(
            f"soak of fastws.aio ({fastws.backend}) on {arguments.loop}, "
            f"Python {platform.python_version()}: {arguments.minutes:g} min, "
            f"{arguments.idle} idle connections, {arguments.loaders} x {arguments.actors} clients "
            f"at a time, seed {arguments.seed}",
            flush=True,
        )

    def note_end(self, code: int, errors: list[str]) -> None:
        """Take note of how a process ended: it has nothing to say on its standard error."""
        if code:
            self.violations.append(f"a process ended with exit code {code}")
        if errors:
            self.violations.append("a process wrote to its standard error:\n" + "\n".join(errors))

    def print(self) -> None:
        """Judge and print."""
        self._judge()
        counts = self.counts
        print(
            f"connections     {counts['connections']} in {self.seconds:.0f} s, "
            f"and {self.idle} idle; {self.warm_up['connections'] - self.idle} before, to warm up\n"
            f"messages        {counts['messages']} checked by clients, {counts['served']} by the "
            f"server, {counts['bytes'] / 1e9:.2f} GB\n"
            f"aborts          {counts['aborts']} resets, {counts['vanished']} vanished without a "
            f"packet, {counts['cancelled']} cancelled, {counts['broken']} broke the rules\n"
            f"behaviours      {_listed(self.behaviours)}\n"
            f"idle            {self.keepalive['answered']} answered keepalive, worst "
            f"{self.keepalive['worst'] * 1000:.0f} ms; {self.idle_end['good']} good at the end, "
            f"{self.idle_end['clean']} closed cleanly\n"
            f"latency         median {self.latencies['median'] * 1000:.1f} ms, "
            f"99 % {self.latencies['p99'] * 1000:.1f} ms, worst "
            f"{self.latencies['worst'] * 1000:.0f} ms, of {self.latencies['count']} round trips\n"
            f"server memory   {_mb(self.start)} before the load, peak "
            f"{max(self.samples) / 1e6:.1f} MB, {_mb(self.end)} after it; "
            f"{_mb(self.fresh)} without connections, {_mb(self.left)} at the end\n"
            f"idle connection {self._bytes_per_idle():.0f} bytes\n"
            f"blocks left     {self.left['blocks'] - self.fresh['blocks']}\n"
            f"left            {self.left['connections']} connections, {self.left['tasks']} tasks, "
            f"{self.left['files']} files\n"
            f"violations      {len(self.violations)}"
        )
        for violation in self.violations[:_PRINTED_VIOLATIONS]:
            print(f"  {violation}")

    def _bytes_per_idle(self) -> float:
        return (self.holding["resident"] - self.fresh["resident"]) / max(1, self.idle)

    def _judge(self) -> None:
        """Take note of what was left over, and of what is missing."""
        note = self.violations.append
        for name, held, wanted in (
            ("before the load", self.start, self.idle),
            ("after the load", self.end, self.idle),
            ("at the end", self.left, 0),
        ):
            for what in ("connections", "tasks", "files"):
                if held[what] != wanted:
                    note(f"{held[what]} {what} {name}, not {wanted}")
        for what in ("good", "clean"):
            if self.idle_end[what] != self.idle:
                note(f"{self.idle_end[what]} of {self.idle} idle connections were {what}")
        pinged = self._sees_latencies and self.seconds > self._keepalive_seconds
        if pinged and self.keepalive["answered"] != self.idle:
            note(f"{self.keepalive['answered']} of {self.idle} idle connections answered a ping")
        missing = [name for name, count in self.behaviours.items() if not count]
        if missing and self.seconds > 60:
            note(f"no client came to {', '.join(missing)}")
        growth = self.end["resident"] - self.start["resident"]
        if growth > max(_MAX_GROWTH * self.start["resident"], _MAX_GROWTH_BYTES):
            note(f"memory grew by {growth / 1e6:.1f} MB under load")
        blocks = self.left["blocks"] - self.fresh["blocks"]
        if blocks > _MAX_BLOCKS + _MAX_BLOCKS_PER_CONNECTION * self.counts["connections"]:
            note(f"{blocks} blocks of memory were left over")


def _mb(held: dict[str, int]) -> str:
    return f"{held['resident'] / 1e6:.1f} MB"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
