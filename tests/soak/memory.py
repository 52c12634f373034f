"""What a process holds: memory, file descriptors, objects."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys

__all__ = ["allocated_blocks", "open_files", "raise_open_files", "release", "resident_bytes"]


def resident_bytes(pid: int | str = "self") -> int:
    """Return the memory a process has in use, as Linux tells; 0 for one that has ended."""
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def open_files() -> int:
    """Return how many file descriptors this process has open."""
    return len(os.listdir("/proc/self/fd")) - 1  # one of them lists the others


def allocated_blocks() -> int:
    """Return how many blocks of memory the interpreter's own allocator has given out."""
    return sys.getallocatedblocks()


def release() -> None:
    """Collect what is unreachable, and give freed memory back to the system where libc can."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def raise_open_files(wanted: int) -> int:
    """Have at least ``wanted`` file descriptors allowed, if the system lets us; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    for limit in (wanted, hard):
        if soft != unlimited and soft < limit:
            try:
                new_hard = hard if hard == unlimited or hard >= limit else limit
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, new_hard))
                soft, hard = limit, new_hard
            except (OSError, ValueError):
                continue
    return sys.maxsize if soft == unlimited else soft
