"""What the self-checks of aiohttp look at."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ..vectors import KEYS, PAYLOADS, STREAMS, cuts, outcome

__all__ = ["observe_mask", "observe_reader", "observe_stream", "observe_writer"]


def observe_mask(module: ModuleType) -> object:
    """Return payloads that were masked in place."""
    masked = [bytearray(data) for data in PAYLOADS for _ in KEYS]
    for i, data in enumerate(masked):
        module.websocket_mask(KEYS[i % len(KEYS)], data)
    return masked


class _Connection:
    """As much of a protocol and a transport as a reader and a writer ask for."""

    _paused = False

    def __init__(self) -> None:
        self._reading_paused = False
        self.written: list[bytes] = []
        self.write = self.written.append

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self) -> None:
        self._reading_paused = False

    def is_closing(self) -> bool:
        return len(self.written) > 40


def observe_writer(module: ModuleType) -> object:
    """Return what both roles write."""
    seen: list[object] = []
    for use_mask in (True, False):
        connection = _Connection()
        # The same seed gives the same keys.
        source = random.Random(use_mask)
        writer = module.WebSocketWriter(connection, connection, use_mask=use_mask, random=source)
        for opcode in (1, 2, 8, 9, 10):
            for data in (*PAYLOADS[::3], bytes(70_000)):
                for rsv in (0, 0x40):
                    seen.append(outcome(writer._write_websocket_frame, data, opcode, rsv))
        seen.append((connection.written, writer._output_size))
    return seen


def observe_reader(module: ModuleType) -> object:
    """Return the messages of every stream, if there is a reader here to read them."""
    if "WebSocketReader" not in vars(module):
        return None
    return [
        observe_stream(module.WebSocketReader, pieces, max_size, decode)
        for masked in (True, False)
        for stream in STREAMS[masked]
        for pieces in cuts(stream)
        for max_size, decode in ((0, True), (150, True), (2**20, False))
    ]


def observe_stream(
    reader: type,
    pieces: Sequence[bytes],
    max_size: int = 0,
    decode: bool = True,
    compress: bool = False,
    limit: int = 200,
) -> object:
    """Feed a reader with a short queue; return the messages, and how it ends."""
    from aiohttp._websocket.reader import WebSocketDataQueue

    connection = _Connection()
    queue = WebSocketDataQueue(connection, limit, loop=None)
    stalls = hasattr(queue, "_stalled_reader")
    subject: Any = reader(queue, max_size, compress, *([decode] if stalls else []))
    seen: list[object] = []
    for piece in pieces:
        seen.append(subject.feed_data(piece))
        size = queue._size if stalls else None
        seen.append((len(queue._buffer), size, connection._reading_paused))
        # A program takes some, and more messages may come out of what was stalled.
        for _ in range(3):
            if queue._buffer:
                seen.append(_read(queue))
    while queue._buffer:
        seen.append(_read(queue))
    subject.feed_eof()
    return [*seen, repr(queue.exception()), queue.is_eof()]


def _read(queue: Any) -> object:
    try:
        queue.read().send(None)
    except StopIteration as stop:
        return type(stop.value).__name__, stop.value, type(stop.value.data)
    raise AssertionError("a message was there, and could not be read")
