"""Who is compared: one small module per package; a missing or broken one never stops the rest."""

from __future__ import annotations

import enum
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any, NamedTuple

from ..jobs import Client, Server

__all__ = [
    "PACKAGES",
    "Absent",
    "Call",
    "Contender",
    "Kind",
    "Missing",
    "Package",
    "load",
    "load_all",
    "version",
]


class Package(NamedTuple):
    """What the contenders of a module here need; nothing, if they are part of Python or fastws."""

    distribution: str = ""
    imported: str = ""

    @property
    def install(self) -> str:
        """The command that brings it."""
        return f"pip install {self.distribution}"


# By the name of the module here, which is what --peers takes.
PACKAGES: dict[str, Package] = {
    "own": Package(),
    "picows": Package("picows", "picows"),
    "websockets": Package("websockets", "websockets"),
    "aiohttp": Package("aiohttp", "aiohttp"),
    "tornado": Package("tornado", "tornado"),
    "uvicorn": Package("uvicorn starlette", "uvicorn"),
    "wsproto": Package("wsproto", "wsproto"),
    "autobahn": Package("autobahn", "autobahn"),
    "websocket_client": Package("websocket-client", "websocket"),
    "websocket_rs": Package("websocket-rs", "websocket_rs"),
    "wsaccel": Package("wsaccel", "wsaccel"),
    "node_ws": Package(),
    "builtin": Package(),
}


class Kind(enum.Enum):
    """What a contender is to the reader of a table."""

    OWN = "own"
    PEER = "peer"
    LIMIT = "limit"  # no WebSocket code at all: what the machine allows


class Missing(Exception):
    """Something that is no Python package is not installed; the text says how to get it."""


def _itself(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Call:
    """One piece of work: the code that is timed, exactly as it stands here, and its names.

    ``outcome`` puts the value into the plain form of the definition; it is not timed. ``before``
    is, when the work takes more than one expression. ``count`` is the units of work in one call.
    """

    expression: str
    names: dict[str, Any]
    outcome: Callable[[Any], Any] = _itself
    before: str = "pass"
    count: int = 1

    def once(self) -> Any:
        """Do the work once, as it will be timed, and return its outcome."""
        # Ctrl-C in a string that is executed ends Python by a signal, even where it is caught.
        exec(compile(self.before, "<before>", "exec"), self.names)
        value = eval(compile(self.expression, "<expression>", "eval"), self.names)
        return self.outcome(value)

    def function(self) -> Callable[[], object]:
        """Return the work as a function without arguments."""
        exec(f"def work():\n    {self.before}\n    return {self.expression}", self.names)
        work: Callable[[], object] = self.names["work"]
        return work


class Contender:
    """Something that does the work; None from a method says that it does not do this one."""

    name: str
    kind: Kind = Kind.PEER
    compiled: bool = True
    configuration: str = ""

    def mask(self, data: bytes, masking_key: bytes) -> Call | None:
        """Mask into a new object."""
        return None

    def mask_inplace(self, buffer: bytearray, masking_key: bytes, start: int) -> Call | None:
        """Mask all from ``start`` on where the bytes are; the call's value does not matter."""
        return None

    def utf8(self, data: bytes) -> Call | None:
        """Validate; a false outcome or a UnicodeDecodeError is a refusal."""
        return None

    def serialize(self, payload: bytes, *, masked: bool) -> Call | None:
        """Make one binary frame, of a client when ``masked``."""
        return None

    def parse(self, stream: bytes, *, text: bool, count: int) -> Call | None:
        """Receive ``count`` masked messages in one piece, as a list of ``str`` or ``bytes``."""
        return None

    def handshake(self, request: bytes) -> Call | None:
        """Take a browser's request as a server; return the response, which accepts compression."""
        return None

    def compress(self, messages: list[bytes]) -> Call | None:
        """Return the payloads of one sender's messages (RFC 7692), parameters as defined."""
        return None

    def decompress(self, payloads: list[bytes], max_length: int) -> Call | None:
        """Return the messages of one sender's payloads; none is longer than ``max_length``."""
        return None

    def servers(self) -> Sequence[Server]:
        """Return the servers it has, each to be run in a process of its own."""
        return ()

    def clients(self) -> Sequence[Client]:
        """Return the clients it has, each to be run in a process of its own."""
        return ()


class Absent(NamedTuple):
    """A package that cannot take part, and what to do about it."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}, {self.reason}"


def load(module: str) -> list[Contender]:
    """Return the contenders of one module here; raises whatever importing its package raises."""
    imported = PACKAGES[module].imported
    # Some are imported in the processes of their servers only, so ask now.
    if imported and find_spec(imported) is None:
        raise ModuleNotFoundError(f"No module named {imported!r}", name=imported)
    contenders: list[Contender] = importlib.import_module(f"{__name__}.{module}").contenders()
    return contenders


def load_all(modules: Sequence[str] = ()) -> tuple[dict[str, list[Contender]], list[Absent]]:
    """Return the contenders of these modules, or of all, and which are missing or broken."""
    found: dict[str, list[Contender]] = {}
    absent: list[Absent] = []
    for module in modules or PACKAGES:
        package = PACKAGES[module]
        try:
            found[module] = load(module)
        except Missing as missing:
            absent.append(Absent(module, f"not installed: {missing}"))
        except Exception as error:  # somebody else's import may fail in any way
            if module in ("own", "builtin"):
                raise
            if isinstance(error, ModuleNotFoundError):
                reason = f"not installed: {package.install}"
            else:
                reason = f"installed, but broken: {type(error).__name__}: {error}"
            absent.append(Absent(module, reason))
    return found, absent


def version(distribution: str) -> str:
    """Return the installed version of a distribution, or "unknown"."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
