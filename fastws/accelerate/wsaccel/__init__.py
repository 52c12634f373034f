"""The names of the package wsaccel, for programs that look for it where it is not installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

from ..patching import Part, Replacement, Target, Unneeded
from .utf8validator import Utf8Validator
from .xormask import XorMaskerNull, XorMaskerSimple, createXorMasker

__all__ = [
    "TARGET",
    "Utf8Validator",
    "XorMaskerNull",
    "XorMaskerSimple",
    "createXorMasker",
    "utf8validator",
    "xormask",
]

_MODULES = ("wsaccel", "wsaccel.utf8validator", "wsaccel.xormask")


class _Face(Target):
    """Not somebody's package to be replaced, but one to stand in for."""

    def check_version(self) -> None:
        found = sys.modules.get("wsaccel")
        if found is None:
            if importlib.util.find_spec("wsaccel") is not None:
                raise Unneeded("the real one is installed, and will be used")
        elif found is not sys.modules[__name__]:
            raise Unneeded("the real one is in use")


def _replace(module: ModuleType) -> Iterable[Replacement]:
    for name in _MODULES:
        own = import_module(name.replace("wsaccel", __name__, 1))
        yield Replacement(module.modules, name, own)


def _observe(module: ModuleType) -> object:
    return None  # nothing was there to compare with


TARGET = _Face(
    name="wsaccel",
    distribution="wsaccel",
    package="wsaccel",
    tested=("0.6", "0.7"),
    parts=(Part("sys", "mask", _replace, _observe),),
)
