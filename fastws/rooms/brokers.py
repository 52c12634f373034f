"""Which engine a URL asks for."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Optional

from .memory import MemoryEngine
from .urls import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .engine import Engine, History

__all__ = ["open_engine"]

SCHEMES = "memory://, redis://, rediss://, valkey://, valkeys://, unix://, nats:// or tls://"


def open_engine(url: str, namespace: str, history: Optional[History]) -> Engine:
    """Return the engine of a URL, not connected yet.

    Raises ValueError for a URL that cannot be, ImportError if the client is not installed.
    """
    if not isinstance(url, str):
        raise TypeError(f"the URL of a hub must be a str, not {type(url).__name__}")
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ValueError(f"{shown(url)} is not the URL of a hub: it begins with {SCHEMES}")
    if scheme == "memory":
        if rest.strip("/"):
            raise ValueError(f"{shown(url)}: memory:// is all there is to say")
        return MemoryEngine(history)
    # A client is imported by whom it is used.
    if scheme in ("redis", "rediss", "valkey", "valkeys", "unix"):
        with _needing("redis", scheme):
            from .redis import RedisEngine
        return RedisEngine(url, namespace, history)
    if scheme in ("nats", "tls"):
        with _needing("nats", scheme):
            from .nats import NatsEngine
        return NatsEngine(url, namespace, history)
    raise ValueError(f"a hub cannot use {scheme}://: it knows {SCHEMES}")


@contextlib.contextmanager
def _needing(client: str, scheme: str) -> Iterator[None]:
    """Say how to install a client, which is also the name of our extra, if it is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != client:
            raise
        message = f"{scheme}:// needs a package: run pip install 'fastws-core[{client}]'"
        raise ModuleNotFoundError(message, name=error.name) from None
