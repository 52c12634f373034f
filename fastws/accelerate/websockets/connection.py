"""The asyncio connections of websockets: fewer coroutines on the way of a message."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.asyncio.messages import Assembler
from websockets.exceptions import ConcurrencyError, ProtocolError
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import OPEN

from .direct import receive_directly
from .protocol import TextFrame, receive_data, receive_texts, send_message

__all__ = ["data_received", "get", "send"]

_data_received = Connection.data_received
_get = Assembler.get
_send = Connection.send
_FRAMES = (Frame, TextFrame)


@lru_cache
def _is_known(connection: Any) -> bool:
    """Whether nobody has given the class another way to handle an event."""
    module: str = connection.process_event.__module__
    return module.startswith("websockets.asyncio.")


def data_received(self: Connection, data: bytes) -> None:
    """Feed incoming data to the protocol, as websockets does it."""
    kind: Any = type(self)
    if self.debug or not _is_known(kind):
        _data_received(self, data)
        return
    protocol = self.protocol
    side: Any = type(protocol)
    if side.receive_data is receive_data:
        receive_texts(protocol, data)
    else:
        protocol.receive_data(data)
    events = protocol.events_received()
    if protocol.writes:
        try:
            self.send_data()
        except Exception as error:
            self.set_connection_exc(error)
    if (
        protocol.state is not OPEN
        and protocol.close_expected()
        and self.close_deadline is None
        and self.close_timeout is not None
    ):
        self.close_deadline = self.loop.time() + self.close_timeout
    messages = self.recv_messages
    for event in events:
        if type(event) in _FRAMES and event.opcode in DATA_OPCODES and not messages.closed:
            messages.frames.put(event)
        else:
            self.process_event(event)
    messages.maybe_pause()
    state = protocol.__dict__.get("_fastws")
    if state is not None and state.arriving is not None:
        receive_directly(self, state.arriving)


async def get(self: Assembler, decode: bool | None = None) -> Any:
    """Read the next message, as websockets does it."""
    queue = self.frames
    frames = queue.queue
    if self.get_in_progress or (not frames and self.closed):
        return await _get(self, decode)
    if not frames:
        assert queue.get_waiter is None, "cannot call get() concurrently"
        self.get_in_progress = True
        waiter = queue.get_waiter = queue.loop.create_future()
        try:
            await waiter
        finally:
            waiter.cancel()
            queue.get_waiter = None
            self.get_in_progress = False
    if not frames[0].fin:
        return await _get(self, decode)
    frame = frames.popleft()
    if self.paused:
        self.maybe_resume()
    if decode is None:
        decode = frame.opcode is Opcode.TEXT
    if decode and type(frame) is TextFrame:
        return frame.text
    data = frame.data
    if decode:
        return data.decode()
    return data if type(data) is bytes else bytes(data)


async def send(self: Connection, message: Any, *, text: bool | None = None) -> None:
    """Send a message, as websockets does it."""
    kind = type(message)
    protocol = self.protocol
    if (
        (kind is not str and kind is not bytes)
        or self.send_in_progress is not None
        or protocol.state is not OPEN
        or self.debug
    ):
        await _send(self, message, text=text)
        return
    try:
        send_message(protocol, message, kind is str if text is None else text)
    except (ProtocolError, ConcurrencyError):
        raise
    except Exception as error:
        self.logger.error("unexpected internal error", exc_info=True)
        await _give_up(self, error)
    try:
        self.send_data()
        if self.paused or self.transport.is_closing():
            await self.drain()
    except Exception as error:
        await _give_up(self, error)


async def _give_up(connection: Connection, error: Exception) -> None:
    """End the connection as ``send_context`` does after an error."""
    connection.set_connection_exc(error)
    connection.transport.abort()
    await asyncio.shield(connection.connection_lost_waiter)
    raise connection.close_exc
