"""What the terminal shows: tables, with colour where rich is installed, and how far a run is."""

from __future__ import annotations

import io
import sys
from typing import Any

from .table import Table
from .text import WIDTH, lines_of, text_table

__all__ = ["Screen"]

_STYLES = {
    "title": "bold",
    "heading": "dim",
    "own": "green",
    "peer": "",
    "limit": "dim",
    "row": "",
    "rule": "dim",
    "ratio": "bold cyan",
    "note": "dim",
    "problem": "red",
}
# Narrower than this, columns would have to be divided.
LEAST_WIDTH = 60


class Screen:
    """Standard output for tables, standard error for progress; plain if they are not a terminal."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # µ is not in every encoding
        self._console = _console() if sys.stdout.isatty() else None
        self._shows_progress = sys.stderr.isatty()
        self._where = ""

    def enter(self, where: str) -> None:
        """Say which part of the run has begun; it stands before all progress."""
        self._where = where
        self.progress("")

    def progress(self, text: str) -> None:
        """Show what happens now, in a line that the next one replaces."""
        if self._shows_progress:
            line = f"{self._where} {text}"[: WIDTH - 1]
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._shows_progress:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Print a paragraph."""
        self._clear()
        print(text, flush=True)

    def table(self, table: Table) -> None:
        """Print one table."""
        self._clear()
        if self._console is None:
            print(text_table(table), flush=True)
            return
        for line in lines_of(table, max(LEAST_WIDTH, min(WIDTH, self._console.width))):
            self._console.print(line.text, style=_STYLES[line.role], markup=False, soft_wrap=True)
        self._console.print()


def _console() -> Any:
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(highlight=False)
