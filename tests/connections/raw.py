"""A peer that does what a test says, frame by frame, by the text of RFC 6455 alone."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from typing import NamedTuple

from wire import CLOSE, KEY, frame, masked

REQUEST = (
    "GET {path} HTTP/1.1\r\n"
    "Host: localhost\r\n"
    "Connection: Upgrade\r\n"
    "Upgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "{headers}\r\n"
)


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    fin: bool = True


class RawClient:
    """A stream, and frames on it."""

    def __init__(self, reader, writer, masked=True):
        self.reader = reader
        self.writer = writer
        self.key = KEY if masked else None
        self.rsv = 0  # of the last frame received

    async def handshake(self, path="/", headers=()):
        await self.send_request(path, headers)
        status, headers, _ = await self.response()
        assert status == 101
        return headers

    async def send_request(self, path="/", headers=()):
        lines = "".join(f"{line}\r\n" for line in headers)
        await self.write(REQUEST.format(path=path, headers=lines).encode())

    async def response(self):
        """Return status, headers and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        status_line, *lines = head.decode().split("\r\n")[:-2]
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        status = int(status_line.split()[1])
        body = b"" if status == 101 else await self.reader.read()
        return status, headers, body

    async def accept(self, headers=()):
        """Take a client's request and open the connection; return the request's headers."""
        request = await self.request()
        await self.answer(request, headers)
        return request

    async def request(self):
        """Return the headers of a client's request; its line is under the empty name."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head.split("\r\n")[:-2]
        pairs = (line.partition(":") for line in lines)
        return {"": line, **{name.lower(): value.strip() for name, _, value in pairs}}

    async def answer(self, request, headers=(), then=b""):
        """Open the connection; ``then`` is sent in the same write."""
        key = request["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Accept: {accept}",
            *headers,
        ]
        await self.write("\r\n".join([*lines, "", ""]).encode() + then)

    async def write(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def send(self, opcode, payload=b"", fin=True, **options):
        if isinstance(payload, str):
            payload = payload.encode()
        await self.write(frame(opcode, payload, fin=fin, key=self.key, **options))

    async def send_close(self, code=1000, reason=""):
        await self.send(CLOSE, code.to_bytes(2, "big") + reason.encode())

    async def recv(self):
        """Return the next frame, or None at the end of the stream."""
        try:
            first, second = await self.reader.readexactly(2)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self.rsv = first >> 4 & 7
        length = second & 0x7F
        if length > 125:
            size = {126: 2, 127: 8}[length]
            length = int.from_bytes(await self.reader.readexactly(size), "big")
        key = await self.reader.readexactly(4) if second & 0x80 else bytes(4)
        assert bool(second & 0x80) is (self.key is None)
        payload = await self.reader.readexactly(length)
        return Frame(first & 0x0F, masked(payload, key) if second & 0x80 else payload, first > 127)

    async def recv_close(self):
        """Return code and reason of the next close frame, skipping others; None without one."""
        while (got := await self.recv()) is not None:
            if got.opcode == CLOSE:
                if not got.payload:
                    return 1005, ""
                return int.from_bytes(got.payload[:2], "big"), got.payload[2:].decode()
        return None

    async def close(self):
        self.writer.close()
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self.writer.wait_closed(), 5)

    def pause(self):
        """Stop reading, so that the peer cannot write for long."""
        self.writer.transport.pause_reading()

    def resume(self):
        self.writer.transport.resume_reading()

    def abort(self):
        """Reset the connection."""
        self.writer.transport.abort()
