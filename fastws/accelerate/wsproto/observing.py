"""What the self-checks of wsproto look at."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ..vectors import KEYS, PAYLOADS, STREAMS, cuts, outcome

__all__ = ["observe_connection", "observe_masker", "observe_stream"]


def observe_masker(module: ModuleType) -> object:
    """Return chunks that one masker has masked, one after another."""

    def process(key: bytes) -> list[object]:
        masker = module.XorMaskerSimple(key)
        return [(type(chunk), chunk) for chunk in map(masker.process, map(bytearray, PAYLOADS))]

    return [outcome(process, kind(key)) for key in (*KEYS, b"abc") for kind in (bytes, bytearray)]


def observe_connection(module: ModuleType) -> object:
    """Return the events of every stream on both sides, and what is sent."""
    seen: list[object] = []
    for kind in (module.ConnectionType.SERVER, module.ConnectionType.CLIENT):
        server = kind is module.ConnectionType.SERVER
        seen += [
            observe_stream(module, kind, pieces)
            for stream in STREAMS[server]
            for pieces in cuts(stream)
        ]
        seen.append(_observe_sending(module, kind))
    return seen


def observe_stream(
    module: ModuleType, kind: Any, pieces: Sequence[bytes], extensions: Sequence[Any] = ()
) -> object:
    """Feed a connection; return its events, and what became of it."""
    connection = module.Connection(kind, list(extensions))
    seen: list[object] = []
    for piece in pieces:
        seen.append(outcome(connection.receive_data, piece))
        events = connection.events()
        # Not all at once: a program may stop, and come back.
        first = next(events, None)
        seen += [first, *connection.events(), *events, connection.state]
    seen.append(outcome(connection.receive_data, None))
    seen += [*connection.events(), connection.state]
    return [(type(event).__name__, event) for event in seen]


def _observe_sending(module: ModuleType, kind: Any) -> object:
    from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

    connection = module.Connection(kind)
    events = [
        *(BytesMessage(data) for data in PAYLOADS),
        *(BytesMessage(bytearray(data), message_finished=False) for data in PAYLOADS),
        BytesMessage(b"the last"),
        TextMessage("Grüße"),
        TextMessage("one", message_finished=False),
        BytesMessage(b"another kind"),
        TextMessage("two"),
        TextMessage(b"not a text"),
        BytesMessage("not bytes"),
        TextMessage("\ud800"),
        BytesMessage(bytes(70000)),
        Ping(b"ping"),
        Ping(b"p" * 126),
        CloseConnection(1000, "bye"),
        TextMessage("too late"),
    ]
    sent = [outcome(connection.send, event) for event in events]
    if kind is module.ConnectionType.CLIENT:
        # Masked, each time with another key.
        return [(type(one), len(one)) if isinstance(one, bytes) else one for one in sent]
    return [(type(one), one) for one in sent]
