"""The client under test: runs every case of a fuzzing server, and echoes every message."""

from __future__ import annotations

import asyncio
import sys
import traceback

from fastws import aio, sync
from fastws.errors import ConnectionClosed

# Section 9 sends messages of up to this size.
MAX_SIZE = 16 * 1024 * 1024


async def run_aio(url: str, agent: str) -> None:
    async with aio.connect(f"{url}/getCaseCount") as ws:
        cases = int(await ws.recv())
    for case in range(1, cases + 1):
        try:
            async with aio.connect(
                f"{url}/runCase?case={case}&agent={agent}", max_size=MAX_SIZE
            ) as ws:
                async for message in ws:
                    await ws.send(message)
        except ConnectionClosed:
            pass  # most cases end with a violation
        except Exception:
            traceback.print_exc()
    # Writing them takes the suite a while, in which it answers no pings.
    report_url = f"{url}/updateReports?agent={agent}"
    async with aio.connect(report_url, open_timeout=None, ping_interval=None) as ws:
        await ws.wait_closed()


def run_sync(url: str, agent: str) -> None:
    with sync.connect(f"{url}/getCaseCount") as ws:
        cases = int(ws.recv())
    for case in range(1, cases + 1):
        try:
            with sync.connect(f"{url}/runCase?case={case}&agent={agent}", max_size=MAX_SIZE) as ws:
                for message in ws:
                    ws.send(message)
        except ConnectionClosed:
            pass  # most cases end with a violation
        except Exception:
            traceback.print_exc()
    # Writing them takes the suite a while, in which it answers no pings.
    report_url = f"{url}/updateReports?agent={agent}"
    with sync.connect(report_url, open_timeout=None, ping_interval=None) as ws:
        ws.wait_closed()


if __name__ == "__main__":
    if sys.argv[1] == "aio":
        asyncio.run(run_aio(sys.argv[2], sys.argv[3]))
    else:
        run_sync(sys.argv[2], sys.argv[3])
