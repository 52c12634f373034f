"""URLs of brokers: taken apart, and shown without their passwords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

__all__ = ["each_host", "shown"]


def shown(url: str) -> str:
    """Return a URL for messages: quoted, and with dots for its user and password."""
    return repr(re.sub(r"//[^/]*@", "//...@", url))


def each_host(url: str, scheme: str) -> list[SplitResult]:
    """Return a URL of this scheme for each host of ``any://user:password@one:1,two:2/path``."""
    parts = urlsplit(f"{scheme}://{url.split('://', 1)[1]}")
    user, at, hosts = parts.netloc.rpartition("@")
    rest = (parts.path, parts.query, "")
    return [urlsplit(urlunsplit((scheme, user + at + host, *rest))) for host in hosts.split(",")]
