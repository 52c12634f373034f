"""What the terminal shows: tables, with colour where rich is installed, and how far a run is."""

from __future__ import annotations

import io
import sys
from typing import Any

from .contenders import Kind
from .table import ABSENT, LIMITED, NOISY, Table
from .text import WIDTH, text_table

__all__ = ["Screen"]

_STYLES = {Kind.OWN: "bold green", Kind.PEER: "", Kind.LIMIT: "dim", None: "cyan"}


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
        else:
            self._console.print(_rich_table(table))
            for text in table.notes:
                self._console.print(f"({text})", style="dim", markup=False, highlight=False)
            for text in table.problems:
                self._console.print(f"! {text}", style="red", markup=False, highlight=False)
            self._console.print()


def _console() -> Any:
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(highlight=False)


def _rich_table(table: Table) -> Any:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    rich = RichTable(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    rich.add_column("", no_wrap=True)
    for column in table.columns:
        rich.add_column("\n".join(filter(None, column)), justify="right")
    for row in (*table.rows, *table.comparisons):
        if table.comparisons and row is table.comparisons[0]:
            rich.add_section()
        style = _STYLES[row.kind]
        cells = [Text(cell, style=_cell_style(cell, style)) for cell in row.cells]
        rich.add_row(Text(row.name, style=style), *cells)
    return rich


def _cell_style(cell: str, style: str) -> str:
    return "dim" if cell == ABSENT else "yellow" if {NOISY, LIMITED} & set(cell) else style
