"""Soak ``fastws.aio``: hold idle connections, load the server for minutes, and look what is left.

Every message is numbered and checked. Linux only; everything is on 127.0.0.0/8 and ends by itself.
Exit code 1 if a message was lost, doubled, reordered or changed, if anything was logged as an error
or reached the event loop, or if memory, tasks or connections are left over.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
from pathlib import Path

from .memory import raise_open_files
from .report import Report
from .run import Soak

__all__: list[str] = []

# Connections of the load, pipes and files, with room to spare.
_OTHER_FILES = 1500


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of mixed load (default 10)")
    parser.add_argument("--idle", type=int, default=10_000, help="connections (default 10000)")
    parser.add_argument("--holders", type=int, default=4, help="processes that hold the idle ones")
    parser.add_argument("--loaders", type=int, default=2, help="processes that load the server")
    parser.add_argument("--actors", type=int, default=30, help="clients at a time in each loader")
    parser.add_argument(
        "--keepalive", type=float, nargs=2, default=[20, 20], metavar=("INTERVAL", "TIMEOUT"),
        help="seconds between pings, and for an answer (default 20 20)",
    )  # fmt: skip
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--seed", type=int, help="of what the clients do; any by default")
    arguments = parser.parse_args(given)
    if arguments.seed is None:
        arguments.seed = random.randrange(1_000_000)
    return arguments


def _authority(directory: Path) -> tuple[str | None, str | None]:
    """Make a certificate, and the authority to check it by; None without trustme."""
    try:
        import trustme
    except ImportError:
        print("without TLS: that needs a package: run pip install trustme")
        return None, None
    authority = trustme.CA()
    certificate = directory / "server.pem"
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(certificate)
    )
    authority.cert_pem.write_to_path(str(directory / "authority.pem"))
    return str(certificate), str(directory / "authority.pem")


def main(given: list[str] | None = None) -> int:
    """Run; return the exit code."""
    if sys.platform != "linux" or sys.implementation.name != "cpython":
        print("the soak reads /proc and counts CPython's blocks: it runs on Linux and CPython only")
        return 1
    arguments = _arguments(given)
    allowed = raise_open_files(arguments.idle + _OTHER_FILES)
    if allowed < arguments.idle + _OTHER_FILES:
        idle = max(0, allowed - _OTHER_FILES)
        print(f"{idle} idle connections, not {arguments.idle}: ulimit -n allows {allowed} files")
        arguments.idle = idle
    report = Report()
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as processes:
        soak = Soak(arguments, allowed, report, processes)
        soak.run(*_authority(Path(directory)))
    report.print()
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
