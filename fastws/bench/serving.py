"""One child process: ``python -m fastws.bench.serving MODULE NAME JOB``.

A server writes its port, then its CPU seconds for every line it reads, after collecting garbage if
the line says ``collect``. A client (JOB is ``client``) writes what it did for every line
``URI BYTES SECONDS``. Both end when their input does, so they never outlive who started them.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time

from . import contenders
from .jobs import Job
from .workloads import payload

__all__ = ["main"]


def _lines() -> list[str]:
    """Return the lines that have arrived, or none at the end."""
    # Not through sys.stdin: Python cannot exit while another thread waits in there.
    return os.read(0, 65536).decode().splitlines()


def _answer() -> None:
    while lines := _lines():
        for line in lines:
            if line == "collect":
                gc.collect()
            print(time.process_time(), flush=True)
    # Servers that serve for ever know no gentler end that works for all of them.
    os._exit(0)


def _ready(port: int) -> None:
    print(port, flush=True)


def serve(module: str, name: str, job: Job) -> None:
    """Run one server until the input ends."""
    for contender in contenders.load(module):
        for server in contender.servers():
            if server.name == name and server.serve is not None:
                threading.Thread(target=_answer, daemon=True).start()
                server.serve(job)
                return
    sys.exit(f"{module} has no server {name!r}")


def drive(module: str, name: str) -> None:
    """Run one client, as often as asked, until the input ends."""
    for contender in contenders.load(module):
        for client in contender.clients():
            if client.name == name:
                print("ready", flush=True)
                while lines := _lines():
                    uri, size, seconds = lines[-1].split()
                    done = client.run(uri, payload(int(size)), float(seconds))
                    print(*done, flush=True)
                return
    sys.exit(f"{module} has no client {name!r}")


def main(module: str, name: str, job: str) -> None:
    """Do what the arguments say."""
    # Ctrl-C in a terminal goes to everyone; who started this one decides what happens then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if job == "client":
        drive(module, name)
    else:
        serve(module, name, Job.from_text(job, _ready))


if __name__ == "__main__":
    main(*sys.argv[1:])
