"""Several processes that serve on one port: started, watched, replaced and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from .errors import CommandError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Coroutine
    from typing import Any

    Command = Callable[[Namespace], Coroutine[Any, Any, int]]

__all__ = ["lifeline", "supervise", "worker_number"]

_VARIABLE = "FASTWS_WORKER"

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
# A worker that lived so long is replaced at once.
_STEADY_SECONDS = 5.0


def worker_number() -> int | None:
    """Return which worker this process is, counted from 0; None if it is none."""
    number = os.environ.get(_VARIABLE)
    return None if number is None else int(number)


def lifeline(command: Command) -> Command:
    """Return a worker's command, which ends when its supervisor does.

    At SIGHUP it ends too, with ``options.restarting``: another takes its place.
    """

    async def run(options: Namespace) -> int:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        loop.add_signal_handler(signal.SIGHUP, _retire, options, task)
        # Nothing is ever written to it: it can be read when the supervisor is gone.
        loop.add_reader(sys.stdin.fileno(), _end, loop, task)
        try:
            return await command(options)
        finally:
            loop.remove_reader(sys.stdin.fileno())

    return run


def _retire(options: Namespace, task: asyncio.Task[Any]) -> None:
    options.restarting = True
    task.cancel()


def _end(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    loop.remove_reader(sys.stdin.fileno())
    task.cancel()


async def supervise(options: Namespace) -> int:
    """Run workers until this is cancelled; return the exit code."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise CommandError("--workers needs SO_REUSEPORT, which this system does not have")
    with _reserve(options.host, options.port) as reserved:
        supervisor = _Supervisor(options, reserved.getsockname()[1])
        try:
            return await supervisor.run()
        finally:
            supervisor.kill()


def _reserve(host: str, port: int) -> socket.socket:
    """Return a socket that has the port, so that it stays ours; it does not listen."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}: {error.strerror}") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise CommandError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return sock


class _Worker:
    """One process that serves, or is about to."""

    def __init__(self, number: int, command: list[str]) -> None:
        self.number = number
        self.wanted = True
        self.line = ""  # what it said when it began to listen
        self.ended = False
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> bool:
        """Start it, and wait until it listens; False if it ended instead."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, _VARIABLE: str(self.number)},
        )
        assert self._process.stdout is not None
        self.line = (await self._process.stdout.readline()).decode().strip()
        self.ended = not self.line
        return not self.ended

    async def wait(self) -> int:
        """Wait until it has ended; return its exit code."""
        assert self._process is not None
        return await self._process.wait()

    def signal(self, signum: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signum)

    def __str__(self) -> str:
        pid = self._process.pid if self._process is not None else "none"
        return f"worker {self.number} (process {pid})"


class _Supervisor:
    def __init__(self, options: Namespace, port: int) -> None:
        arguments = [*options.arguments, "--port", str(port)]
        self._command = [sys.executable, "-m", "fastws", *arguments]
        self._count = options.workers
        self._workers: dict[int, _Worker] = {}
        self._old: set[_Worker] = set()
        self._keepers: set[asyncio.Task[None]] = set()
        self._restarting: asyncio.Task[None] | None = None

    async def run(self) -> int:
        workers = [_Worker(number, self._command) for number in range(self._count)]
        self._workers = dict(enumerate(workers))
        # What is wrong is wrong for all: let one say it.
        started = await workers[0].start() and all(
            await asyncio.gather(*(worker.start() for worker in workers[1:]))
        )
        if not started:
            return max([await worker.wait() for worker in workers if worker.ended]) or 1
        for worker in workers:
            self._keep(worker)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._restart)
        print(f"{self._workers[0].line}, {self._count} workers", flush=True)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await self._stop()
        return 0

    def _keep(self, worker: _Worker) -> None:
        keeper = asyncio.ensure_future(self._replace(worker))
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)

    async def _replace(self, worker: _Worker) -> None:
        """Start a worker again whenever it ends, until it is not wanted any more."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            since = loop.time()
            code = await worker.wait()
            self._old.discard(worker)
            if not worker.wanted:
                return
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            _say(f"{worker} ended with {how}: starting it again")
            if loop.time() - since > _STEADY_SECONDS:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            if not worker.wanted:
                return
            await worker.start()

    def _restart(self) -> None:
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.ensure_future(self._restart_all())

    async def _restart_all(self) -> None:
        """Put a new worker in the place of each, one after the other."""
        for number in range(self._count):
            new, old = _Worker(number, self._command), self._workers[number]
            if not await new.start():
                _say(f"{new} did not start: the old workers go on")
                return
            self._workers[number] = new
            self._keep(new)
            self._retire(old, signal.SIGHUP)
            while old in self._old:
                await asyncio.sleep(0.05)
        _say("all workers were replaced")

    def _retire(self, worker: _Worker, signum: int) -> None:
        worker.wanted = False
        self._old.add(worker)
        worker.signal(signum)

    async def _stop(self) -> None:
        if self._restarting is not None:
            self._restarting.cancel()
        for worker in list(self._workers.values()):
            self._retire(worker, signal.SIGTERM)
        if self._keepers:
            await asyncio.wait(self._keepers)

    def kill(self) -> None:
        """End what is left, without a word."""
        for worker in [*self._workers.values(), *self._old]:
            worker.wanted = False
            worker.signal(signal.SIGKILL)


def _say(text: str) -> None:
    print(f"fastws serve: {text}", file=sys.stderr, flush=True)
