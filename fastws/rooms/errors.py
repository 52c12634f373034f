"""What can go wrong between processes that share rooms."""

from __future__ import annotations

__all__ = ["BrokerUnavailable", "HistoryUnavailable", "QueueFull", "RoomsError"]


class RoomsError(Exception):
    """Base of what a ``Hub`` raises, besides ValueError and TypeError for wrong arguments."""


class BrokerUnavailable(RoomsError):
    """The broker is away, or refused: other processes may not have got the message.

    Without history, receivers in this process have it all the same.
    """


class QueueFull(BrokerUnavailable):
    """As many messages as may wait for the broker wait already."""


class HistoryUnavailable(RoomsError):
    """Earlier messages were asked for, and the hub keeps none."""
