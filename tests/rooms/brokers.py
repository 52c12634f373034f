"""Real brokers for tests: each on a port and in a directory of its own, gone at the end."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS = 10
TRIES = 5


def free_port():
    """A port that was free a moment ago, and that the system gives to nobody by itself.

    Others connect while a broker is away, and must not get its port meanwhile.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


class Broker:
    """A server process that can be killed, stopped and started again on the same port."""

    program = ""

    def __init__(self, directory, **options):
        self.directory = Path(directory)
        self.options = options
        self.port = 0
        self._process = None

    @classmethod
    def path(cls):
        return shutil.which(cls.program) or shutil.which(cls.program, path="/usr/sbin:/sbin")

    @property
    def pid(self):
        return self._process.pid

    def command(self):
        raise NotImplementedError

    def start(self):
        """Start it where it was, or on any free port; return when it answers."""
        first = not self.port
        for _ in range(TRIES if first else 1):
            if first:
                self.port = free_port()
            with open(self.directory / "log", "ab") as log:
                self._process = subprocess.Popen(self.command(), stdout=log, stderr=log)
            if self._wait_until_it_answers():
                return self
            self.kill()
        raise AssertionError((self.directory / "log").read_text()[-2000:])

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                    if self.answers(sock):
                        return True
            except OSError:
                pass
            time.sleep(0.01)
        return False

    def answers(self, sock):
        raise NotImplementedError

    def kill(self):
        """End it as ``kill -9`` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def restart(self):
        self.kill()
        self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        if self._process is not None and self._process.poll() is None:
            self.resume()
        self.kill()


class Redis(Broker):
    """A Redis that writes each command to its file before it answers."""

    program = "redis-server"

    @property
    def url(self):
        secret = f":{self.options['requirepass']}@" if "requirepass" in self.options else ""
        return f"redis://{secret}127.0.0.1:{self.port}"

    def command(self):
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self.directory,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            **self.options,
        }
        given = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        return [self.path(), *given]

    def answers(self, sock):
        sock.sendall(b"PING\r\n")
        return sock.recv(100).startswith((b"+PONG", b"-NOAUTH"))

    def call(self, *words):
        """Run a command; return the first bytes of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
            sock.sendall(" ".join(map(str, words)).encode() + b"\r\n")
            return sock.recv(65536)


class Valkey(Redis):
    program = "valkey-server"

    @property
    def url(self):
        return super().url.replace("redis", "valkey", 1)


class Nats(Broker):
    """A NATS server with JetStream."""

    program = "nats-server"

    @property
    def url(self):
        user = f"{self.options['user']}:{self.options['pass']}@" if "user" in self.options else ""
        return f"nats://{user}127.0.0.1:{self.port}"

    def command(self):
        options = {"user": None, **self.options}
        given = [part for name, value in options.items() if value for part in (f"--{name}", value)]
        store = ["-js", "-sd", str(self.directory / "store")]
        return [self.path(), "-a", "127.0.0.1", "-p", str(self.port), *store, *given]

    def answers(self, sock):
        return sock.recv(2000).startswith(b"INFO")


KINDS = {"redis": Redis, "nats": Nats}
