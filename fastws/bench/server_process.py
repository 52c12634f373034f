"""Start an echo server, ask for its CPU time, and see that it ends."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import fastws

__all__ = ["ServerFailed", "ServerProcess"]

START_SECONDS = 15.0
ANSWER_SECONDS = 5.0
END_SECONDS = 3.0


class ServerFailed(Exception):
    """A server did not start, or stopped answering."""


class ServerProcess:
    """One child process; leave the ``with`` block and it is gone."""

    def __init__(self, *server: str, core: int | None = None, command: Sequence[str] = ()) -> None:
        command = command or ("-m", "fastws.bench.echo_server", *server)
        # A file, not a pipe: nobody has to read it for the server to go on.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in __exit__)
        package = str(Path(fastws.__file__).parent.parent)
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": path},
        )
        if core is not None:
            os.sched_setaffinity(self._process.pid, {core})
        self._answers: queue.Queue[bytes] = queue.Queue()
        # Pipes cannot be read with a time limit everywhere; a queue can.
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._answers.put(line)
        self._answers.put(b"")

    def _answer(self, seconds: float) -> bytes:
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise ServerFailed(f"no answer within {seconds:.0f} s") from None
        if not line:
            raise ServerFailed(self._last_words())
        return line

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"ended: {lines[-1]}" if lines else "ended without a word"

    def port(self) -> int:
        """Wait until clients may connect; call once."""
        return int(self._answer(START_SECONDS))

    def cpu_seconds(self) -> float:
        """Return the CPU time the server has used so far."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        except OSError:
            raise ServerFailed(self._last_words()) from None
        return float(self._answer(ANSWER_SECONDS))

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()
