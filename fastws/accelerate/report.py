"""What was accelerated, and what was not and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from types import TracebackType
from typing import NamedTuple

__all__ = ["Report", "Row", "Status"]


class Status(str, Enum):
    """What became of a target."""

    APPLIED = "applied"
    WAITING = "waiting"  # installed, and not imported yet
    SKIPPED = "skipped"
    UNNEEDED = "unneeded"  # left as it is, and as good so
    RESTORED = "restored"


class Row(NamedTuple):
    """One target: the level it runs at, and for what was skipped the reason."""

    target: str
    version: str
    level: str
    status: Status
    why: str


class Report:
    """A table of targets: print it, iterate over its rows, or ask for one with ``report["name"]``.

    As a context manager it puts back, at the end of the block, what the call that returned it had
    replaced.
    """

    def __init__(self, rows: list[Row], undo: Callable[[], object] | None = None) -> None:
        self.rows = rows
        self._undo = undo

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, target: str) -> Row:
        for row in self.rows:
            if row.target == target:
                return row
        raise KeyError(target)

    def __str__(self) -> str:
        if not self.rows:
            return "nothing is accelerated"
        lines = [Row._fields, *((*row[:3], row.status.value, row.why) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._undo is not None:
            self._undo()
            self._undo = None
