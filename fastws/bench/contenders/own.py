"""fastws itself: the kernels in use, and their pure Python twins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import fastws
from fastws import _fallback, _kernels
from fastws.deflate import Deflate, PerMessageDeflate
from fastws.frames import Role
from fastws.handshake import ServerHandshake

from .. import definition, event_loop
from . import Call, Contender, Kind, Serve


class Fastws(Contender):
    """One set of kernels."""

    kind = Kind.OWN

    def __init__(self, kernels: ModuleType) -> None:
        self._kernels: Any = kernels
        self._in_use = kernels is _kernels
        self.compiled = self._in_use and fastws.backend != "python"
        self.name = f"fastws ({fastws.backend if self.compiled else 'pure'})"
        self.configuration = "compiled kernels" if self.compiled else "pure Python kernels"

    def mask(self, data: bytes, masking_key: bytes) -> Call:
        apply_mask = self._kernels.apply_mask
        names = {"apply_mask": apply_mask, "data": data, "masking_key": masking_key}
        return Call("apply_mask(data, masking_key)", names)

    def mask_inplace(self, buffer: bytearray, masking_key: bytes) -> Call:
        apply_mask = self._kernels.apply_mask_inplace
        names = {"apply_mask_inplace": apply_mask, "buffer": buffer, "masking_key": masking_key}
        return Call("apply_mask_inplace(buffer, masking_key)", names)

    def utf8(self, data: bytes) -> Call:
        return Call("is_utf8(data)", {"is_utf8": self._kernels.is_utf8, "data": data})

    def serialize(self, payload: bytes, *, masked: bool) -> Call:
        names = {"serialize_frame": self._kernels.serialize_frame, "payload": payload}
        if not masked:
            return Call("serialize_frame(2, payload)", names)
        names["new_masking_key"] = self._kernels.new_masking_key
        return Call("serialize_frame(2, payload, masking_key=new_masking_key())", names)

    def parse(self, stream: bytes, *, text: bool, count: int) -> Call:
        reader = self._kernels.MessageReader(Role.SERVER, max_size=None)
        return Call("receive(stream)", {"receive": reader.receive, "stream": stream}, count=count)

    # What follows has no twins: the kernels in use speak for all of fastws.

    def handshake(self, request: bytes) -> Call | None:
        if not self._in_use:
            return None
        names = {"ServerHandshake": ServerHandshake, "deflate": Deflate(), "request": request}
        return Call(
            "handshake.accept(handshake.receive_data(request)).serialize()",
            names,
            before="handshake = ServerHandshake(deflate=deflate)",
        )

    def compress(self, messages: list[bytes]) -> Call | None:
        if not self._in_use:
            return None
        names = {"compress": new_deflate().compress, "messages": messages}
        return Call("[compress(message) for message in messages]", names, count=len(messages))

    def decompress(self, payloads: list[bytes], max_length: int) -> Call | None:
        if not self._in_use:
            return None
        decompress = new_deflate().decompress
        names = {"decompress": decompress, "max_length": max_length, "payloads": payloads}
        message = "decompress(payload, max_length, True)"
        return Call(f"[{message} for payload in payloads]", names, count=len(payloads))

    def echo_servers(self) -> Mapping[str, Serve]:
        # The pure twins are in use in a server only when the whole process runs without extensions.
        if not self._in_use:
            return {}
        # Without uvloop the last two are one.
        return {
            "fastws (threads)": serve_threads,
            "fastws (asyncio)": serve_asyncio,
            f"fastws ({event_loop.NAME})": serve_event_loop,
        }


def new_deflate() -> PerMessageDeflate:
    """Return the compression of one connection, with the parameters everyone uses."""
    return PerMessageDeflate(
        Deflate(level=definition.LEVEL, memory_level=definition.MEMORY_LEVEL),
        local_max_window_bits=definition.WINDOW_BITS,
        remote_max_window_bits=definition.WINDOW_BITS,
        local_no_context_takeover=False,
        remote_no_context_takeover=False,
    )


def serve_threads(ready: Callable[[int], None]) -> None:
    """Echo with ``fastws.sync``: one thread per connection."""
    from fastws.sync import serve

    def echo(connection: Any) -> None:
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0, compression=None, max_size=None) as server:
        ready(server.socket.getsockname()[1])
        server.serve_forever()


def serve_asyncio(ready: Callable[[int], None]) -> None:
    """Echo with ``fastws.aio`` in the loop of Python."""
    asyncio.run(echo_forever(ready))


def serve_event_loop(ready: Callable[[int], None]) -> None:
    """Echo with ``fastws.aio`` in the loop of the peers."""
    event_loop.run(echo_forever(ready))


async def echo_forever(ready: Callable[[int], None]) -> None:
    from fastws.aio import serve

    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0, compression=None, max_size=None) as server:
        ready(server.sockets[0].getsockname()[1])
        await server.serve_forever()


def contenders() -> list[Contender]:
    if fastws.backend == "python":
        return [Fastws(_kernels)]
    return [Fastws(_kernels), Fastws(_fallback)]
