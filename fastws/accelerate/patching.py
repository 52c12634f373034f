"""What a target is made of, and how its parts are replaced and put back."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

__all__ = ["LEVELS", "Part", "Patch", "Refused", "Replacement", "Target", "Unneeded"]

# Each has what is before it too.
LEVELS = ("mask", "frames")

_MISSING = object()


class Refused(Exception):
    """A target, or a part of it, is left as it is; the message says why."""


class Unneeded(Refused):
    """A target is left as it is because it is as good so."""


@dataclass(frozen=True)
class Replacement:
    """A new value for an attribute of a module or class, or for an item of a dict.

    ``homes`` are the packages that the value to be replaced may come from; from anywhere else, it
    is somebody's patch, which is not ours to remove. ``original`` is what to put back, if that is
    not what is there now.
    """

    owner: Any
    name: str
    new: Any
    homes: tuple[str, ...] = ()
    original: Any = None

    def __str__(self) -> str:
        owner = self.owner
        module = getattr(owner, "__module__", "")
        prefix = f"{module}." if module and not isinstance(owner, ModuleType) else ""
        return f"{prefix}{getattr(owner, '__name__', 'sys.modules')}.{self.name}"

    def current(self) -> Any:
        """Return the value as it is stored, so that it can be stored again."""
        mapping = self.owner if isinstance(self.owner, dict) else vars(self.owner)
        return mapping.get(self.name, _MISSING)

    def put(self, value: Any) -> None:
        if isinstance(self.owner, dict):
            if value is _MISSING:
                del self.owner[self.name]
            else:
                self.owner[self.name] = value
        elif value is _MISSING:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, value)

    def check_owned(self) -> None:
        """Refuse if the value is missing, or not the target's own."""
        current = self.current()
        if not self.homes or current is self.new:
            return
        if current is _MISSING:
            raise Refused(f"{self} is not there: not the release it says it is, or half installed")
        function = getattr(current, "__func__", current)
        home = getattr(function, "__module__", None) or ""
        if home.partition(".")[0] not in self.homes:
            raise Refused(f"{self} was replaced already, by {home or 'unnamed code'}")


@dataclass(frozen=True)
class Part:
    """What is replaced once one module of the target is imported.

    ``observe`` exercises the target and returns what it saw: it must be the same before and after.
    """

    module: str
    level: str
    replacements: Callable[[ModuleType], Iterable[Replacement]]
    observe: Callable[[ModuleType], object]


@dataclass(frozen=True)
class Target:
    """Somebody else's package, the releases this was tested with, and what is replaced in it."""

    name: str
    distribution: str
    package: str
    tested: tuple[str, str]  # from the first, up to but not including the second
    parts: tuple[Part, ...]

    def version(self) -> str | None:
        """Return the installed version, None if there is none; import nothing."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    def check_version(self) -> None:
        """Refuse what is not installed, half installed, or of a release nobody tested."""
        version = self.version()
        spec = importlib.util.find_spec(self.package)
        found = spec is not None and spec.origin is not None  # any directory could have its name
        if version is None:
            raise Refused("its version is not known" if found else "not installed")
        if not found:
            raise Refused("half installed: pip knows it, but it cannot be imported")
        first, end = map(_numbers, self.tested)
        if not first <= _numbers(version) < end:
            raise Refused(f"tested with {self.tested[0]} up to, not including, {self.tested[1]}")


def _numbers(version: str) -> tuple[int, ...]:
    release = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, release[0].split("."))) if release else ()


@dataclass
class Patch:
    """The replacements of one part, with what they replaced."""

    part: Part
    undo: list[tuple[Replacement, Any]] = field(default_factory=list)

    def apply(self, module: ModuleType) -> None:
        """Replace all, or nothing: refuse if the target then behaves in any other way."""
        try:
            replacements = list(self.part.replacements(module))
            for replacement in replacements:
                replacement.check_owned()
            before = self.part.observe(module)
        except Refused:
            raise
        except Exception as error:
            raise Refused(f"{self.part.module} is not what was tested: {error!r}") from error
        try:
            for replacement in replacements:
                original = replacement.original
                if original is None:
                    original = replacement.current()
                self.undo.append((replacement, original))
                replacement.put(replacement.new)
            same = self.part.observe(module) == before
        except BaseException as error:
            self.revert()
            # Whatever it is, whoever imports the target has nothing to do with it.
            if isinstance(error, Exception):
                raise Refused(f"the self-check of {self.part.module}: {error!r}") from error
            raise
        if not same:
            self.revert()
            raise Refused(f"the self-check of {self.part.module} found a difference")

    def revert(self) -> list[str]:
        """Put back what was there; return what somebody else has replaced since, left alone."""
        left_alone = []
        while self.undo:
            replacement, original = self.undo.pop()
            if replacement.current() is replacement.new:
                replacement.put(original)
            else:
                left_alone.append(str(replacement))
        return left_alone
