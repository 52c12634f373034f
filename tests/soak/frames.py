"""Frames of a raw client: numbered messages cut up and compressed, and what comes back."""

from __future__ import annotations

import os
import random
import zlib
from typing import Any

from connections.raw import Frame, RawClient
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

from fastws import serialize_frame

from .messages import Sequence, Violation

__all__ = ["Frames"]

_TAIL = b"\x00\x00\xff\xff"
_COMPRESSED = 4


class Frames:
    """What a raw client sends and receives after its handshake; ``control`` are control frames.

    ``extension`` is the server's answer about permessage-deflate (RFC 7692), or "".
    """

    def __init__(self, client: RawClient, sequence: Sequence, extension: str = "") -> None:
        self.sequence = sequence
        self.control: list[Frame] = []
        self.received_bytes = 0
        self._client = client
        self._parts: list[Frame] = []
        self._rsv = 0
        self._last_ping: bytes | None = None
        self._compresses = bool(extension)
        self._forgets = "client_no_context_takeover" in extension
        self._compressor: Any = None
        self._decompressor = zlib.decompressobj(-15)

    async def send(self, opcode: int, payload: bytes, **options: Any) -> None:
        """Send one frame."""
        if opcode == PING:
            self._last_ping = payload
        frame = serialize_frame(opcode, payload, masking_key=os.urandom(4), **options)
        await self._client.write(frame)

    async def send_message(self, message: str | bytes) -> None:
        """Send a message in one frame."""
        opcode, payload = _payload(message)
        await self.send(opcode, payload)

    async def send_cut(self, message: str | bytes, chosen: random.Random) -> None:
        """Send a message in fragments cut anywhere, with pings between, in pieces cut anywhere."""
        opcode, payload = _payload(message)
        rsv = 0
        if self._compresses and chosen.random() < 0.8:
            rsv, payload = _COMPRESSED, self._compress(payload)
        cuts = sorted(chosen.randrange(len(payload) + 1) for _ in range(chosen.randrange(5)))
        wire = b""
        for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True):
            if start and chosen.random() < 0.3:
                self._last_ping = b"%d" % start
                wire += serialize_frame(PING, self._last_ping, masking_key=os.urandom(4))
            wire += serialize_frame(
                CONTINUATION if wire else opcode,
                payload[start:end],
                fin=end == len(payload),
                rsv=0 if wire else rsv,
                masking_key=os.urandom(4),
            )
            if end == len(payload):
                break
        cut = chosen.randrange(len(wire))
        await self._client.write(wire[:cut])
        await self._client.write(wire[cut:])

    def _compress(self, payload: bytes) -> bytes:
        if self._compressor is None or self._forgets:
            self._compressor = zlib.compressobj(wbits=-15)
        compressed = self._compressor.compress(payload)
        return (compressed + self._compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)

    async def receive(self) -> bool:
        """Take one frame, and check the message that it ends; False at the end of the stream."""
        frame = await self._client.recv()
        if frame is None:
            return False
        if frame.opcode >= CLOSE:
            self.control.append(frame)
            if frame.opcode == PONG and frame.payload == self._last_ping:
                self._last_ping = None
            return frame.opcode != CLOSE
        if not self._parts:
            self._rsv = self._client.rsv
        self._parts.append(frame)
        self.received_bytes += len(frame.payload)
        if frame.fin:
            self.sequence.check(self._join())
        return True

    def _join(self) -> str | bytes:
        first, *others = self._parts
        self._parts = []
        if first.opcode not in (TEXT, BINARY) or any(f.opcode != CONTINUATION for f in others):
            raise Violation(f"fragments out of order: {[f.opcode for f in (first, *others)]}")
        payload = b"".join(frame.payload for frame in (first, *others))
        if self._rsv == _COMPRESSED:
            payload = self._decompressor.decompress(payload + _TAIL)
        return payload.decode() if first.opcode == TEXT else payload

    def pings_unanswered(self) -> bool:
        """Whether the last ping still waits for its pong."""
        return self._last_ping is not None

    async def close(self) -> None:
        """Close with 1000, and expect the same."""
        await self._client.send_close(1000)
        while await self.receive():
            pass
        self.expect_close(1000)
        if await self._client.recv() is not None:
            raise Violation("a frame came after the close frame")

    def expect_close(self, code: int) -> None:
        """Raise Violation unless the last frame closed with this code."""
        last = self.control[-1] if self.control else None
        if last is None or last.opcode != CLOSE or last.payload[:2] != code.to_bytes(2, "big"):
            raise Violation(f"{last} came instead of a close frame with {code}")


def _payload(message: str | bytes) -> tuple[int, bytes]:
    return (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
