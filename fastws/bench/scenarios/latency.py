"""How long replies take when messages come at a steady rate, whether or not the last is answered.

The time counts from when a message was due, not from when it could be sent: a server that stops for
a moment is charged for every message of that moment.
"""

from __future__ import annotations

import math
import socket
import time
from collections import deque
from collections.abc import Iterator
from functools import partial

from ..figures import Key, Results
from ..fleet import Running
from ..jobs import Job
from ..load import BINARY, NO_REPLY, REPLY_SECONDS, LoadFailed, frames, open_socket, receive
from ..machine import pinned
from ..readiness import Readiness
from ..run import Run
from ..table import Spec, Table, matrix, microseconds
from ..workloads import payload
from .serving import connections_title, places, size_title

__all__ = ["measure", "percentile", "tables"]

SIZES = (64,)
CONNECTIONS = (50,)
PER_SECOND = 5000
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
# As many times as long as a round of others: the slowest of a thousand has to be seen.
ROUND_LENGTHS = 3


def percentile(values: list[float], share: float) -> float:
    """Return the smallest of the values that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def measure(run: Run, scenario: str) -> None:
    """Time every server."""
    servers = run.servers(scenario, Job(), "echo")
    for size in run.sizes(SIZES, SIZES):
        for connections in run.connections(CONNECTIONS, CONNECTIONS):
            key = Key(scenario, f"{PER_SECOND:,} messages/s", size, connections, "", "p50")
            run.by_turns(
                scenario,
                size_title(size),
                servers,
                partial(_turn, run, key),
            )


def _turn(run: Run, key: Key, running: Running) -> None:
    seconds = run.effort.server_seconds * ROUND_LENGTHS
    with pinned(run.load_core):
        waits, late = steady_load(
            running.port, payload(key.size), key.connections, PER_SECOND, seconds
        )
    for quantity, share in PERCENTILES.items():
        if len(waits) * (1 - share) < 1:
            continue  # so few that it would be the slowest one
        at = key._replace(contender=running.name, quantity=quantity)
        run.results.add(at, running.kind, percentile(waits, share), load_limited=late)


def steady_load(
    port: int, message: bytes, connections: int, per_second: float, seconds: float
) -> tuple[list[float], bool]:
    """Return how long each reply took after its message was due, and whether we were late."""
    request, reply = frames(BINARY, message)
    sockets = []
    try:
        for _ in range(connections):
            sock = open_socket(port)
            sockets.append(sock)
            sock.sendall(request)
            view = memoryview(bytearray(len(reply)))
            receive(sock, view)
            if view != reply:
                raise LoadFailed("the echo is not what was sent")
        return _Steady(sockets, request, len(reply)).run(per_second, seconds)
    finally:
        for sock in sockets:
            sock.close()


class _Steady:
    """Connections that take turns in sending; replies come back in order on each."""

    def __init__(self, sockets: list[socket.socket], request: bytes, length: int) -> None:
        self._sockets = {sock.fileno(): sock for sock in sockets}
        self._due: dict[int, deque[float]] = {descriptor: deque() for descriptor in self._sockets}
        self._missing = dict.fromkeys(self._sockets, length)
        self._request = request
        self._length = length
        self._buffer = bytearray(1 << 16)

    def run(self, per_second: float, seconds: float) -> tuple[list[float], bool]:
        """Send for ``seconds``, then wait for what is still under way."""
        order = list(self._sockets)
        total = max(1, int(per_second * seconds))
        waits: list[float] = []
        sent, latest = 0, 0.0
        with Readiness() as ready:
            for descriptor in order:
                ready.add(descriptor)
            start = time.perf_counter()
            while len(waits) < total:
                now = time.perf_counter()
                while sent < total and (due := start + sent / per_second) <= now:
                    descriptor = order[sent % len(order)]
                    self._due[descriptor].append(due)
                    self._sockets[descriptor].sendall(self._request)
                    sent += 1
                    latest = max(latest, now - due)
                # Waking up takes longer than looking again, on a core of our own.
                found = ready.wait(0 if sent < total else REPLY_SECONDS)
                if not found and sent == total:
                    raise LoadFailed(NO_REPLY)
                for descriptor in found:
                    self._take(descriptor, waits)
        # Sending this late on the whole means that we could not keep up.
        return waits, latest > 0.01

    def _take(self, descriptor: int, waits: list[float]) -> None:
        nbytes = self._sockets[descriptor].recv_into(self._buffer)
        if nbytes == 0:
            raise LoadFailed("connection closed")
        now = time.perf_counter()
        missing = self._missing[descriptor] - nbytes
        while missing <= 0:
            waits.append(now - self._due[descriptor].popleft())
            missing += self._length
        self._missing[descriptor] = missing


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield one table: a column for each percentile."""
    specs = []
    for place in places(results, scenario):
        group = f"{size_title(place[1])}, {connections_title(place[2])}"
        for quantity in PERCENTILES:
            figures = results.column(scenario, *place, quantity)
            specs.append(Spec(group, f"{quantity} µs", figures, microseconds))
    if specs:
        title = f"latency, {places(results, scenario)[0][0]}"
        note = "from when a message was due to when its reply was there"
        yield matrix(results, scenario, title, specs, [note])
