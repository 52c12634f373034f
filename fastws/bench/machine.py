"""Where a figure comes from: processor, Python, compilers, versions."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import fastws

from .contenders import version

__all__ = ["facts", "memory", "pin", "pinned", "two_cores", "usable_cores"]

CPUFREQ = "/sys/devices/system/cpu/cpu0/cpufreq"


def usable_cores() -> list[int]:
    """Return the numbers of the cores this process may run on; empty where that is not known."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return []


def two_cores() -> tuple[int | None, int | None]:
    """Return a core for what is measured and one for its load; None, None if there is but one."""
    cores = usable_cores()
    return (cores[0], cores[-1]) if len(cores) > 1 else (None, None)


def pin(pid: int, core: int) -> None:
    """Keep a process, with all its threads, on one core; nothing where that is unknown."""
    if not hasattr(os, "sched_setaffinity"):
        return
    # It may be gone by now, or a thread of it.
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), {core})


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this process on one core for a while."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def memory(pid: int) -> int | None:
    """Return the bytes of memory a process has in use; None where there is no /proc."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else None


def facts() -> dict[str, str]:
    """Return what to print above every table, in order."""
    cores = os.cpu_count() or 1
    usable = len(usable_cores()) or cores
    found = {
        "processor": f"{_processor()}, {cores} cores" + _only(usable, cores),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}"
        f" ({platform.python_compiler()}){_python_build()}",
        "fastws": f"{_fastws_version()}, backend {fastws.backend}{_extension_compiler()}",
    }
    if hasattr(os, "getloadavg"):
        load = os.getloadavg()[0]
        found["load before"] = f"{load:.1f} processes running or waiting"
        if load > cores / 2:
            found["load before"] += ": other programs are busy, so expect noise"
    found["frequency"] = _frequency()
    found["collector"] = _collector()
    found["cores"] = _division()
    return found


def _division() -> str:
    measured, loading = two_cores()
    if measured is None:
        why = "one core only" if len(usable_cores()) == 1 else "this system cannot pin"
        return f"{why}: servers and load share what there is, so compare CPU times, not rates"
    return f"servers on {measured}, load on {loading}"


def _collector() -> str:
    told = "off while kernels are timed; servers and clients: as Python has it"
    if not hasattr(gc, "get_threshold"):
        return told  # PyPy, whose collector is another
    return f"{told} ({', '.join(map(str, gc.get_threshold()))})"


def _frequency() -> str:
    governor = _read(f"{CPUFREQ}/scaling_governor").strip()
    limits = [_read(f"{CPUFREQ}/scaling_{end}_freq").strip() for end in ("min", "max")]
    if governor and all(limit.isdigit() for limit in limits):
        low, high = (f"{int(limit) / 1e6:.1f}" for limit in limits)
        return f"{governor} governor, {low} to {high} GHz" + _boost()
    now = re.search(r"^cpu MHz\s*:\s*([\d.]+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    known = f"{float(now[1]) / 1000:.1f} GHz now; " if now else ""
    virtual = " hypervisor" in _read("/proc/cpuinfo")
    return known + ("a virtual machine: its host decides" if virtual else "governor unknown")


def _boost() -> str:
    for path, on in (("cpufreq/boost", "1"), ("intel_pstate/no_turbo", "0")):
        state = _read(f"/sys/devices/system/cpu/{path}").strip()
        if state:
            return ", boost on" if state == on else ", boost off"
    return ""


def _only(usable: int, cores: int) -> str:
    return f" ({usable} for this process)" if usable != cores else ""


def _processor() -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine() or "unknown"


def _python_build() -> str:
    notes = []
    if hasattr(sys, "gettotalrefcount"):
        notes.append("debug build: its times mean little")
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        notes.append("free-threaded")
    return "".join(f", {note}" for note in notes)


def _fastws_version() -> str:
    installed = version("fastws-core")
    return "source tree" if installed == "unknown" else installed


def _extension_compiler() -> str:
    """Compilers leave their name in what they make, most of the time."""
    if fastws.backend == "python":
        return ": pure Python, install with a C compiler for the compiled kernels"
    from fastws import _mask

    try:
        binary = Path(_mask.__file__ or "").read_bytes()
    except OSError:
        return ""
    match = re.search(rb"GCC: \([^)\0]*\) [\d.]+|clang version [\d.]+", binary)
    return f", built by {match[0].decode()}" if match else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
