"""The client that loads an echo server: bare sockets, frames made beforehand, replies counted."""

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
    """Connections that all send the same message again and again, ``in_flight`` at once on each."""

    def __init__(
        self,
        port: int,
        payload: bytes,
        in_flight: int,
        connections: int = 1,
        *,
        opcode: int = BINARY,
    ) -> None:
        self._in_flight = in_flight
        self._request = definition.serialize_frame(opcode, payload, MASKING_KEY) * in_flight
        self._reply = definition.serialize_frame(opcode, payload) * in_flight
        self._buffer = memoryview(bytearray(len(self._reply)))
        self._sockets: list[socket.socket] = []
        with contextlib.ExitStack() as opened:
            for _ in range(connections):
                sock = socket.create_connection(("127.0.0.1", port), REPLY_SECONDS)
                self._sockets.append(opened.enter_context(sock))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _handshake(sock, port)
                self._check(sock)
            self._opened = opened.pop_all()

    def _check(self, sock: socket.socket) -> None:
        # One message alone first, so that the server sees where it ends.
        for messages in (1, self._in_flight):
            request = self._request[: len(self._request) // self._in_flight * messages]
            reply = self._reply[: len(self._reply) // self._in_flight * messages]
            sock.sendall(request)
            _receive(sock, self._buffer[: len(reply)])
            if self._buffer[: len(reply)] != reply:
                raise LoadFailed("the echo is not what was sent")

    def batch(self) -> None:
        """Send as many messages as are to be in flight, and receive them all."""
        for sock in self._sockets:
            sock.sendall(self._request)
        for sock in self._sockets:
            _receive(sock, self._buffer)

    def run(self, seconds: float) -> tuple[int, float]:
        """Send and receive for about ``seconds``; return messages and the exact time."""
        batches = 0
        step = max(1, BATCHES // len(self._sockets))
        start = time.perf_counter()
        while (took := time.perf_counter() - start) < seconds or batches == 0:
            for _ in range(step):
                self.batch()
            batches += step
        if self._buffer != self._reply:
            raise LoadFailed("the echo is not what was sent")
        return batches * self._in_flight * len(self._sockets), took

    def __enter__(self) -> Load:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._opened:
            for sock in self._sockets:
                _close(sock)


def _handshake(sock: socket.socket, port: int, path: str = "/") -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    # No extension is offered, so no server compresses.
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    response = b""
    while b"\r\n\r\n" not in response:
        piece = sock.recv(4096)
        if not piece:
            raise LoadFailed("connection closed in the handshake")
        response += piece
    status = response.split(b"\r\n", 1)[0].decode(errors="replace")
    if " 101 " not in status:
        raise LoadFailed(f"no WebSocket: {status}")


def _receive(sock: socket.socket, view: memoryview) -> None:
    while len(view):
        nbytes = sock.recv_into(view)
        if nbytes == 0:
            raise LoadFailed("connection closed")
        view = view[nbytes:]


def _close(sock: socket.socket) -> None:
    # A server that is left without a word may spend its time on a traceback.
    with contextlib.suppress(OSError):
        sock.settimeout(CLOSE_SECONDS)
        sock.sendall(CLOSE_FRAME)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
