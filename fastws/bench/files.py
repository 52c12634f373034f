"""How many sockets a process may have, and the line that says when that is too few."""

from __future__ import annotations

__all__ = ["MAX_CONNECTIONS", "allow_files"]

# Ports for clients are not many more (RFC 6335 §6 leaves 16384 to them, Linux 28232).
MAX_CONNECTIONS = 16000

# For what a process has open anyhow.
OTHERS = 100


def allow_files(connections: int) -> str:
    """Raise the limit of this process, and so of its children; return why that is not enough."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return ""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + OTHERS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ""
    if hard != resource.RLIM_INFINITY and hard < needed:
        return (
            f"{connections} connections need {needed} open files, and {hard} are allowed: "
            f"run ulimit -n {needed} first"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return ""
