"""Judge our servers and clients with the Autobahn suite: tables by section, exit code 1 on faults.

Everything runs on 127.0.0.1. The suite's own pages and logs are left under reports/autobahn/.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from suite import BACKENDS, Run, SuiteFailed, end_all
from verdict import faults, table

ROOT = Path(__file__).parent.parent.parent

_PROTOCOL = tuple(f"{section}.*" for section in range(1, 11))
# Each group has 18 cases, which differ in the size of messages and fragments, of a second or more.
_COMPRESSION = (
    *(f"12.{group}.1" for group in range(1, 6)),
    *(f"13.{group}.1" for group in range(1, 8)),
    "12.1.11",
    "13.1.11",
)
# Each of these gets processes of its own, so that all cores have work.
_QUICK = {"all": _PROTOCOL + _COMPRESSION}
_FULL = {"13": ("13.*",), "12": ("12.*",), "1-10": _PROTOCOL}
_ALL_CASES = 517

# Far more than they take on a slow machine.
_QUICK_SECONDS = 600.0
_FULL_SECONDS = 3600.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="autobahn", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--full", action="store_true", help="all cases, of fastws.aio")
    length.add_argument(
        "--quick", action="store_true", help="all but most of compression (the default)"
    )
    parser.add_argument("--wstest", default="wstest", help="the suite's command")
    parser.add_argument("--drivers", nargs="+", choices=["aio", "sync"])
    parser.add_argument(
        "--roles", nargs="+", choices=["server", "client"], default=["server", "client"]
    )
    parser.add_argument("--backends", nargs="+", choices=[*BACKENDS], default=[*BACKENDS])
    parser.add_argument("--jobs", type=int, help="how many runs at a time", metavar="N")
    parser.add_argument("--reports", type=Path, default=ROOT / "reports" / "autobahn")
    return parser.parse_args()


def main() -> int:
    # End in order, with every process that was started, when asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    arguments = _arguments()
    groups = _FULL if arguments.full else _QUICK
    drivers = arguments.drivers or (["aio"] if arguments.full else ["aio", "sync"])
    jobs = arguments.jobs or (os.cpu_count() or 1) * (1 if arguments.full else 2)
    seconds = _FULL_SECONDS if arguments.full else _QUICK_SECONDS
    # Group by group, so that the long ones start first.
    runs = [
        Run(driver, role, backend, cases, arguments.reports / f"{driver}-{role}-{backend}" / group)
        for group, cases in groups.items()
        for backend in arguments.backends
        for driver in drivers
        for role in arguments.roles
    ]
    for run in runs:
        shutil.rmtree(run.folder, ignore_errors=True)
    started = time.monotonic()
    pool = ThreadPoolExecutor(jobs)
    try:
        pending = [(run, pool.submit(run, arguments.wstest, seconds)) for run in runs]
        results: dict[tuple[str, str, str], dict[str, dict[str, object]]] = {}
        failed: list[str] = []
        for run, future in pending:
            verdicts = results.setdefault((run.driver, run.role, run.backend), {})
            try:
                verdicts.update(future.result())
            except SuiteFailed as error:
                failed.append(f"{run.folder}: {error}")
            if run.errors():
                failed.append(f"{run.folder}/errors.log:\n{run.errors()[-2000:]}")
    except BaseException:
        end_all()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    wrong = len(failed)
    for (driver, role, backend), verdicts in sorted(results.items()):
        print(f"\n### fastws.{driver}, {role}, {backend}\n\n{table(verdicts)}")
        bad = faults(verdicts)
        if arguments.full and len(verdicts) != _ALL_CASES:
            bad.append(f"{len(verdicts)} cases were run, not {_ALL_CASES}")
        if bad:
            print("\n" + "\n".join(bad))
        wrong += len(bad)
    for line in failed:
        print(f"\n{line}")
    print(f"\n{len(results)} runs, {time.monotonic() - started:.0f} s, faults: {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
