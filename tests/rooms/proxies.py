"""A network between a hub and its broker, which can lose everything or break."""

from __future__ import annotations

import asyncio
import contextlib


class Proxy:
    """Pass bytes on between any client and a port; ``drop`` loses them, ``cut`` resets."""

    def __init__(self, port):
        self.port = 0
        self._target = port
        self._dropping = False
        self._refusing = False
        self._streams = set()
        self._tasks = set()

    def drop(self):
        """Lose all that is sent from now on, on connections that are open and new ones."""
        self._dropping = True

    def cut(self):
        """Break all connections, and every new one."""
        self._refusing = True
        for stream in list(self._streams):
            stream.transport.abort()

    def heal(self):
        """Be a good network again. Connections that lost bytes are of no use, so they break."""
        if self._dropping:
            for stream in list(self._streams):
                stream.transport.abort()
        self._dropping = self._refusing = False

    async def _accept(self, reader, writer):
        if self._refusing:
            writer.transport.abort()
            return
        self._streams.add(writer)
        try:
            other_reader, other = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            self._streams.discard(writer)
            return
        self._streams.add(other)
        for source, target in ((reader, other), (other_reader, writer)):
            task = asyncio.ensure_future(self._pass_on(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source, target):
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    if not self._dropping:
                        target.write(data)
                        await target.drain()
        finally:
            target.close()
            self._streams.discard(target)

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info):
        self._server.close()
        for stream in list(self._streams):
            stream.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)
