"""What a hub counts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HubStats"]


@dataclass(frozen=True)
class HubStats:
    """One process's figures: now, or since its hub was entered."""

    healthy: bool  # the broker is there
    rooms: int  # that somebody of this process is in
    receivers: int  # counted once for each room
    processes: int  # known to be there, with this one
    published: int  # messages, by this process
    received: int  # from other processes, or kept
    delivered: int  # messages, times the receivers they were written to
    delivered_bytes: int  # payloads, of those that were missed too
    missed: int  # not written: the receiver was too slow, or gone
    refused: int  # messages that the broker did not get
    pending: int  # messages that wait for the broker
    connects: int  # to the broker
    gaps: int  # how often history did not reach back far enough after the broker was away
