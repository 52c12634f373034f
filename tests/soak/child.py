"""A process of the soak: it takes commands as lines of JSON, and tells of every violation."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from .memory import raise_open_files

__all__ = ["Child", "run"]

_KEPT_VIOLATIONS = 20
_ERROR_LINES = 25


class Child:
    """What the processes of a soak have in common; each public coroutine is a command.

    A record logged as an error, an exception that reached the event loop, and a task whose
    exception nobody asked for are violations.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._violations: Counter[str] = Counter()

    def violation(self, text: str) -> None:
        """Take note of a violation; many of the same kind are kept as one."""
        self.counts["violations"] += 1
        if text in self._violations or len(self._violations) < _KEPT_VIOLATIONS:
            self._violations[text] += 1

    def on_record(self, record: logging.LogRecord) -> bool:
        """Take note of what is logged as an error, as a filter of a handler; keep nothing."""
        if record.levelno >= logging.ERROR:
            text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text += "\n" + _trace(record.exc_info[1])
            self.violation(f"logged by {record.name}: {text}")
        return False

    def on_loop_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take note of what an event loop was told, as its exception handler."""
        error = context.get("exception")
        text = f"told to the event loop: {context['message']}"
        self.violation(text if error is None else f"{text}\n{_trace(error)}")

    def on_unraisable(self, unraisable: Any) -> None:
        """Take note of an exception that could not be raised, as ``sys.unraisablehook``."""
        what = unraisable.err_msg or "ignored"
        self.violation(f"{what}: {unraisable.object!r}\n{_trace(unraisable.exc_value)}")

    async def report(self) -> dict[str, Any]:
        """Return what was counted since the last report, and what went wrong."""
        gc.collect()  # a task that nobody asked for its exception complains when it is collected
        await asyncio.sleep(0)
        report = {
            "counts": dict(self.counts),
            "violations": [f"({n} times) {text}" for text, n in self._violations.items()],
        }
        self.counts.clear()
        self._violations.clear()
        return report

    async def serve_commands(self) -> None:
        """Obey one command after the other until there is no more input."""
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        while line := await reader.readline():
            command = json.loads(line)
            method: Callable[..., Awaitable[Any]] = getattr(self, command.pop("do"))
            print(json.dumps(await method(**command)), flush=True)


def _trace(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return "\n".join(lines.rstrip().splitlines()[-_ERROR_LINES:])


def run(child: Child, loop_name: str, files: str) -> None:
    """Run a child to its end on a loop of this kind, with so many file descriptors allowed."""
    raise_open_files(int(files))
    handler = logging.StreamHandler()
    handler.addFilter(child.on_record)
    logging.getLogger().addHandler(handler)
    sys.unraisablehook = child.on_unraisable
    if loop_name == "uvloop":
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    else:
        loop = asyncio.SelectorEventLoop()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(child.on_loop_exception)
    try:
        loop.run_until_complete(child.serve_commands())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
