"""Large frames of websockets' asyncio connections: received where they will stay."""

from __future__ import annotations

import asyncio
from typing import Any

from ..arriving import Arriving

__all__ = ["receive_directly"]

# Loops whose transports may get another protocol at any time; others have a read under way.
_ASYNCIO = "asyncio.selector_events"
_UVLOOP = "uvloop.loop"


def receive_directly(connection: Any, arriving: Arriving) -> None:
    """Have the transport write the rest of a frame into its payload, where that is possible."""
    transport = connection.transport
    if type(transport).__module__ in (_ASYNCIO, _UVLOOP) and not transport.is_closing():
        _hand_over(transport, _Receiver(connection, arriving))


def _hand_over(transport: Any, protocol: Any) -> None:
    transport.set_protocol(protocol)
    if type(transport).__module__ == _UVLOOP and transport.is_reading():
        # It looks at the kind of protocol when it starts to read.
        transport.pause_reading()
        transport.resume_reading()


class _Receiver(asyncio.BufferedProtocol):
    """Stands in for a connection while a large frame comes."""

    def __init__(self, connection: Any, arriving: Arriving) -> None:
        self._connection = connection
        self._arriving = arriving

    def get_buffer(self, sizehint: int) -> Any:
        return self._arriving.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._arriving.buffer_updated(nbytes)
        if not self._arriving.missing:
            _hand_over(self._connection.transport, self._connection)
            self._connection.data_received(b"")

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def eof_received(self) -> Any:
        self._connection.transport.set_protocol(self._connection)
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.transport.set_protocol(self._connection)
        self._connection.connection_lost(exc)
