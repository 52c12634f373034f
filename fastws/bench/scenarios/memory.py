"""What an idle connection costs in memory, with and without compression."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from .. import definition
from ..figures import Key, Results
from ..fleet import Running
from ..jobs import Job
from ..load import BINARY, MASKING_KEY, LoadFailed, open_socket
from ..run import Run
from ..table import Spec, Table, kilobytes, matrix
from ..workloads import records

__all__ = ["measure", "tables"]

# What these cost is the same for the first ones: threads, caches, buffers that all share.
WARM_UP = 30
RSV1 = 0x40
FRESH = 1
MESSAGE = records(256)[0]


def measure(run: Run, scenario: str) -> None:
    """Count bytes of every server."""
    for work, job in (("plain", Job()), ("compressed", Job(compression=True))):
        # New processes, so that nothing is left of what they did before.
        servers = run.servers(scenario, job, number=FRESH)
        for connections in run.connections((run.effort.idle,), (run.effort.idle,)):
            key = Key(scenario, work, 0, connections, "", "memory")
            for running in servers:
                run.once(scenario, running, partial(_count, run, key))


def _count(run: Run, key: Key, running: Running) -> None:
    run.progress(f"{key.work}, {key.connections} connections, {running.name}")
    with ExitStack() as opened:
        before = _memory_with(WARM_UP, key, running, opened)
        after = _memory_with(key.connections, key, running, opened)
    at = key._replace(contender=running.name)
    run.add(at, running, (after - before) / key.connections)


def _memory_with(more: int, key: Key, running: Running, opened: ExitStack) -> int:
    """Return the bytes in use once so many more connections are open, and idle."""
    compressed = key.work == "compressed"
    for _ in range(more):
        sock = opened.enter_context(open_socket(running.port, offer=compressed))
        _exchange(sock, compressed)
    used = running.memory()
    if used is None:
        raise LoadFailed("this system does not tell how much memory a process uses")
    return used


def _exchange(sock: socket.socket, compressed: bool) -> None:
    """Send one message and take its echo."""
    opcode, sent = BINARY, MESSAGE
    if compressed:
        [sent] = definition.deflate([MESSAGE])
        opcode |= RSV1
    sock.sendall(definition.serialize_frame(opcode, sent, MASKING_KEY))
    frame = bytearray()
    while len(frame) < 2 or len(frame) < definition.frame_length(frame):
        piece = sock.recv(4096)
        if not piece:
            raise LoadFailed("connection closed")
        frame += piece
    if frame[0] & RSV1:
        frame[0] ^= RSV1
        [echo] = definition.inflate([definition.parse_frame(bytes(frame))[1]])
    else:
        echo = definition.parse_frame(bytes(frame))[1]
    if echo != MESSAGE:
        raise LoadFailed("the echo is not what was sent")


def tables(results: Results, scenario: str) -> Iterator[Table]:
    """Yield one table: a column with compression, one without."""
    specs = []
    for _, work, size, connections, _, quantity in dict.fromkeys(
        figure.key._replace(contender="") for figure in results.of(scenario)
    ):
        figures = results.column(scenario, work, size, connections, quantity)
        specs.append(Spec(f"{connections} connections", f"{work}, kB", figures, kilobytes))
    if specs:
        notes = [
            "resident memory of the process per idle connection, after one message each way;",
            "the system's own buffers are not in it, nor the stacks of threads until used",
        ]
        yield matrix(results, scenario, "memory of an idle connection", specs, notes)
