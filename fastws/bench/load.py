"""The client that loads an echo server: a bare socket, frames made beforehand, replies counted."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import time
from types import TracebackType

from . import definition

__all__ = ["Load", "LoadFailed"]

REPLY_SECONDS = 5.0
MASKING_KEY = bytes.fromhex("37fa213d")
BINARY = 0x2
CLOSE_FRAME = definition.serialize_frame(0x8, (1000).to_bytes(2, "big"), MASKING_KEY)
CLOSE_SECONDS = 1.0
# Between two looks at the clock.
BATCHES = 20


class LoadFailed(Exception):
    """The server did not do what an echo server does."""


class Load:
    """One connection that sends the same message again and again."""

    def __init__(self, port: int, payload: bytes, in_flight: int) -> None:
        self._messages = in_flight
        self._request = definition.serialize_frame(BINARY, payload, MASKING_KEY) * in_flight
        self._reply = definition.serialize_frame(BINARY, payload) * in_flight
        self._buffer = memoryview(bytearray(len(self._reply)))
        self._socket = socket.create_connection(("127.0.0.1", port), REPLY_SECONDS)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._handshake(port)
            self._check()
        except BaseException:
            self._socket.close()
            raise

    def _handshake(self, port: int) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        # No extension is offered, so no server compresses.
        self._socket.sendall(
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        response = b""
        while b"\r\n\r\n" not in response:
            piece = self._socket.recv(4096)
            if not piece:
                raise LoadFailed("connection closed in the handshake")
            response += piece
        status = response.split(b"\r\n", 1)[0].decode(errors="replace")
        if " 101 " not in status:
            raise LoadFailed(f"no WebSocket: {status}")

    def _check(self) -> None:
        # One message alone first, so that the server sees where it ends.
        request, reply = self._request, self._reply
        messages = self._messages
        self._socket.sendall(request[: len(request) // messages])
        self._receive(self._buffer[: len(reply) // messages])
        if self._buffer[: len(reply) // messages] != reply[: len(reply) // messages]:
            raise LoadFailed("the echo is not what was sent")
        self.batch()
        if self._buffer != reply:
            raise LoadFailed("the echo is not what was sent")

    def _receive(self, view: memoryview) -> None:
        while len(view):
            nbytes = self._socket.recv_into(view)
            if nbytes == 0:
                raise LoadFailed("connection closed")
            view = view[nbytes:]

    def batch(self) -> None:
        """Send as many messages as are to be in flight, and receive them all."""
        self._socket.sendall(self._request)
        self._receive(self._buffer)

    def run(self, seconds: float) -> tuple[int, float]:
        """Send and receive for about ``seconds``; return messages and the exact time."""
        batches = 0
        start = time.perf_counter()
        while (took := time.perf_counter() - start) < seconds or batches == 0:
            for _ in range(BATCHES):
                self.batch()
            batches += BATCHES
        if self._buffer != self._reply:
            raise LoadFailed("the echo is not what was sent")
        return batches * self._messages, took

    def __enter__(self) -> Load:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._socket, contextlib.suppress(OSError):
            # A server that is left without a word may spend its time on a traceback.
            self._socket.settimeout(CLOSE_SECONDS)
            self._socket.sendall(CLOSE_FRAME)
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(4096):
                pass
