"""What is measured: a scenario is one module with three functions, and one line here."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from ..figures import Results
from ..run import Run
from ..table import Table

__all__ = ["SCENARIOS", "Scenario", "load"]


class Scenario(NamedTuple):
    """What is asked, and the module that answers; ``optional`` runs only with --only or --full."""

    module: str
    question: str
    optional: bool = False


class Measures(Protocol):
    """What such a module has."""

    def measure(self, run: Run, scenario: str) -> None:
        """Add figures to ``run.results``, round by round, so that what is done stays."""

    def tables(self, results: Results, scenario: str) -> Iterator[Table]:
        """Yield what to show of them."""


SCENARIOS: dict[str, Scenario] = {
    "mask": Scenario("kernels", "masking, into new bytes and in place"),
    "utf8": Scenario("kernels", "validating UTF-8"),
    "parse": Scenario("kernels", "receiving messages, without I/O"),
    "serialize": Scenario("kernels", "making frames"),
    "deflate": Scenario("kernels", "compressing and decompressing messages"),
    "handshake": Scenario("kernels", "accepting an opening handshake, without I/O"),
    "echo": Scenario("echo", "a server's round trips, and many messages at once"),
    "large": Scenario("large", "a server's large messages"),
    "tls": Scenario("tls", "a server's round trips over TLS"),
    "broadcast": Scenario("broadcast", "one message to many connections"),
    "rooms": Scenario("rooms", "one message to a room, with and without brokers", optional=True),
    "latency": Scenario("latency", "how long replies take at a steady rate"),
    "connect": Scenario("connect", "connections accepted per second"),
    "memory": Scenario("memory", "bytes per idle connection"),
    "client": Scenario("client", "a client's round trips"),
    "uvicorn": Scenario("uvicorn", "an ASGI application under uvicorn", optional=True),
    "scale": Scenario("scale", "workers on several cores", optional=True),
    "accelerate": Scenario("accelerate", "others before and after fastws.accelerate()"),
}


def load(name: str) -> Measures:
    """Return the module of a scenario."""
    return cast(Measures, import_module(f".{SCENARIOS[name].module}", __name__))
