"""The modules that every message passes, compiled where the kernels are; `_kernels.py` decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._kernels import compiled
from .readiness import READABLE, WRITABLE

__all__ = [
    "READABLE",
    "WRITABLE",
    "Messages",
    "Poller",
    "Readiness",
    "Records",
    "SocketTransport",
    "Waiter",
    "Watched",
    "Wire",
    "run_stepped",
]

# A module is imported after those it needs from here.
if TYPE_CHECKING or not compiled:
    from .waiter import Waiter  # isort: split
    from .messages import Messages  # isort: split
    from .readiness import Readiness  # isort: split
    from .wire import Wire  # isort: split
    from .records import Records  # isort: split
    from .sockets import SocketTransport, Watched  # isort: split
    from .poller import Poller  # isort: split
    from .stepping import run_stepped
else:
    from ._waiter import Waiter  # isort: split
    from ._messages import Messages  # isort: split
    from .._wire import Wire  # isort: split
    from ._readiness import Readiness  # isort: split
    from ._records import Records  # isort: split
    from ._sockets import SocketTransport, Watched  # isort: split
    from ._poller import Poller  # isort: split
    from ._stepping import run_stepped
