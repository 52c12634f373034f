"""The inner loop of every client: one message sent, its echo received, again and again."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from .jobs import Round

__all__ = ["WrongEcho", "time_asyncio", "time_blocking"]

# Between two looks at the clock.
BATCH = 10


class WrongEcho(Exception):
    """What came back is not what was sent."""


def _check(echo: Any, message: bytes) -> None:
    if bytes(echo) != message:
        raise WrongEcho("the echo is not what was sent")


def time_blocking(
    send: Callable[[bytes], object], recv: Callable[[], object], message: bytes, seconds: float
) -> Round:
    """Do round trips for about ``seconds``."""
    for _ in range(BATCH):
        send(message)
        _check(recv(), message)
    messages = 0
    start, start_cpu = time.perf_counter(), time.process_time()
    while (took := time.perf_counter() - start) < seconds or messages == 0:
        for _ in range(BATCH):
            send(message)
            echo = recv()
        messages += BATCH
    cpu = time.process_time() - start_cpu
    _check(echo, message)
    return Round(messages, took, cpu)


async def time_asyncio(
    send: Callable[[bytes], Awaitable[object]],
    recv: Callable[[], Awaitable[object]],
    message: bytes,
    seconds: float,
) -> Round:
    """Do round trips for about ``seconds``."""
    for _ in range(BATCH):
        await send(message)
        _check(await recv(), message)
    messages = 0
    start, start_cpu = time.perf_counter(), time.process_time()
    while (took := time.perf_counter() - start) < seconds or messages == 0:
        for _ in range(BATCH):
            await send(message)
            echo = await recv()
        messages += BATCH
    cpu = time.process_time() - start_cpu
    _check(echo, message)
    return Round(messages, took, cpu)
