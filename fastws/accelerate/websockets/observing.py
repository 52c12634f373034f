"""What the self-checks of websockets look at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from types import ModuleType
from typing import Any

from ..vectors import PAYLOADS, STREAMS, cuts, outcome

__all__ = ["observe_connection", "observe_protocol", "observe_stream"]

# Violations on purpose are nobody's concern.
_logger = logging.Logger("fastws.accelerate", logging.CRITICAL)


def observe_protocol(module: ModuleType) -> object:
    """Return what both sides make of every stream, and what they write."""
    from websockets.frames import Opcode

    seen: list[object] = []
    for side in (module.SERVER, module.CLIENT):
        for stream in STREAMS[side is module.SERVER]:
            # Every limit, and every cut, but not each with each: a program waits for this.
            for i, pieces in enumerate(cuts(stream)):
                for max_size in (None, 150) if i % 2 else (2**20, (1000, 100)):
                    seen.append(observe_stream(module, side, pieces, max_size))
    for opcode in Opcode:
        for data in PAYLOADS:
            frame = module.Frame(opcode, data)
            seen.append(outcome(lambda frame=frame: frame.serialize(mask=False)))
    return seen


def observe_stream(
    module: ModuleType,
    side: Any,
    pieces: Sequence[bytes],
    max_size: Any = 2**20,
    extensions: Sequence[Any] = (),
) -> object:
    """Feed a connection; return its events, what it writes, and how it ends."""
    protocol = module.Protocol(side, max_size=max_size, logger=_logger)
    protocol.extensions = list(extensions)
    seen: list[object] = []

    def look() -> None:
        seen.extend(
            (
                frame.opcode,
                bytes(frame.data),
                frame.fin,
                frame.rsv1,
                frame.rsv2,
                frame.rsv3,
                protocol.state,
            )
            for frame in protocol.events_received()
        )
        # A client masks what it writes, each time with another key.
        writes = protocol.data_to_send()
        seen.append(list(map(len, writes)) if side is module.CLIENT else writes)
        seen.append((repr(protocol.parser_exc), protocol.state, protocol.close_expected()))

    # The first piece is for nobody: what was said in the handshake came before it.
    for piece in (b"", *pieces):
        protocol.receive_data(piece)
        look()
    protocol.receive_eof()
    look()
    seen.append((protocol.close_code, protocol.close_reason, str(protocol.close_exc)))
    return seen


class _Transport:
    """As much of a transport as a connection asks for."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.write = self.written.append

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.written.append(name.encode()) if arguments else None

    def is_closing(self) -> bool:
        return False


def observe_connection(module: ModuleType) -> object:
    """Return what an asyncio connection gives to a program, and writes for it."""
    loop = asyncio.new_event_loop()
    running = asyncio._get_running_loop()
    # The program may be importing the target from within its own loop; this one never runs.
    asyncio._set_running_loop(loop)
    try:
        return [
            observe_exchange(module, pieces, decode)
            for stream in STREAMS[True]
            for pieces in (list(cuts(stream))[-1], [stream])
            for decode in (None, True, False)
        ]
    finally:
        asyncio._set_running_loop(running)
        loop.close()


def observe_exchange(
    module: ModuleType, pieces: Sequence[bytes], decode: bool | None = None
) -> object:
    """Receive and echo messages on a connection, some that wait and some that are there."""
    from websockets.protocol import SERVER, Protocol

    connection = module.Connection(Protocol(SERVER, logger=_logger), max_queue=2)
    transport = _Transport()
    connection.connection_made(transport)
    seen: list[object] = []

    def step(coroutine: Coroutine[Any, Any, object]) -> bool:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            seen.append(stop.value)
        except Exception as error:
            seen.append((type(error).__name__, str(error)))
        else:
            return False
        return True

    pending = connection.recv(decode)
    waits = not step(pending)
    for piece in (b"", *pieces):
        connection.data_received(piece)
        while connection.recv_messages.frames.queue:
            if not waits:
                pending = connection.recv(decode)
            waits = not step(pending)
            if waits:
                break
            if isinstance(seen[-1], (str, bytes)):
                step(connection.send(seen[-1]))
                step(connection.send(seen[-1], text=decode))
    pending.close()
    # In how many pieces it is written is nobody's concern.
    written = b"".join(transport.written)
    seen.append((connection.recv_messages.paused, connection.state, written))
    return seen
