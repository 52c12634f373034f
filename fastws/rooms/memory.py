"""Rooms within one process: nothing to connect to, history in a ring for each room."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Optional, Union

from .engine import Engine, History, Incoming, Replay, order

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from .engine import LastIds, Outgoing, Receive

__all__ = ["MemoryEngine"]

# How often rings are looked through for those whose messages are all too old.
_SWEEP_MESSAGES = 1000


class MemoryEngine(Engine):
    """The engine of ``memory://``."""

    shared = False

    def __init__(self, history: Optional[History], clock: Callable[[], float] = time.time) -> None:
        self._history = history
        self._clock = clock
        # Ids of a process that ran before are smaller than any of ours.
        self._epoch = time.time_ns() // 1_000_000
        self._number = 0
        self._receive: Optional[Receive] = None
        self._rooms: dict[str, deque[tuple[float, Incoming]]] = {}

    async def connect(self, receive: Receive, lost: Callable[[Exception], None]) -> None:
        self._receive = receive

    async def close(self) -> None:
        self._receive = None

    async def publish(self, batch: Sequence[Outgoing]) -> list[Union[str, Exception, None]]:
        ids: list[Union[str, Exception, None]] = []
        assert self._receive is not None
        for outgoing in batch:
            if not outgoing.keep:
                ids.append(None)
                continue
            message = self._keep(outgoing)
            ids.append(message.id)
            self._receive(message)
        return ids

    def _keep(self, outgoing: Outgoing) -> Incoming:
        assert self._history is not None
        ring = self._rooms.get(outgoing.room)
        if ring is None:
            # One more than is promised: whoever saw that one is known to have missed none.
            ring = self._rooms[outgoing.room] = deque(maxlen=self._history.messages + 1)
        before = ring[-1][1].id if ring else None
        self._number += 1
        message = Incoming(outgoing.room, outgoing.data, f"{self._epoch}-{self._number}", before)
        ring.append((self._clock(), message))
        self._forget(ring)
        if self._number % _SWEEP_MESSAGES == 0:
            self._sweep()
        return message

    def _forget(self, ring: deque[tuple[float, Incoming]]) -> None:
        assert self._history is not None
        if self._history.seconds is not None:
            oldest = self._clock() - self._history.seconds
            while ring and ring[0][0] < oldest:
                ring.popleft()

    def _sweep(self) -> None:
        for room, ring in list(self._rooms.items()):
            self._forget(ring)
            if not ring:
                del self._rooms[room]

    async def subscribe(self, rooms: Collection[str]) -> LastIds:
        last = {}
        for room in rooms:
            ring = self._rooms.get(room)
            id = (ring and ring[-1][1].id) or "0-0"
            last[room] = id, id
        return last

    async def unsubscribe(self, rooms: Collection[str]) -> None:
        pass

    async def replay(self, room: str, after: Optional[str], limit: int) -> Replay:
        ring = self._rooms.get(room, deque())
        self._forget(ring)
        kept = [message for _, message in ring]
        if after is None:
            return Replay(kept[-limit:] if limit else [], True)
        start = order(after)
        later = [message for message in kept if order(message.id or "") > start]
        assert self._history is not None
        whole = start == (0, 0) and len(kept) <= self._history.messages
        complete = whole or len(later) < len(kept)
        return Replay(later[:limit], complete, len(later) > limit)

    async def check(self) -> None:
        pass
