"""Real brokers for tests: each on a port and in a directory of its own, gone at the end."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import socket
import ssl
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
    schemes = ("", "")  # of URLs, without TLS and with it
    client = ""  # the package that speaks to it

    def __init__(self, directory, tls=None, namespace=None, **options):
        self.directory = Path(directory)
        self.options = options
        self.tls = tls
        self.host = namespace.hosts[0] if namespace else "127.0.0.1"
        self._prefix = namespace.prefix if namespace else []
        self.port = 0
        self._process = None

    @classmethod
    def path(cls):
        return shutil.which(cls.program) or shutil.which(cls.program, path="/usr/sbin:/sbin")

    @property
    def pid(self):
        return self._process.pid

    @property
    def url(self):
        return self.url_at(self.host, self.port)

    def url_at(self, host, port):
        """Its URL through somebody else."""
        query = f"?ssl_ca_certs={self.tls.authority}" if self.tls else ""
        scheme = self.schemes[self.tls is not None]
        return f"{scheme}://{self.credentials}{host}:{port}{query}"

    @property
    def credentials(self):
        return ""

    def command(self):
        """Its command line; options are those of its own, and replace these."""
        options = {**self.default_options(), **(self.tls_options() if self.tls else {})}
        options.update(self.options)
        given = [(f"--{name}", str(value)) for name, value in options.items() if value is not None]
        return [self.path(), *(part for option in given for part in option)]

    def default_options(self):
        raise NotImplementedError

    def tls_options(self):
        raise NotImplementedError

    def start(self):
        """Start it where it was, or on any free port; return when it answers."""
        first = not self.port
        for _ in range(TRIES if first else 1):
            if first:
                self.port = free_port()
            with open(self.directory / "log", "ab") as log:
                self._process = subprocess.Popen(
                    [*self._prefix, *self.command()], stdout=log, stderr=log
                )
            if self._wait_until_it_answers():
                return self
            self.kill()
        raise AssertionError((self.directory / "log").read_text()[-2000:])

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with socket.create_connection((self.host, self.port), 1) as sock:
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
    schemes = ("redis", "rediss")
    client = "redis"

    @property
    def credentials(self):
        return f":{self.options['requirepass']}@" if "requirepass" in self.options else ""

    def default_options(self):
        return {
            "port": self.port,
            "bind": "0.0.0.0" if self._prefix else self.host,
            "protected-mode": "no",
            "dir": self.directory,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
        }

    def tls_options(self):
        return {
            "port": 0,
            "tls-port": self.port,
            "tls-cert-file": self.tls.certificate,
            "tls-key-file": self.tls.key,
            "tls-ca-cert-file": self.tls.authority,
            "tls-auth-clients": "no",
        }

    def answers(self, sock):
        if self.tls is not None:
            context = ssl.create_default_context(cafile=self.tls.authority)
            context.load_cert_chain(self.tls.certificate, self.tls.key)
            sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
        with sock:
            sock.sendall(b"PING\r\n")
            return sock.recv(100).startswith((b"+PONG", b"-NOAUTH"))

    def call(self, *words):
        """Run a command; return the first bytes of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
            sock.sendall(" ".join(map(str, words)).encode() + b"\r\n")
            return sock.recv(65536)


class Valkey(Redis):
    program = "valkey-server"
    schemes = ("valkey", "valkeys")


class Nats(Broker):
    """A NATS server with JetStream."""

    program = "nats-server"
    schemes = ("nats", "tls")
    client = "nats"

    @property
    def credentials(self):
        return f"{self.options['user']}:{self.options['pass']}@" if "user" in self.options else ""

    def command(self):
        asks = "--tlsverify" if "tlscacert" in self.options else "--tls"
        return [*super().command(), "-js", *([asks] if self.tls else [])]

    def default_options(self):
        address = "0.0.0.0" if self._prefix else self.host
        return {"addr": address, "port": self.port, "store_dir": self.directory / "store"}

    def tls_options(self):
        return {"tlscert": self.tls.certificate, "tlskey": self.tls.key}

    def answers(self, sock):
        return sock.recv(2000).startswith(b"INFO")


KINDS = {"redis": Redis, "valkey": Valkey, "nats": Nats}
