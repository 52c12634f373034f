"""Clients of every kind, many at a time: ``python -m soak.load LOOP FILES``."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import sys
import time

from . import orderly, rude
from .child import Child, run
from .messages import Violation
from .sockets import Target

__all__ = ["Load"]

# Far more than any of them takes on a loaded machine: longer means that something hangs.
_STUCK_SECONDS = 120.0
_BEHAVIOURS = {**orderly.BEHAVIOURS, **rude.BEHAVIOURS}


class Load(Child):
    """So many clients at a time, each one chosen at random, until the time is over."""

    async def load(
        self, ports: dict[str, int], authority: str | None, actors: int, seconds: float, seed: int
    ) -> dict[str, int]:
        """Load the server; return how often each behaviour was gone through."""
        target = Target(**ports)
        if authority is not None:
            target.context = ssl.create_default_context(cafile=authority)
        deadline = time.monotonic() + seconds
        await asyncio.gather(
            *(self._act(target, random.Random(seed * 1000 + i), deadline) for i in range(actors))
        )
        return {kind.__name__: self.counts[kind.__name__] for kind in _BEHAVIOURS}

    async def _act(self, target: Target, chosen: random.Random, deadline: float) -> None:
        kinds, weights = list(_BEHAVIOURS), list(_BEHAVIOURS.values())
        while time.monotonic() < deadline:
            (behaviour,) = chosen.choices(kinds, weights)
            name = behaviour.__name__
            self.counts[name] += 1
            try:
                await asyncio.wait_for(
                    behaviour(target, chosen, self.counts), timeout=_STUCK_SECONDS
                )
            except asyncio.TimeoutError:
                self.violation(f"{name}: not done after {_STUCK_SECONDS:g} s")
            except Violation as violation:
                self.violation(f"{name}: {violation}")
            except Exception as error:
                self.violation(f"{name}: {_where(error)}: {error!r}")


def _where(error: Exception) -> str:
    traceback = error.__traceback__
    lines = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        lines.append(f"{os.path.basename(code.co_filename)}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return " ".join(lines[-4:])


if __name__ == "__main__":
    print(os.getpid(), flush=True)
    run(Load(), *sys.argv[1:])
