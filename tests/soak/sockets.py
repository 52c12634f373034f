"""Sockets of clients: where they come from, and how they end without a word."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import struct
from dataclasses import dataclass

from connections.raw import RawClient

__all__ = ["Target", "connected_socket", "forget", "open_raw", "reset"]

# Linux has them; the names are missing in Python.
_IP_BIND_ADDRESS_NO_PORT = 24
_TCP_REPAIR = 19

# Each source address has ports of its own, so connections that end cannot use them up.
_SOURCES = [f"127.0.{i}.{j}" for i in range(1, 5) for j in range(1, 33)]


@dataclass
class Target:
    """Where the server under soak listens."""

    plain: int
    impatient: int
    tls: int | None = None
    context: ssl.SSLContext | None = None

    def choose(self, chosen: random.Random) -> tuple[int, ssl.SSLContext | None]:
        """Return the port to connect to, and what for TLS."""
        if self.tls is None or chosen.random() < 0.6:
            return self.plain, None
        return self.tls, self.context


async def connected_socket(
    port: int, source: str | None = None, receive_bytes: int | None = None
) -> socket.socket:
    """Return a socket connected to this port, from an address of 127.0.0.0/8."""
    sock = socket.socket()
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        # The port is chosen in connect(), where the other end is known: far more can be open.
        sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((source or random.choice(_SOURCES), 0))
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except BaseException:
        sock.close()
        raise
    return sock


@contextlib.asynccontextmanager
async def open_raw(port: int, context: ssl.SSLContext | None = None, receive_bytes=None):
    """A stream to the server, before its opening handshake; gone at the end of the block."""
    sock = await connected_socket(port, receive_bytes=receive_bytes)
    name = None if context is None else "localhost"
    client = RawClient(*await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name))
    try:
        yield client
    finally:
        client.abort()
        with contextlib.suppress(OSError):
            await client.writer.wait_closed()


def reset(client: RawClient) -> None:
    """Close with a reset, as the system does for a process that dies with input unread."""
    sock = client.writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # the server was first
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.abort()


def forget(sock: socket.socket) -> bool:
    """Close without telling the other side, as a machine without power; False if not allowed."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
    except OSError:
        return False
    sock.close()
    return True
