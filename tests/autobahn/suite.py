"""Run cases of the Autobahn suite against our server or client, as processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["BACKENDS", "Run", "SuiteFailed", "end_all"]

HERE = Path(__file__).parent
BACKENDS = {"compiled": "1", "pure": "0"}
START_SECONDS = 30.0
END_SECONDS = 15.0

_lock = threading.Lock()
_ending = threading.Event()
_running: set[subprocess.Popen[str]] = set()


class SuiteFailed(Exception):
    """The suite, or the side under test, did not do its part."""


@dataclass(frozen=True)
class Run:
    """Cases against one role of one driver on one backend."""

    driver: str
    role: str
    backend: str
    cases: tuple[str, ...]
    folder: Path

    @property
    def agent(self) -> str:
        return f"fastws-{self.driver}-{self.backend}"

    def __call__(self, wstest: str, seconds: float) -> dict[str, dict[str, object]]:
        """Run; return the suite's verdict on each case."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.role == "server":
            self._test_server(wstest, seconds)
        else:
            self._test_client(wstest, seconds)
        index = self.folder / "index.json"
        if not index.exists():
            raise SuiteFailed("no report was written: see suite.log")
        results: dict[str, dict[str, object]] = json.loads(index.read_text()).get(self.agent, {})
        asked = re.search(r"will run (\d+) test cases", (self.folder / "suite.log").read_text())
        if asked is None or int(asked[1]) != len(results):
            raise SuiteFailed(f"only {len(results)} cases were run: see suite.log")
        return results

    def errors(self) -> str:
        """Return what the side under test wrote to its standard error, which should be nothing.

        A case may be OK although an exception got as far as a log.
        """
        log = self.folder / "errors.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def _test_server(self, wstest: str, seconds: float) -> None:
        with self._under_test("echo_server.py", self.driver) as server:
            port = _first_line(server)
            spec = {"servers": [{"agent": self.agent, "url": f"ws://127.0.0.1:{port}"}]}
            with self._suite(wstest, "fuzzingclient", spec) as suite:
                _wait(suite, seconds, "the fuzzing client")

    def _test_client(self, wstest: str, seconds: float) -> None:
        port = _free_port()
        url = f"ws://127.0.0.1:{port}"
        with self._suite(wstest, "fuzzingserver", {"url": url}) as suite:
            _wait_for_port(port, suite)
            with self._under_test("echo_client.py", self.driver, url, self.agent) as client:
                _wait(client, seconds, "the client under test")

    @contextlib.contextmanager
    def _suite(
        self, wstest: str, mode: str, spec: dict[str, object]
    ) -> Iterator[subprocess.Popen[str]]:
        spec = {"outdir": ".", "cases": self.cases, "exclude-cases": [], **spec}
        (self.folder / "spec.json").write_text(json.dumps(spec, indent=2))
        command = [wstest, "-u", "0", "-m", mode, "-s", "spec.json"]
        with (
            open(self.folder / "suite.log", "w") as log,
            _process(command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT) as suite,
        ):
            yield suite

    @contextlib.contextmanager
    def _under_test(self, script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        env = {
            **os.environ,
            "FASTWS_EXTENSIONS": BACKENDS[self.backend],
            "PYTHONPATH": str(HERE.parent.parent),
        }
        command = [sys.executable, str(HERE / script), *arguments]
        with (
            open(self.folder / "errors.log", "w") as log,
            _process(command, env=env, stdout=subprocess.PIPE, stderr=log) as process,
        ):
            yield process


@contextlib.contextmanager
def _process(
    command: list[str],
    *,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    stdout: IO[str] | int,
    stderr: IO[str] | int,
) -> Iterator[subprocess.Popen[str]]:
    with _lock:
        if _ending.is_set():
            raise SuiteFailed("told to end")
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )
        _running.add(process)
    try:
        yield process
    finally:
        _end(process)
        _running.discard(process)
        if process.stdout is not None:
            process.stdout.close()


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()  # how our own server is told to end; the suite takes no notice
    patience = 0.0 if process.stdout is None else END_SECONDS
    for seconds, ask in ((patience, process.terminate), (END_SECONDS, process.kill)):
        try:
            process.wait(seconds)
            return
        except subprocess.TimeoutExpired:
            ask()
    process.wait()


def end_all() -> None:
    """End every process that is running, and let no other start: their runs will fail."""
    with _lock:
        _ending.set()
        for process in list(_running):
            process.terminate()


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()  # ends at once if the process does
    if not line:
        raise SuiteFailed("the server under test did not start: see errors.log")
    return line


def _wait(process: subprocess.Popen[str], seconds: float, name: str) -> None:
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise SuiteFailed(f"{name} was not done after {seconds:.0f} s") from None
    if code:
        raise SuiteFailed(f"{name} ended with exit code {code}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


def _wait_for_port(port: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SuiteFailed("the fuzzing server did not start: see suite.log")
