"""What ``python -m fastws`` does with its arguments."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

from ..command_line import INTERRUPTED
from .arguments import parse
from .errors import CommandError, Interrupted

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["bench"]:
        from ..bench.__main__ import main as bench  # imports every peer it finds

        return bench(arguments[1:])
    options = parse(arguments)
    try:
        if options.command == "serve":
            return _serve(options, arguments)
        from .connect import connect

        return _run(connect, options, "asyncio")
    except CommandError as error:
        print(f"fastws {options.command}: {error}", file=sys.stderr)
        return 1
    except (Interrupted, KeyboardInterrupt):
        return INTERRUPTED


def _serve(options: Namespace, arguments: Sequence[str]) -> int:
    from .serve import check, serve
    from .workers import lifeline, supervise, worker_number

    check(options)
    options.worker, options.restarting = worker_number(), False
    if options.worker is not None:
        # The supervisor is told of Ctrl-C too, and says what is to be done.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return _run(lifeline(serve), options, options.loop, [signal.SIGTERM])
    if options.workers is not None:
        options.arguments = arguments
        return _run(supervise, options, "asyncio")
    return _run(serve, options, options.loop)


def _run(
    command: Callable[[Namespace], Coroutine[Any, Any, int]],
    options: Namespace,
    loop_name: str,
    signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
) -> int:
    """Run a command on a new event loop; these signals cancel it.

    Unlike ``asyncio.run``, it does not wait for a thread that reads from a terminal.
    """
    loop = _new_event_loop(loop_name)
    task = loop.create_task(command(options))
    for signum in signals:
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(signum, task.cancel)
    try:
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        return INTERRUPTED
    finally:
        left = asyncio.all_tasks(loop)
        for other in left:
            other.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.close()


def _new_event_loop(name: str) -> asyncio.AbstractEventLoop:
    if name == "asyncio":
        return asyncio.new_event_loop()
    try:
        import uvloop
    except ImportError:
        raise CommandError("uvloop is not installed: pip install uvloop") from None
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
