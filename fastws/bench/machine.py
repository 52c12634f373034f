"""Where a figure comes from: processor, Python, compilers, versions."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

import fastws

from .contenders import version

__all__ = ["facts", "usable_cores"]


def usable_cores() -> list[int]:
    """Return the numbers of the cores this process may run on; empty where that is not known."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return []


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
    governor = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor:
        found["frequency"] = f"{governor.strip()} governor"
    return found


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
