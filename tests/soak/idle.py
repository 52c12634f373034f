"""Clients that hold connections and say nothing: ``python -m soak.idle LOOP FILES``."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from fastws.aio import ClientConnection, connect

from .child import Child, run
from .messages import Sequence, Violation, numbered
from .sockets import connected_socket

__all__ = ["Idle"]

_OPENING_AT_ONCE = 100
_PROBE_SECONDS = 0.02
_ROUND_TRIP_SECONDS = 60.0


class Idle(Child):
    """Idle connections with keepalive on, and one that measures how long an answer takes."""

    def __init__(self) -> None:
        super().__init__()
        self._connections: list[ClientConnection] = []
        self._keepalive: dict[str, float] = {}
        self._port = 0
        self._source = ""
        self._probing: asyncio.Task[list[float]] | None = None

    async def open(
        self, port: int, source: str, count: int, keepalive: list[float]
    ) -> dict[str, int]:
        """Open so many connections from this source address."""
        self._port, self._source = port, source
        self._keepalive = dict(zip(("ping_interval", "ping_timeout"), keepalive, strict=True))
        wanted = iter(range(count))

        async def open_some() -> None:
            for _ in wanted:
                self._connections.append(await self._connect())

        await asyncio.gather(*(open_some() for _ in range(_OPENING_AT_ONCE)))
        return {"open": len(self._connections)}

    async def _connect(self) -> ClientConnection:
        sock = await connected_socket(self._port, self._source)
        address = f"ws://127.0.0.1:{self._port}/idle"
        # As applications that hold many connections do.
        return await connect(
            address, sock=sock, compression=None, open_timeout=60, **self._keepalive
        )

    async def use(self) -> dict[str, int]:
        """Send a message to and fro on every connection; return how many are still good."""
        good = 0
        for ws in self._connections:
            sequence = Sequence("idle client")
            try:
                await ws.send(numbered(0, 100, "a"))
                sequence.check(await asyncio.wait_for(ws.recv(), _ROUND_TRIP_SECONDS))
                good += 1
            except Violation as violation:
                self.violation(str(violation))
            except Exception as error:
                self.violation(f"an idle connection was lost: {error!r}")
        return {"good": good}

    async def close(self) -> dict[str, int]:
        """Close every connection; return how many ended with code 1000 on both sides."""
        await asyncio.gather(*(ws.close() for ws in self._connections))
        clean = sum(ws.close_code == 1000 for ws in self._connections)
        self._connections.clear()
        return {"clean": clean}

    async def probe(self) -> None:
        """Begin to measure round trips on a connection that waits for each answer."""
        self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def _probe(self) -> list[float]:
        latencies = []
        sequence = Sequence("probe")
        async with await self._connect() as ws:
            while self._probing is not None:
                message = numbered(sequence.received, 64, "a")
                start = time.perf_counter()
                await ws.send(message)
                sequence.check(await asyncio.wait_for(ws.recv(), _ROUND_TRIP_SECONDS))
                latencies.append(time.perf_counter() - start)
                await asyncio.sleep(_PROBE_SECONDS)
        return latencies

    async def latencies(self) -> dict[str, Any]:
        """End the measurement; return how many round trips, the median, 99 % and worst, in s."""
        assert self._probing is not None
        probing, self._probing = self._probing, None
        found = sorted(await probing)
        return {
            "count": len(found),
            "median": found[len(found) // 2],
            "p99": found[len(found) * 99 // 100],
            "worst": found[-1],
        }


if __name__ == "__main__":
    print(os.getpid(), flush=True)
    run(Idle(), *sys.argv[1:])
