"""What a server counts: messages, bytes, and how far away its peers are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..frames import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .connection import Connection

__all__ = ["ServerStats", "Tally"]

_QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class ServerStats:
    """A server's figures: now, or since it was made.

    Bytes are those of the wire, opening handshakes of both directions left out, before TLS.
    ``latency`` maps quantiles to seconds, over the open connections' last answered pings; it is
    empty until one was answered.
    """

    connections: int  # open now
    accepted: int
    messages_received: int
    messages_sent: int
    bytes_received: int
    bytes_sent: int
    skipped_messages: int  # of broadcasts, by receivers that were too slow
    latency: dict[float, float]


class Tally:
    """What the connections that are gone have counted."""

    def __init__(self) -> None:
        self.accepted = 0
        self._sums = [0] * 5

    def add(self, connection: Connection) -> None:
        """Take over the counters of a connection that is lost."""
        self._sums = _add(self._sums, connection)

    def stats(self, connections: Collection[Connection]) -> ServerStats:
        """Return the figures of those that are gone and these together."""
        sums = self._sums
        for connection in connections:
            if not connection._lost:
                sums = _add(sums, connection)
        there = [connection for connection in connections if connection.state is State.OPEN]
        latencies = (connection.latency for connection in there)
        received, sent, bytes_received, bytes_sent, skipped = sums
        return ServerStats(
            connections=len(there),
            accepted=self.accepted,
            messages_received=received,
            messages_sent=sent,
            bytes_received=bytes_received,
            bytes_sent=bytes_sent,
            skipped_messages=skipped,
            latency=_quantiles(latencies),
        )


def _add(sums: list[int], connection: Connection) -> list[int]:
    return [
        sums[0] + connection._received,
        sums[1] + connection._sent,
        sums[2] + connection._reader.bytes_received,
        sums[3] + connection._sent_bytes,
        sums[4] + connection.skipped_messages,
    ]


def _quantiles(latencies: Iterable[float]) -> dict[float, float]:
    known = sorted(latency for latency in latencies if latency)
    return {q: known[min(len(known) - 1, int(q * len(known)))] for q in _QUANTILES if known}
