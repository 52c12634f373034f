"""Python programs as child processes, and what they print, with time limits."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECONDS = 15


class Process:
    """A running program; leave the ``with`` block and it is gone."""

    def __init__(self, *arguments, **options):
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
        env.update(options.pop("env", {}))
        self._process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            **options,
        )
        self.pid = self._process.pid
        self._lines = queue.Queue()
        self._errors = []
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stdout, self._lines.put)),
            threading.Thread(target=self._read, args=(self._process.stderr, self._errors.append)),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream, put):
        with stream:
            for line in stream:
                put(line.decode().rstrip("\r\n"))

    def line(self, seconds=SECONDS):
        """The next line it prints."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"printed nothing; errors: {self._errors}") from None

    @property
    def errors(self):
        """The lines it has written to stderr so far."""
        return list(self._errors)

    def write(self, text):
        self._process.stdin.write(text.encode() if isinstance(text, str) else text)
        self._process.stdin.flush()

    def end_input(self):
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def signal(self, signum):
        self._process.send_signal(signum)

    def terminate(self):
        self._process.terminate()

    def kill(self):
        self._process.kill()
        self._process.wait()

    @property
    def running(self):
        return self._process.poll() is None

    def end(self):
        """Wait until it ends; return its exit code and what else it printed."""
        code = self._process.wait(SECONDS)
        for reader in self._readers:
            reader.join(SECONDS)
        output = []
        while not self._lines.empty():
            output.append(self._lines.get())
        return code, output, self._errors

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.kill()
        for reader in self._readers:
            reader.join(SECONDS)
        self.end_input()
