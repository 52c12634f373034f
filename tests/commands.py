"""The commands of ``python -m fastws`` as processes, and servers for them to talk to."""

import contextlib
import re
import threading

from processes import SECONDS, Process

from fastws.sync import serve


@contextlib.contextmanager
def server(*arguments):
    """``python -m fastws serve`` on any port, and its ws:// address."""
    with Process("-m", "fastws", "serve", "--port", 0, *arguments) as process:
        yield process, re.search(r"wss?://\S+", process.line())[0]


def run(*arguments, stdin="", env=None):
    """Run a command to its end; return its exit code, output and errors."""
    with Process("-m", "fastws", *arguments, env=env or {}) as process:
        process.write(stdin)
        process.end_input()
        return process.end()


@contextlib.contextmanager
def handler_server(handler, **options):
    """A server in this process, for what ``serve`` does not do."""
    with serve(handler, "127.0.0.1", 0, **options) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        host, port = running.socket.getsockname()
        yield f"ws://{host}:{port}/"
    thread.join(SECONDS)
