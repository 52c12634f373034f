"""One echo server in a process of its own: ``python -m fastws.bench.echo_server MODULE SERVER``.

It writes its port, then its CPU seconds for every byte it reads; it ends when its input does, so
it never outlives the process that started it.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from . import contenders

__all__ = ["run"]


def _answer() -> None:
    # Not through sys.stdin: Python cannot exit while another thread waits in there.
    while os.read(0, 1):
        print(time.process_time(), flush=True)
    # Servers that serve for ever know no gentler end that works for all of them.
    os._exit(0)


def _ready(port: int) -> None:
    print(port, flush=True)


def run(serve: contenders.Serve) -> None:
    """Serve until the input ends."""
    threading.Thread(target=_answer, daemon=True).start()
    serve(_ready)


def main(module: str, server: str) -> None:
    """Run one server of a contender."""
    for contender in contenders.load(module):
        serve = contender.echo_servers().get(server)
        if serve is not None:
            run(serve)
            return
    sys.exit(f"{module} has no echo server {server!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
