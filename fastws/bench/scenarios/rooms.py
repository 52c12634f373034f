"""Rooms: one message to many sockets, over memory and over the brokers that are installed."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Iterator
from importlib.util import find_spec

from .. import rooms
from ..contenders import Kind
from ..figures import Key, Results
from ..machine import pinned
from ..run import Run
from ..table import Spec, Table, matrix
from .serving import columns, places, size_title

__all__ = ["measure", "tables"]

SIZES = (64,)
WARM_UP_SECONDS = 0.2
SETTLE_SECONDS = 0.5  # those that subscribe for each socket are still at it
KINDS = {"fastws": Kind.OWN, "bare socket": Kind.LIMIT}
RECEIVERS = {"quick": 200, "full": 1000, "tiny": 5}


def measure(run: Run, scenario: str) -> None:
    """Time everyone who is installed, one server process, one room."""
    if not hasattr(select, "epoll"):
        run.results.notes[scenario] = "needs epoll, so Linux"
        return
    receivers = (RECEIVERS[run.effort.name],)
    for kind, broker, modules in rooms.CONTENDERS:
        with contextlib.ExitStack() as stack:
            url, _ = stack.enter_context(rooms.broker(broker))
            if url is None or any(find_spec(module) is None for module in modules):
                continue
            for connections in run.connections(receivers, receivers):
                _measure(run, scenario, (kind, broker, url), connections)


def _measure(run: Run, scenario: str, who: tuple[str, str, str], receivers: int) -> None:
    kind, broker, url = who
    name = f"{kind} ({broker})"
    of = KINDS.get(kind, Kind.PEER)
    run.progress(f"{name}, {receivers} receivers")
    place = rooms.Scenario("", 1, 1, receivers)
    try:
        with contextlib.ExitStack() as stack:
            server = rooms.Server(kind, url, 1, run.server_core)
            stack.callback(server.end)
            stack.enter_context(pinned(run.load_core))
            sockets = rooms.Sockets(place, [server])
            stack.callback(sockets.close)
            time.sleep(SETTLE_SECONDS)
            for size in run.sizes(SIZES, SIZES):
                rooms.throughput([server], sockets, place, size, 1, WARM_UP_SECONDS)
                for _ in range(run.effort.server_rounds):
                    seconds = run.effort.server_seconds
                    done = rooms.throughput([server], sockets, place, size, 1, seconds)
                    key = Key(scenario, "deliveries", size, receivers, name, "rate")
                    run.results.add(key, of, done.deliveries)
                    cpu = key._replace(quantity="cpu")
                    run.results.add(cpu, of, done.cpu_microseconds / 1e6)
    except (RuntimeError, OSError) as error:
        run.blame(scenario, name, of, str(error))


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield one table: deliveries per second, and the CPU time of each."""
    specs: list[Spec] = []
    for place in places(results, scenario):
        group = f"{size_title(place[1])}, {place[2]} receivers"
        specs += columns(results, scenario, place, group, "sent/s")
    if specs:
        note = "per message received by one socket; of servers, not of brokers"
        yield matrix(results, scenario, "rooms", specs, [note])
