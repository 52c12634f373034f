"""One run: who takes part, for how long, and what was found so far."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .child import ChildFailed
from .contenders import Contender, Kind
from .effort import QUICK, Effort
from .figures import Key, Problem, Results
from .fleet import Fleet, Running, Wanted, clients_of, servers_of
from .jobs import Job, Round
from .load import NO_REPLY, TOO_LATE, LoadFailed
from .machine import two_cores

__all__ = ["Options", "Run"]

# Beyond this share of its core a process has no time left.
BUSY = 0.9
ENDING_SECONDS = 1.0


def _silent(text: str) -> None:
    pass


@dataclass(frozen=True)
class Options:
    """What the command line said; empty sizes and connections are each scenario's own."""

    effort: Effort = QUICK
    only: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    connections: tuple[int, ...] = ()
    port: int = 0


@dataclass
class Run:
    """What a scenario is given: it asks for servers, takes turns, and adds figures."""

    options: Options
    contenders: dict[str, list[Contender]]
    results: Results = field(default_factory=Results)
    progress: Callable[[str], None] = _silent
    fleet: Fleet = field(default_factory=Fleet)

    def __post_init__(self) -> None:
        self.server_core, self.load_core = two_cores()

    @property
    def effort(self) -> Effort:
        return self.options.effort

    def sizes(self, quick: Sequence[int], full: Sequence[int]) -> Sequence[int]:
        """Return the payload sizes asked for, or these."""
        return self.options.sizes or (full if self.effort.full else quick)

    def connections(self, quick: Sequence[int], full: Sequence[int]) -> Sequence[int]:
        """Return the numbers of connections asked for, or these."""
        return self.options.connections or (full if self.effort.full else quick)

    def servers(
        self, scenario: str, job: Job, needs: str = "", *, number: int = 0
    ) -> list[Running]:
        """Return the servers that can do the job, up and running, on their core.

        They are those that did the same job before; with another ``number``, others.
        """
        self.progress("starting the servers")
        found = servers_of(self.contenders, job, needs or job.needs, self.effort)
        wanted = [one._replace(number=number) for one in found]
        return self.start(scenario, wanted, self.server_core)

    def clients(self, scenario: str) -> list[Running]:
        """Return the clients, up and running, on the core of what is measured."""
        self.progress("starting the clients")
        wanted = clients_of(self.contenders, self.effort)
        return self.start(scenario, wanted, self.server_core)

    def start(self, scenario: str, wanted: Iterable[Wanted], core: int | None) -> list[Running]:
        """Return these processes, up and running; whoever does not start is a problem."""

        def failed(one: Wanted, why: str) -> None:
            self.results.problems.append(Problem(scenario, one.name, one.kind, why))

        return self.fleet.get(wanted, failed, core)

    def by_turns(
        self,
        scenario: str,
        what: str,
        contestants: Sequence[Running],
        turn: Callable[[Running], None],
    ) -> None:
        """Let each take its turn in every round; who fails is left out from there on."""
        rounds = self.effort.server_rounds
        for number in range(rounds):
            for running in contestants:
                if running.failed:
                    continue
                self.progress(f"{what}, round {number + 1} of {rounds}, {running.name}")
                with self._blamed(scenario, running):
                    turn(running)

    def once(self, scenario: str, running: Running, turn: Callable[[Running], None]) -> None:
        """Let one take one turn; its failure is a problem, and the rest goes on."""
        with self._blamed(scenario, running):
            turn(running)

    @contextlib.contextmanager
    def _blamed(self, scenario: str, running: Running) -> Iterator[None]:
        """Keep one contender's failure to itself."""
        try:
            yield
        except (LoadFailed, ChildFailed, OSError) as error:
            late = NO_REPLY if isinstance(error, TOO_LATE) else ""
            # What closed its connections may be about to end.
            ended = running.child.ended(0 if late else ENDING_SECONDS)
            text = ended or late or str(error) or type(error).__name__
            self.results.problems.append(Problem(scenario, running.name, running.kind, text))
            self.fleet.drop(running)

    def add(self, key: Key, running: Running, value: float) -> None:
        """Add one figure of one round."""
        self.results.add(key, running.kind, value)

    def add_round(
        self, key: Key, running: Running, done: Round, cpu_seconds: float, processes: int = 1
    ) -> None:
        """Add what a load did, and the CPU time it cost the server, or all its ``processes``."""
        limited = (
            self.load_core is not None
            and done.cpu_seconds > BUSY * done.seconds
            and cpu_seconds < BUSY * done.seconds * processes
        )
        rate, cpu = key._replace(quantity="rate"), key._replace(quantity="cpu")
        self.results.add(rate, running.kind, done.messages / done.seconds, load_limited=limited)
        self.results.add(cpu, running.kind, cpu_seconds / done.messages)

    def blame(self, scenario: str, contender: str, kind: Kind, text: str) -> None:
        """Say who could not do what."""
        self.results.problems.append(Problem(scenario, contender, kind, text))
