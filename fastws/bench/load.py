"""The load on a server: bare sockets, frames made beforehand, replies counted, the same for all."""

from __future__ import annotations

import base64
import contextlib
import functools
import os
import socket
import ssl
import struct
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from . import definition
from .jobs import Round
from .readiness import Readiness
from .sizes import MIB

__all__ = [
    "BINARY",
    "CLOSE_FRAME",
    "MASKING_KEY",
    "NO_REPLY",
    "REPLY_SECONDS",
    "TOO_LATE",
    "Load",
    "LoadFailed",
    "frames",
    "open_socket",
    "receive",
    "request_for",
    "shake_hands",
]

REPLY_SECONDS = 5.0
MASKING_KEY = bytes.fromhex("37fa213d")
BINARY = 0x2
CLOSE_FRAME = definition.serialize_frame(0x8, (1000).to_bytes(2, "big"), MASKING_KEY)
CLOSE_SECONDS = 1.0
OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n"


class LoadFailed(Exception):
    """The server did not do what an echo server does."""


# What sockets raise when their time is over: plain ones, those with a time limit, TLS.
TOO_LATE = (BlockingIOError, TimeoutError, ssl.SSLWantReadError)
NO_REPLY = f"no reply within {REPLY_SECONDS:g} s"


@functools.lru_cache(maxsize=8)
def frames(opcode: int, payload: bytes) -> tuple[bytes, bytes]:
    """Return a message as a client sends it, and as a server does."""
    masked = definition.serialize_frame(opcode, payload, MASKING_KEY)
    return masked, definition.serialize_frame(opcode, payload)


