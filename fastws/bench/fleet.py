"""The servers and clients of one run, each a process of its own, started when first asked for."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import NamedTuple

from .child import Child, ChildFailed
from .contenders import Contender, Kind
from .effort import Effort
from .jobs import Client, Job, Round, Server
from .machine import memory, pin

__all__ = ["Fleet", "Running", "Wanted", "clients_of", "servers_of"]

START_SECONDS = 20.0
ANSWER_SECONDS = 5.0
# The garbage of thousands of connections, with a thread each.
COLLECT_SECONDS = 30.0
ACCELERATED = ("-m", "fastws.accelerate")


class Wanted(NamedTuple):
    """One process of a contender."""

    module: str
    kind: Kind
    what: Server | Client
    job: Job | None = None  # None for a client
    accelerated: bool = False
    number: int = 0  # of several that are alike

    @property
    def name(self) -> str:
        return self.what.name

    @property
    def identity(self) -> tuple[object, ...]:
        """What two requests for the same process have in common."""
        return self.module, self.name, self.job, self.accelerated, self.number

    def command(self, port: int) -> list[str]:
        """Return the command to start it; a server is to listen on ``port``, 0 for any."""
        job = "client" if self.job is None else _at(self.job, port).as_text()
        if isinstance(self.what, Server) and self.what.command:
            return [*self.what.command, job]
        prefix = ACCELERATED if self.accelerated else ()
        serving = ("-m", "fastws.bench.serving", self.module, self.name)
        return [sys.executable, *prefix, *serving, job]


def _at(job: Job, port: int) -> Job:
    return Job(port, job.certificate, job.compression, job.broadcast)


class Running:
    """One process that is up; ``port`` is that of a server."""

    def __init__(self, wanted: Wanted, child: Child, asked_port: int) -> None:
        self.name = wanted.name
        self.kind = wanted.kind
        self.wanted = wanted
        self.child = child
        self.failed = False
        self.asked_port = asked_port
        self.port = 0

    def cpu_seconds(self) -> float:
        """Return the CPU time it has used so far."""
        return float(self.child.ask("", ANSWER_SECONDS))

    def memory(self) -> int | None:
        """Return the bytes it has in use, without garbage; None where that cannot be known."""
        self.child.ask("collect", COLLECT_SECONDS)
        return memory(self.child.pid)

    def drive(self, uri: str, size: int, seconds: float) -> Round:
        """Let a client do round trips with messages of ``size`` bytes."""
        answer = self.child.ask(f"{uri} {size} {seconds}", seconds + ANSWER_SECONDS)
        messages, took, cpu = answer.split()
        return Round(int(messages), float(took), float(cpu))


class Fleet:
    """Processes that stay until the run ends, or until they fail."""

    def __init__(self, first_port: int = 0) -> None:
        self._running: dict[tuple[object, ...], Running] = {}
        self._refused: dict[tuple[object, ...], str] = {}
        self._next_port = first_port

    def get(
        self, wanted: Iterable[Wanted], failed: Callable[[Wanted, str], None], core: int | None
    ) -> list[Running]:
        """Return those that are up; calls ``failed`` with each other one and the reason."""
        wanted = list(wanted)
        known = {*self._running, *self._refused}
        starting = [one for one in wanted if one.identity not in known]
        for one in starting:
            # All at once: they start beside each other, on all cores.
            self._running[one.identity] = self._start(one)
        for one in starting:
            with contextlib.suppress(ChildFailed):
                self._wait(one, core)
        up = []
        for one in wanted:
            if one.identity in self._refused:
                failed(one, self._refused[one.identity])
            else:
                up.append(self._running[one.identity])
        return up

    def _start(self, wanted: Wanted) -> Running:
        port = self._next_port if wanted.job is not None else 0
        if port:
            self._next_port += 1
        environment = wanted.what.environment if isinstance(wanted.what, Server) else {}
        child = Child(wanted.command(port), environment=environment)
        return Running(wanted, child, port)

    def _wait(self, wanted: Wanted, core: int | None) -> None:
        running = self._running[wanted.identity]
        try:
            answer = running.child.answer(START_SECONDS)
        except ChildFailed as error:
            # Each system has its own words, but all have these.
            in_use = running.asked_port and "in use" in str(error).lower()
            text = f"port {running.asked_port} is in use" if in_use else f"does not start: {error}"
            self._refused[wanted.identity] = text
            self.drop(running)
            raise
        if wanted.job is not None:
            running.port = int(answer)
        if core is not None:
            pin(running.child.pid, core)

    def drop(self, running: Running) -> None:
        """End one that failed; whoever wants it again gets a new one."""
        running.failed = True
        if self._running.pop(running.wanted.identity, None) is not None:
            running.child.kill()
            running.child.close()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for running in self._running.values():
            running.child.end_input()
        for running in self._running.values():
            running.child.close()
        self._running.clear()


def servers_of(
    contenders: dict[str, list[Contender]], job: Job, needs: str, effort: Effort
) -> Iterator[Wanted]:
    """Yield the servers that can do the job, as many of each contender as the effort allows."""
    for module, of_module in contenders.items():
        for contender in of_module:
            able = [server for server in contender.servers() if needs in server.can]
            for server in effort.chosen(able):
                yield Wanted(module, contender.kind, server, job)


def clients_of(contenders: dict[str, list[Contender]], effort: Effort) -> Iterator[Wanted]:
    """Yield the clients, as many of each contender as the effort allows."""
    for module, of_module in contenders.items():
        for contender in of_module:
            for client in effort.chosen(contender.clients()):
                yield Wanted(module, contender.kind, client)
