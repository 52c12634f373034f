"""fastws itself: the kernels in use and their pure Python twins, its servers and clients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import ModuleType
from typing import Any

import fastws
from fastws import _fallback, _kernels
from fastws.deflate import Deflate, PerMessageDeflate
from fastws.frames import Role
from fastws.handshake import ServerHandshake

from .. import definition, event_loop, programs
from ..jobs import Client, Job, Round, Server
from . import Call, Contender, Kind

_CAN = frozenset({"echo", "tls", "deflate", "broadcast"})
_PURE = {"FASTWS_EXTENSIONS": "0"}


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

    def mask_inplace(self, buffer: bytearray, masking_key: bytes, start: int) -> Call:
        names = {
            "apply_mask_inplace": self._kernels.apply_mask_inplace,
            "buffer": memoryview(buffer)[start:] if start else buffer,
            "masking_key": masking_key,
        }
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

    def servers(self) -> Sequence[Server]:
        loops = [("threads", serve_threads)]
        loops += [(name, partial(serve_asyncio, name)) for name in event_loop.NAMES]
        if not self._in_use:
            # The twins are in use in a server only when its whole process runs without extensions.
            best = event_loop.BEST
            serve = partial(serve_asyncio, best)
            return [Server("fastws pure", best, serve, _CAN, quick=False, environment=_PURE)]
        title = "fastws" if self.compiled else "fastws pure"
        return [Server(title, loop, serve, _CAN) for loop, serve in loops]

    def clients(self) -> Sequence[Client]:
        if not self._in_use:
            return ()
        return [
            Client("fastws", "blocking", run_blocking),
            *(Client("fastws", loop, partial(run_asyncio, loop)) for loop in event_loop.NAMES),
        ]


def new_deflate() -> PerMessageDeflate:
    """Return the compression of one connection, with the parameters everyone uses."""
    return PerMessageDeflate(
        Deflate(level=definition.LEVEL, memory_level=definition.MEMORY_LEVEL),
        local_max_window_bits=definition.WINDOW_BITS,
        remote_max_window_bits=definition.WINDOW_BITS,
        local_no_context_takeover=False,
        remote_no_context_takeover=False,
    )


def serve_threads(job: Job) -> None:
    """Serve with ``fastws.sync``."""
    from fastws import sync

    programs.serve_threads(sync.serve, sync.broadcast, job)


def serve_asyncio(loop: str, job: Job) -> None:
    """Serve with ``fastws.aio``."""
    from fastws import aio

    programs.serve_asyncio(loop, aio.serve, aio.broadcast, job)


def run_blocking(uri: str, message: bytes, seconds: float) -> Round:
    """Send and receive with ``fastws.sync``."""
    from fastws import sync

    return programs.run_blocking(sync.connect, uri, message, seconds)


def run_asyncio(loop: str, uri: str, message: bytes, seconds: float) -> Round:
    """Send and receive with ``fastws.aio``."""
    from fastws import aio

    return programs.run_asyncio(loop, aio.connect, uri, message, seconds)


def contenders() -> list[Contender]:
    if fastws.backend == "python":
        return [Fastws(_kernels)]
    return [Fastws(_kernels), Fastws(_fallback)]
