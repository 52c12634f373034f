"""The smallest HTTP CONNECT and SOCKS5 proxies; they keep a list of where they were sent."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import struct


class Proxy:
    """A proxy on a free port; ``asked`` are the (host, port) pairs, ``users`` the credentials."""

    def __init__(self, kind, answer=200, user=None):
        self.kind = kind
        self.answer = answer
        self.user = user
        self.asked = []
        self.users = []

    async def __aenter__(self):
        self._tasks = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def uri(self):
        scheme = {"http": "http", "socks5": "socks5h"}[self.kind]
        user = "" if self.user is None else ":".join(self.user) + "@"
        return f"{scheme}://{user}127.0.0.1:{self.port}"

    async def _accept(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            negotiate = getattr(self, f"_{self.kind}")
            target = await negotiate(reader, writer)
            if target is not None:
                self.asked.append(target)
                await self._relay(reader, writer, *target)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            await _close(writer)
            self._tasks.discard(asyncio.current_task())

    async def _http(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head.split("\r\n")
        for header in lines:
            name, _, value = header.partition(": ")
            if name.lower() == "proxy-authorization":
                self.users.append(tuple(base64.b64decode(value.split()[1]).decode().split(":")))
        writer.write(f"HTTP/1.1 {self.answer} Whatever\r\n\r\n".encode())
        if self.answer != 200:
            return None
        host, _, port = line.split()[1].rpartition(":")
        return host.strip("[]"), int(port)

    async def _socks5(self, reader, writer):
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        if self.user is None:
            writer.write(b"\5\0")
        else:
            writer.write(b"\5\2")
            user = (await reader.readexactly((await reader.readexactly(2))[1])).decode()
            password = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
            self.users.append((user, password))
            writer.write(b"\1\0")
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = socket.inet_ntoa(await reader.readexactly(4))
        (port,) = struct.unpack("!H", await reader.readexactly(2))
        code = 0 if self.answer == 200 else 5
        writer.write(bytes([5, code, 0, 1]) + bytes(6))
        return (host, port) if code == 0 else None

    async def _relay(self, reader, writer, host, port):
        there_reader, there_writer = await asyncio.open_connection(host, port)
        try:
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        finally:
            await _close(there_writer)


async def _copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _close(writer):
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
