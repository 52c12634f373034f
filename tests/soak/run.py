"""The phases of a soak, and the processes that go through them."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from typing import Any

from processes import ROOT, Process

from .memory import resident_bytes
from .report import Report

__all__ = ["Soak"]

# For commands that take no time, on a machine that is busy.
_ANSWER_SECONDS = 120.0
_SAMPLE_SECONDS = 0.5
# What every kind of client needs to be met, and caches to fill, before anything is compared.
_WARM_UP_SECONDS = 60.0
# After the load: for what asyncio's TLS and our closing handshake wait for, and a round of pings.
_SETTLE_SECONDS = 60.0


class Member:
    """A process of the soak: commands go in, answers come out."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = int(process.line())

    def ask(self, do: str, **arguments: Any) -> None:
        """Give a command; ``answer`` must be called for each."""
        self._process.write(json.dumps({"do": do, **arguments}) + "\n")

    def answer(self, seconds: float = _ANSWER_SECONDS) -> Any:
        """Return what the process has to say to the oldest command."""
        return json.loads(self._process.line(seconds))

    def call(self, do: str, **arguments: Any) -> Any:
        """Give a command and wait for the answer."""
        self.ask(do, **arguments)
        return self.answer()

    def end(self) -> tuple[int, list[str]]:
        """Wait for the end; return the exit code and what was written as an error."""
        self._process.end_input()
        code, _, errors = self._process.end()
        return code, errors


class Soak:
    """One server, who holds idle connections, who loads it; ``report`` takes what is found."""

    def __init__(
        self,
        arguments: Namespace,
        files: int,
        report: Report,
        processes: contextlib.ExitStack,
    ) -> None:
        self._arguments = arguments
        self._report = report

        def start(name: str) -> Member:
            process = Process("-m", f"soak.{name}", arguments.loop, files, cwd=ROOT / "tests")
            return Member(processes.enter_context(process))

        self._server = start("server")
        self._holders = [start("idle") for _ in range(arguments.holders)]
        self._loaders = [start("load") for _ in range(arguments.loaders)]
        self._seed = arguments.seed

    def run(self, certificate: str | None, authority: str | None) -> None:
        """Go through all phases."""
        seconds = self._arguments.minutes * 60
        report, keepalive = self._report, self._arguments.keepalive
        report.settings(self._arguments)
        self._authority = authority
        self._ports = self._server.call("start", certificate=certificate, keepalive=keepalive)
        warm_up = min(_WARM_UP_SECONDS, seconds / 5)
        self._load(warm_up / 2)
        report.fresh = self._settle(0)
        report.warm_up.update(self._collect())

        report.idle = self._open_idle()
        report.holding = self._settle(report.idle)
        # Every idle connection has its first keepalive ping in that time, which it remembers.
        self._load(max(warm_up / 2, 1.5 * keepalive[0]))
        report.start = self._settle(report.idle)
        report.warm_up.update(self._collect())

        with self._sampled(), self._probed():
            report.behaviours = self._load(seconds)
        report.end = self._settle(report.idle)
        self._close_idle()
        report.left = self._settle(0)
        report.counts = self._collect()
        self._server.call("stop")
        for member in self._members():
            report.note_end(*member.end())

    def _members(self) -> list[Member]:
        return [self._server, *self._holders, *self._loaders]

    def _load(self, seconds: float) -> Counter[str]:
        """Have all loaders load the server; return how often each behaviour was gone through."""
        for loader in self._loaders:
            self._seed += 1
            loader.ask(
                "load",
                ports=self._ports,
                authority=self._authority,
                actors=self._arguments.actors,
                seconds=seconds,
                seed=self._seed,
            )
        answers = [loader.answer(seconds + 2 * _ANSWER_SECONDS) for loader in self._loaders]
        return sum(map(Counter, answers), Counter())

    def _settle(self, connections: int) -> dict[str, Any]:
        """Wait until only so many connections are left, and say what the server holds."""
        patience = sum(self._arguments.keepalive) + _SETTLE_SECONDS
        self._server.ask("settle", connections=connections, seconds=patience)
        held: dict[str, Any] = self._server.answer(patience + _ANSWER_SECONDS)
        return held

    def _open_idle(self) -> int:
        """Open the idle connections; return how many there are."""
        share, more = divmod(self._arguments.idle, len(self._holders))
        for i, holder in enumerate(self._holders):
            holder.ask(
                "open",
                port=self._ports["plain"],
                source=f"127.0.0.{i + 2}",
                count=share + (i < more),
                keepalive=self._arguments.keepalive,
            )
        return sum(holder.answer()["open"] for holder in self._holders)

    def _close_idle(self) -> None:
        """Use every idle connection once more, and close it."""
        self._report.keepalive = self._server.call("idle_latencies")
        for command in ("use", "close"):
            for holder in self._holders:
                holder.ask(command)
            answers = [holder.answer(5 * _ANSWER_SECONDS) for holder in self._holders]
            for answer in answers:
                self._report.idle_end.update(answer)

    def _collect(self) -> Counter[str]:
        """Return what the loaders and the server counted since the last time; note violations."""
        totals: Counter[str] = Counter()
        for member in self._members():
            told = member.call("report")
            self._report.violations += told["violations"]
            if member is self._server:
                totals["connections"] += told["counts"].get("connections", 0)
                totals["served"] += told["counts"].get("messages", 0)
            elif member in self._loaders:
                totals.update(told["counts"])
        return totals

    @contextlib.contextmanager
    def _sampled(self) -> Iterator[None]:
        """Take note of the server's memory all the while."""
        ended = threading.Event()

        def sample() -> None:
            while not ended.wait(_SAMPLE_SECONDS):
                self._report.samples.append(resident_bytes(self._server.pid))

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    @contextlib.contextmanager
    def _probed(self) -> Iterator[None]:
        """Measure round trips all the while, on a connection of the first holder."""
        start = time.monotonic()
        self._holders[0].call("probe")
        yield
        self._report.seconds = time.monotonic() - start
        self._report.latencies = self._holders[0].call("latencies")
