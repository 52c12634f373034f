"""How many connections a server accepts: opened, shaken hands with, closed, one after the other."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from functools import partial

from ..definition import frame_length
from ..figures import Key, Results
from ..fleet import Running
from ..jobs import Job, Round
from ..load import CLOSE_FRAME, NO_REPLY, REPLY_SECONDS, LoadFailed, request_for
from ..machine import pinned
from ..readiness import Readiness
from ..run import Run
from ..table import Spec, Table, matrix
from .serving import columns, places

__all__ = ["measure", "tables"]

AT_ONCE = (16,)


def measure(run: Run, scenario: str) -> None:
    """Time every server."""
    servers = run.servers(scenario, Job(), "echo")
    for at_once in run.connections(AT_ONCE, AT_ONCE):
        key = Key(scenario, "open and close", 0, at_once, "", "rate")
        run.by_turns(
            scenario,
            "open and close",
            servers,
            partial(_turn, run, key),
        )


def _turn(run: Run, key: Key, running: Running) -> None:
    with pinned(run.load_core):
        before = running.cpu_seconds()
        done = open_and_close(running.port, key.connections, run.effort.server_seconds)
        cpu = running.cpu_seconds() - before
    run.add_round(key._replace(contender=running.name), running, done, cpu)


def open_and_close(port: int, at_once: int, seconds: float) -> Round:
    """Keep ``at_once`` connections under way for ``seconds``; return how many came and went."""
    request = request_for(port)
    start, start_cpu = time.perf_counter(), time.thread_time()
    end = start + seconds
    under_way: dict[int, _Visit] = {}
    done = 0
    with Readiness() as ready:
        try:
            for _ in range(at_once):
                _begin(port, request, under_way, ready)
            while under_way:
                found = ready.wait(REPLY_SECONDS)
                if not found:
                    raise LoadFailed(NO_REPLY)
                for descriptor in found:
                    visit = under_way[descriptor]
                    if visit.go_on():
                        continue
                    done += 1
                    ready.remove(descriptor)
                    under_way.pop(descriptor).sock.close()
                    if time.perf_counter() < end:
                        _begin(port, request, under_way, ready)
        finally:
            for visit in under_way.values():
                visit.sock.close()
    return Round(done, time.perf_counter() - start, time.thread_time() - start_cpu)


def _begin(port: int, request: bytes, under_way: dict[int, _Visit], ready: Readiness) -> None:
    sock = socket.create_connection(("127.0.0.1", port), REPLY_SECONDS)
    sock.setblocking(True)
    under_way[sock.fileno()] = _Visit(sock)
    ready.add(sock.fileno())
    sock.sendall(request)


class _Visit:
    """One connection: a response, then both closing frames, then its end."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._received = b""
        self._opened = False

    def go_on(self) -> bool:
        """Take what has arrived; return whether there is more to come."""
        piece = self.sock.recv(4096)
        self._received += piece
        if not self._opened:
            if not piece:
                raise LoadFailed("connection closed in the handshake")
            head, separator, rest = self._received.partition(b"\r\n\r\n")
            if separator:
                if not head.startswith(b"HTTP/1.1 101 "):
                    raise LoadFailed(f"no WebSocket: {head.splitlines()[0].decode()}")
                self._opened = True
                self._received = rest
                self.sock.sendall(CLOSE_FRAME)
            return True
        # The server closes first (RFC 6455 §7.1.1), but some wait for the client.
        frame = self._received
        return bool(piece) and not (len(frame) >= 2 and len(frame) >= frame_length(frame))


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield one table."""
    specs: list[Spec] = []
    for place in places(results, scenario):
        group = f"{place[2]} at once"
        specs += columns(results, scenario, place, group, "opened/s")
    if specs:
        note = "TCP, opening handshake and closing handshake of each; plain, no extension"
        yield matrix(results, scenario, "connections accepted", specs, [note])
