"""One message to many sockets, in one process or in many: rooms over memory, Redis or NATS."""

from .engine import Engine, Incoming, Outgoing, Replay
from .errors import BrokerUnavailable, HistoryUnavailable, QueueFull, RoomsError
from .hub import Hub
from .joined import Joined
from .members import Members
from .metrics import metrics
from .receivers import Callback
from .stamps import id_first

__all__ = [
    "BrokerUnavailable",
    "Callback",
    "Engine",
    "HistoryUnavailable",
    "Hub",
    "Incoming",
    "Joined",
    "Members",
    "Outgoing",
    "QueueFull",
    "Replay",
    "RoomsError",
    "id_first",
    "metrics",
]
