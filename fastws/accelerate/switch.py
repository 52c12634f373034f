"""Turn the acceleration of other people's servers on and off."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType

from .._kernels import compiled
from .imports import Watcher
from .patching import LEVELS, Part, Patch, Refused, Target, Unneeded
from .report import Report, Row, Status
from .targets import TARGETS

__all__ = ["accelerate", "restore", "status"]


@dataclass
class _Active:
    """A target that is switched on: what is replaced in it, and what is still to be imported."""

    target: Target
    level: str
    patches: list[Patch] = field(default_factory=list)
    refused: Refused | None = None

    def missing(self) -> list[Part]:
        """Return the parts of this level that are not replaced yet."""
        done = [patch.part for patch in self.patches]
        return [part for part in self._wanted() if part not in done]

    def _wanted(self) -> list[Part]:
        levels = LEVELS[: LEVELS.index(self.level) + 1]
        return [part for part in self.target.parts if part.level in levels]

    def advance(self, just_run: str = "") -> None:
        """Replace every part whose module is there; if one refuses, put the others back too."""
        for part in self.missing():
            module = sys.modules.get(part.module)
            if module is None or (part.module != just_run and _is_being_imported(module)):
                continue
            patch = Patch(part)
            try:
                patch.apply(module)
            except Refused as refused:
                self.revert()
                self.refused = refused
                return
            self.patches.append(patch)

    def revert(self) -> list[str]:
        left_alone = []
        while self.patches:
            left_alone += self.patches.pop().revert()
        return left_alone

    def row(self) -> Row:
        version = self.target.version() or ""
        # The level it runs at, of those it has.
        level = max((part.level for part in self._wanted()), key=LEVELS.index)
        if self.refused is not None:
            unneeded = isinstance(self.refused, Unneeded)
            state = Status.UNNEEDED if unneeded else Status.SKIPPED
            return Row(self.target.name, version, level, state, str(self.refused))
        waiting = list(dict.fromkeys(part.module for part in self.missing()))
        why = f"until it is imported: {', '.join(waiting)}" if waiting else ""
        state = Status.APPLIED if self.patches or not waiting else Status.WAITING
        if state is Status.APPLIED and why:
            why = f"the rest {why}"
        return Row(self.target.name, version, level, state, why)


_lock = threading.RLock()
_active: dict[str, _Active] = {}


def accelerate(names: str | Iterable[str] | None = None, *, level: str = "frames") -> Report:
    """Make the WebSocket packages of this process faster; return what was done and what was not.

    ``names`` are targets as in ``python -m fastws.accelerate --list``, None all of them. What is
    not installed is skipped, what is not imported yet is replaced when it is; no target is imported
    here. ``level`` is "mask" for masking and UTF-8 only, or "frames" for parsing and serializing
    too.

    A target is replaced only if its release was tested and it behaves the same on the vectors of a
    self-check. Calling twice changes nothing; a higher level adds to a lower. Use the report as a
    context manager, or ``restore()``, to put everything back.

    Raises ValueError for an unknown name or level, before anything is replaced.
    """
    chosen = _choose(names)
    if level not in LEVELS:
        raise ValueError(f"no level {level!r}: choose from {', '.join(LEVELS)}")
    rows, new = [], []
    with _lock:
        for target in chosen:
            active = _active.get(target.name)
            if active is None:
                active = _Active(target, level)
                try:
                    if not compiled:
                        raise Refused("fastws has no compiled kernels here: it would be slower")
                    target.check_version()
                    active.advance()
                except Refused as refused:
                    active.refused = refused
                if active.refused is None:
                    _active[target.name] = active
                    new.append(target.name)
            elif LEVELS.index(level) > LEVELS.index(active.level):
                active.level = level
                active.advance()
            rows.append(active.row())
        _watch()
    return Report(rows, lambda: restore(new))


def restore(names: str | Iterable[str] | None = None) -> Report:
    """Put back what ``accelerate`` replaced, all of it or these targets; return what was restored.

    What somebody else has replaced since is left alone, and named in the report. A connection in
    the middle of a large frame finishes that frame as it began.

    Raises ValueError for an unknown name. What was not accelerated is not in the report.
    """
    rows = []
    with _lock:
        for target in _choose(names):
            active = _active.pop(target.name, None)
            if active is None or active.refused is not None:
                continue
            row = active.row()
            why = "nothing was replaced yet" if row.status is Status.WAITING else ""
            left_alone = active.revert()
            if left_alone:
                why = f"replaced since by others, so left alone: {', '.join(left_alone)}"
            rows.append(row._replace(status=Status.RESTORED, why=why))
        _watch()
    return Report(rows)


def status() -> Report:
    """Return what is accelerated now: a target that was waiting may have come."""
    with _lock:
        return Report([active.row() for active in _active.values()])


def _choose(names: str | Iterable[str] | None) -> list[Target]:
    if names is None:
        return list(TARGETS.values())
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in TARGETS:
            raise ValueError(f"no target {name!r}: choose from {', '.join(TARGETS)}")
    return [TARGETS[name] for name in dict.fromkeys(wanted)]


def _is_being_imported(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))


def _imported(module: ModuleType) -> None:
    """A module that was waited for has run."""
    with _lock:
        for active in _active.values():
            if active.refused is None:
                active.advance(module.__name__)
        _watch()


def _watch() -> None:
    waiting = [active for active in _active.values() if active.refused is None]
    _watcher.wait_for({part.module for active in waiting for part in active.missing()})


_watcher = Watcher(_imported)
