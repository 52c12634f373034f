"""The TLS that a client speaks unless it is given an SSLContext."""

from __future__ import annotations

import ssl

__all__ = ["default_context"]


def default_context() -> ssl.SSLContext:
    """Return Python's default for clients, with TLS 1.2 at least (RFC 8996).

    Authority and host are checked. Some builds of Python leave the version to the system's policy,
    and a system may have none.
    """
    context = ssl.create_default_context()
    if context.minimum_version < ssl.TLSVersion.TLSv1_2:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
