"""Count the instructions of fastws' work with callgrind: on a busy machine as on a quiet one.

``python bench/instructions.py`` compares with ``instructions.json`` beside this file, and exits
with 1 if any work takes more by over 2 %; ``--update`` stores what it counts. Needs valgrind.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import fastws
from fastws.aio import serve
from fastws.bench.contenders import load
from fastws.bench.load import BINARY, frames, open_socket
from fastws.bench.sizes import KIB, format_size
from fastws.bench.workloads import WORKLOADS, payload

STORED = Path(__file__).with_name("instructions.json")
TOLERANCE = 0.02
SIZES = (125, 64 * KIB)
WARM_UP = 20
# As many units of work for each size, so that what is around them does not count.
UNITS = {125: 1000, 64 * KIB: 100}
ECHOES = (1, 64)
# Callgrind begins a new part of its output where this is called, and here nobody else calls it.
MARKER = "getppid"


def units_of(size: int) -> int:
    """Return how many units of work to count."""
    return UNITS.get(size, UNITS[125])


def works() -> Iterator[tuple[str, Callable[[], object], int, int]]:
    """Yield the name of each work, a function that does it, its units, and how often to call."""
    own = load("own")[0]
    for workload in WORKLOADS.values():
        for size in SIZES if workload.sizable else workload.sizes:
            call = workload.prepare(own, size)
            if call is not None and workload.quick:
                times = max(1, units_of(size) // call.count)
                yield f"{workload.name} {format_size(size)}", call.function(), call.count, times


def count_here() -> None:
    """Do all work, with the marker before and after each; print the units of each."""
    gc.disable()
    for name, work, units, times in works():
        for _ in range(WARM_UP):
            work()
        os.getppid()
        for _ in range(times):
            work()
        os.getppid()
        print(json.dumps([name, units * times]), flush=True)
    asyncio.run(count_echoes())


async def count_echoes() -> None:
    """Count what server, event loop and a bare client take for a message of 125 B."""

    async def echo(connection) -> None:
        async for message in connection:
            await connection.send(message)

    loop = asyncio.get_running_loop()
    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        sock = await loop.run_in_executor(None, open_socket, port)
        sock.setblocking(False)
        with sock:
            for in_flight in ECHOES:
                request, reply = (part * in_flight for part in frames(BINARY, payload(125)))
                times = units_of(125) // in_flight
                await mark(partial(exchange, sock, request, len(reply)), times)
                name = f"echo asyncio 125 B, {in_flight} at once"
                print(json.dumps([name, times * in_flight]), flush=True)


async def exchange(sock: socket.socket, request: bytes, length: int) -> None:
    """Send a request and take its reply, which has so many bytes."""
    loop = asyncio.get_running_loop()
    sock.send(request)
    while length:
        length -= len(await loop.sock_recv(sock, length))


async def mark(work: Callable[[], Awaitable[None]], times: int) -> None:
    """Do some work between two markers."""
    for _ in range(WARM_UP):
        await work()
    os.getppid()
    for _ in range(times):
        await work()
    os.getppid()


def count() -> dict[str, float]:
    """Return the instructions that one unit of each work takes, counted in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="fastws-instructions-") as folder:
        parts = Path(folder, "parts")
        counted = subprocess.run(
            [
                *("valgrind", "--tool=callgrind", f"--dump-before={MARKER}"),
                *(f"--callgrind-out-file={parts}", "--quiet"),
                *(sys.executable, __file__, "--inside"),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "FASTWS_EXTENSIONS": "1", "PYTHONHASHSEED": "0"},
        )
        if counted.returncode:
            sys.exit(f"valgrind ended with {counted.returncode}")
        found = {}
        for i, line in enumerate(counted.stdout.splitlines()):
            name, units = json.loads(line)
            # The first part ends before the first work; then they take turns.
            text = Path(f"{parts}.{2 * i + 2}").read_text(encoding="utf-8")
            found[name] = int(re.search(r"^totals: (\d+)$", text, re.MULTILINE)[1]) / units
        return found


def environment() -> str:
    """Return what instruction counts depend on, besides what is measured."""
    python = f"{platform.python_implementation()} {sys.version_info[0]}.{sys.version_info[1]}"
    return f"{python}, {platform.machine()}, {fastws.backend}"


def compare(stored: dict[str, float], found: dict[str, float]) -> bool:
    """Print every work; return whether none takes more than it may."""
    good = True
    for name, instructions in found.items():
        before = stored.get(name)
        if before is None:
            print(f"{name:<32}{instructions:>12,.1f}  new: run with --update")
            good = False
            continue
        change = instructions / before - 1
        verdict = "  more than stored" if change > TOLERANCE else ""
        good &= not verdict
        print(f"{name:<32}{instructions:>12,.1f}{change:>+8.2%}{verdict}")
    for name in stored.keys() - found.keys():
        print(f"{name:<32} is stored, and was not counted: run with --update")
        good = False
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--update", action="store_true", help="store what is counted")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        count_here()
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: apt-get install valgrind", file=sys.stderr)
        return 2
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    where = environment()
    if not options.update and where not in stored:
        print(f"nothing is stored for {where}: run with --update", file=sys.stderr)
        return 2
    print(f"instructions per unit of work: {where}")
    found = count()
    if options.update:
        stored[where] = {name: round(instructions, 1) for name, instructions in found.items()}
        STORED.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0 if compare(stored[where], found) else 1


if __name__ == "__main__":
    sys.exit(main())
