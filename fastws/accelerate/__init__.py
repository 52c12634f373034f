"""Other people's WebSocket servers and clients, made faster: ``fastws.accelerate()``.

    import fastws

    print(fastws.accelerate())

or, without a change in the program, ``python -m fastws.accelerate -m uvicorn app:app``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType

from .report import Report, Row, Status
from .switch import accelerate, restore, status
from .targets import TARGETS

__all__ = ["TARGETS", "Report", "Row", "Status", "accelerate", "restore", "status"]


class _Callable(ModuleType):
    """This module, which is the function of its name too."""

    def __call__(
        self, names: str | Iterable[str] | None = None, *, level: str = "frames"
    ) -> Report:
        return accelerate(names, level=level)


sys.modules[__name__].__class__ = _Callable
