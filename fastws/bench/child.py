"""Child processes: start one, ask it questions with a time limit, and see that it ends."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import fastws

__all__ = ["Child", "ChildFailed"]

END_SECONDS = 3.0


class ChildFailed(Exception):
    """A child process did not start, stopped answering, or ended."""


class Child:
    """One child process; leave the ``with`` block and it is gone."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] = {},
    ) -> None:
        # A file, not a pipe: nobody has to read it for the child to go on.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        package = str(Path(fastws.__file__).parent.parent)
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": path, **environment},
        )
        self.pid = self._process.pid
        self._answers: queue.Queue[bytes] = queue.Queue()
        # Pipes cannot be read with a time limit everywhere; a queue can.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._answers.put(line)
        self._answers.put(b"")

    def answer(self, seconds: float) -> str:
        """Return the next line it writes; raises ChildFailed if there is none in time."""
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise ChildFailed(f"no answer within {seconds:g} s") from None
        if not line:
            raise ChildFailed(self._last_words())
        return line.decode().strip()

    def ask(self, question: str, seconds: float) -> str:
        """Write a line and return the line it answers."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{question}\n".encode())
            self._process.stdin.flush()
        except OSError:
            raise ChildFailed(self._last_words()) from None
        return self.answer(seconds)

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        code = self._process.returncode
        how = f"killed by signal {-code}" if code is not None and code < 0 else "ended"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        # The exception, if there is one, may be followed by what other threads had to say.
        errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
        last = (errors or lines or ["without a word"])[-1]
        # A number of the system's says nothing to people.
        return f"{how}: " + re.sub(r"\[Errno -?\d+\] ", "", last)

    def ended(self, seconds: float) -> str:
        """Return how it ended, or nothing if it still runs after so many seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return ""
        return self._last_words()

    @property
    def exit_code(self) -> int | None:
        """As subprocess has it: negative for a signal, None while it runs."""
        return self._process.poll()

    def end_input(self) -> None:
        """Ask it to end."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def close(self) -> None:
        """End it, by asking first."""
        self.end_input()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._errors.close()

    def kill(self) -> None:
        """End it now: it hangs."""
        self._process.kill()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
