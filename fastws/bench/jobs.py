"""What a child process is asked to do: a server to echo or broadcast, a client to load one."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple

__all__ = ["Client", "Job", "Round", "Server"]


def _nobody_waits(port: int) -> None:
    raise AssertionError("a server calls ready() in its own process only")


@dataclass(frozen=True)
class Job:
    """How to serve: every message goes back to its sender, or to everybody.

    ``port`` 0 is any free one; ``certificate`` names a PEM file with key and certificate, empty for
    plain TCP; a server calls ``ready`` with its port once clients may connect. It sends no
    keepalive pings: not all can, and the load has no answer to them.
    """

    port: int = 0
    certificate: str = ""
    compression: bool = False
    broadcast: bool = False
    ready: Callable[[int], None] = field(default=_nobody_waits, compare=False)

    @property
    def needs(self) -> str:
        """What a server must be able to do for this: one of ``Server.can``."""
        if self.broadcast:
            return "broadcast"
        if self.certificate:
            return "tls"
        return "deflate" if self.compression else "echo"

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return what a server needs for TLS, or None for plain TCP."""
        if not self.certificate:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context

    def as_text(self) -> str:
        """Return it as one argument of a command."""
        settings = asdict(replace(self, ready=_nobody_waits))
        del settings["ready"]
        return json.dumps(settings)

    @classmethod
    def from_text(cls, text: str, ready: Callable[[int], None]) -> Job:
        """Return what ``as_text`` was given."""
        return cls(**json.loads(text), ready=ready)


class Server(NamedTuple):
    """One row of a table of servers.

    ``serve`` runs for ever in a process of its own; or ``command`` is a program that does, takes
    the job as its last argument and keeps to the conversation that ``serving`` describes.
    """

    title: str
    loop: str
    serve: Callable[[Job], None] | None = None
    can: frozenset[str] = frozenset({"echo"})
    quick: bool = True  # whether it takes part without --full
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        return f"{self.title} ({self.loop})"


class Round(NamedTuple):
    """What a client did in its time."""

    messages: int
    seconds: float
    cpu_seconds: float


class Client(NamedTuple):
    """One row of a table of clients; ``run`` takes a URI, a message and for how many seconds."""

    title: str
    loop: str
    run: Callable[[str, bytes, float], Round]
    quick: bool = True

    @property
    def name(self) -> str:
        return f"{self.title} ({self.loop})"