class Load:
    """Connections that all send the same message again and again, dealt out over ``ports``.

    On each, ``in_flight`` messages are under way, sent in two halves when there are several, so
    that the server has the next half when it answers the last. With ``broadcast`` the first
    connection sends, and all receive.
    """

    def __init__(
        self,
        ports: Sequence[int],
        payload: bytes,
        *,
        in_flight: int = 1,
        connections: int = 1,
        opcode: int = BINARY,
        tls: bool = False,
        broadcast: bool = False,
    ) -> None:
        request, reply = frames(opcode, payload)
        # Both in one piece, which is what a busy server finds.
        self._at_once = max(1, in_flight // 2)
        self._ahead = in_flight > 1
        self._broadcast = broadcast
        self._request = request * self._at_once
        self._reply = reply * self._at_once
        self._buffer = memoryview(bytearray(len(self._reply)))
        self._tls = tls
        with contextlib.ExitStack() as opened:
            self._sockets = [
                opened.enter_context(open_socket(ports[i % len(ports)], tls=tls))
                for i in range(connections)
            ]
            # Handlers begin in the order of their connections: once the last one has spoken, all
            # are there to be told.
            for sock in [self._sockets[-1], self._sockets[0]] if broadcast else self._sockets:
                # One message alone first, so that the server sees where it ends.
                self._check(sock, request, reply)
                if self._at_once > 1:
                    self._check(sock, self._request, self._reply)
            self._opened = opened.pop_all()

    def _check(self, sock: socket.socket, request: bytes, reply: bytes) -> None:
        sock.sendall(request)
        for receiver in self._sockets if self._broadcast else [sock]:
            view = self._buffer[: len(reply)]
            receive(receiver, view)
            if view != reply:
                raise LoadFailed("the echo is not what was sent")

    def batch(self) -> None:
        """Send once on each connection, and receive the replies."""
        for sock in self._sockets[: 1 if self._broadcast else None]:
            sock.sendall(self._request)
        for sock in self._sockets:
            receive(sock, self._buffer)

    def run(self, seconds: float) -> Round:
        """Send and receive for about ``seconds``; return messages received and the exact time."""
        start, start_cpu = time.perf_counter(), time.thread_time()
        if self._broadcast or len(self._sockets) == 1:
            batches = self._in_turn(start + seconds) * len(self._sockets)
        else:
            batches = self._as_they_come(start + seconds)
        took, cpu = time.perf_counter() - start, time.thread_time() - start_cpu
        if self._buffer != self._reply:
            raise LoadFailed("the echo is not what was sent")
        return Round(batches * self._at_once, took, cpu)

    def _in_turn(self, end: float) -> int:
        batches = 0
        if self._ahead:
            self._sockets[0].sendall(self._request)
        while time.perf_counter() < end or batches == 0:
            self.batch()
            batches += 1
        if self._ahead:
            receive(self._sockets[0], self._buffer)
            batches += 1
        return batches

    def _as_they_come(self, end: float) -> int:
        """Send on each connection as soon as its replies are there, so that none waits for all."""
        sockets = {sock.fileno(): sock for sock in self._sockets}
        request, buffer, length = self._request, self._buffer, len(self._reply)
        batches = 0
        with Readiness() as ready:
            for descriptor, sock in sockets.items():
                ready.add(descriptor)
                sock.sendall(request)
                if self._ahead:
                    sock.sendall(request)
            waiting = len(sockets) * (2 if self._ahead else 1)
            while waiting:
                going_on = time.perf_counter() < end
                found = ready.wait(REPLY_SECONDS)
                if not found:
                    raise LoadFailed(NO_REPLY)
                for descriptor in found:
                    sock = sockets[descriptor]
                    nbytes = sock.recv_into(buffer)
                    if nbytes != length:
                        # The rest is on its way: waiting for it is shorter than coming back.
                        _receive_rest(sock, buffer, nbytes)
                    batches += 1
                    if going_on:
                        sock.sendall(request)
                    else:
                        waiting -= 1
        return batches

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
                _say_goodbye(sock)
            for sock in self._sockets:
                _wait_for_end(sock)


def request_for(port: int, path: str = "/", *, offer: bool = False) -> bytes:
    """Return an opening handshake; ``offer`` compression or, as by default, no extension."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n{OFFER if offer else ''}"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def open_socket(port: int, *, tls: bool = False, offer: bool = False) -> socket.socket:
    """Return a connection after its opening handshake."""
    sock = socket.create_connection(("127.0.0.1", port), REPLY_SECONDS)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            sock = _new_tls_context().wrap_socket(sock)
        else:
            _limit_waiting(sock)
        shake_hands(sock, port, offer=offer)
    except BaseException:
        sock.close()
        raise
    return sock


@functools.lru_cache(maxsize=1)
def _new_tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate was made for this run; who the server is was never in question.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _limit_waiting(sock: socket.socket) -> None:
    """Let the system see to the time limit: Python's would ask poll() before every call."""
    sock.setblocking(True)
    if sys.platform == "win32":
        limit = struct.pack("L", int(REPLY_SECONDS * 1000))
    else:
        limit = struct.pack("ll", int(REPLY_SECONDS), int(REPLY_SECONDS % 1 * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def shake_hands(sock: socket.socket, port: int, path: str = "/", *, offer: bool = False) -> None:
    sock.sendall(request_for(port, path, offer=offer))
    response = b""
    while b"\r\n\r\n" not in response:
        piece = sock.recv(4096)
        if not piece:
            raise LoadFailed("connection closed in the handshake")
        response += piece
    status = response.split(b"\r\n", 1)[0].decode(errors="replace")
    if " 101 " not in status:
        raise LoadFailed(f"no WebSocket: {status}")
    if offer and b"permessage-deflate" not in response:
        raise LoadFailed("does not accept compression")


def receive(sock: socket.socket, view: memoryview) -> None:
    """Fill ``view``."""
    nbytes = sock.recv_into(view)
    if nbytes != len(view):
        _receive_rest(sock, view, nbytes)


def _receive_rest(sock: socket.socket, view: memoryview, received: int) -> None:
    while received < len(view):
        if received == 0:
            raise LoadFailed("connection closed")
        nbytes = sock.recv_into(view[received:])
        if nbytes == 0:
            raise LoadFailed("connection closed")
        received += nbytes


def _say_goodbye(sock: socket.socket) -> None:
    # A server that is left without a word may spend its time on a traceback.
    with contextlib.suppress(OSError):
        sock.settimeout(CLOSE_SECONDS)
        sock.sendall(CLOSE_FRAME)
        sock.shutdown(socket.SHUT_WR)


def _wait_for_end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while sock.recv(MIB):
            pass
