"""Compression of messages with permessage-deflate (RFC 7692): negotiation and the two streams."""

from __future__ import annotations

import functools
import importlib
import sys
import zlib
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional, Union

from .errors import (
    DuplicateParameter,
    InvalidParameterName,
    InvalidParameterValue,
    NegotiationError,
    PayloadTooBig,
    ProtocolError,
)
from .frames import CloseCode

__all__ = ["Deflate", "PerMessageDeflate"]

Parameters = list[tuple[str, Optional[str]]]
Buffer = Union[bytes, bytearray, memoryview]
_Accepted = tuple[Parameters, "PerMessageDeflate"]

EXTENSION_NAME = "permessage-deflate"

_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
_LIMITS = ("server_max_window_bits", "client_max_window_bits")
# RFC 7692 §7.1.2: 8 to 15, in decimal, without leading zeros.
_WINDOW_BITS = {str(bits): bits for bits in range(8, 16)}

# What our own compressor uses where nobody asked for anything else: a smaller window is always
# allowed, and these two decide nearly all of the memory of an active connection.
_OWN_WINDOW_BITS = 11
_MEMORY_LEVEL = 5

# RFC 7692 §7.2.1: every message ends with an empty stored block; these 4 bytes are not sent.
_TAIL = b"\x00\x00\xff\xff"
# RFC 7692 §7.2.3.6: what is left of that block when the message has nothing else.
_EMPTY_BLOCK = b"\x00"

# Idle compressors kept for each set of parameters.
_POOL_LENGTH = 8
# What is fed to a new inflater after a final block: it copies all it is given past the next one.
_STEP_BYTES = 64


class _Zlib(NamedTuple):
    """What differs between modules with zlib's interface; a package's name is that of the zlib."""

    module: str
    default_level: int
    levels: range


_ZLIBS = {
    "zlib": _Zlib("zlib", 5, range(-1, 10)),
    "zlib-ng": _Zlib("zlib_ng.zlib_ng", 5, range(-1, 10)),
    "isal": _Zlib("isal.isal_zlib", 1, range(4)),
}

# All that decides how a message is compressed when it refers to no other: the name of the zlib,
# level, memory level, window bits.
_Key = tuple[str, int, int, int]


@functools.cache
def _load(name: str) -> Any:
    """Import the module behind this name of a zlib."""
    try:
        return importlib.import_module(_ZLIBS[name].module)
    except ImportError as exc:
        raise ImportError(
            f"Deflate(zlib={name!r}) needs a package: run pip install {name}"
        ) from exc


def _new_compressor(key: _Key) -> Any:
    name, level, memory_level, window_bits = key
    if window_bits == 8:
        # zlib has no window of 256 bytes, but leaves 262 bytes of any window unused: in one of 512
        # its matches go back 250 bytes at most. ISA-L uses all of its window, so zlib stands in.
        window_bits = 9
        if name == "isal":
            name, level = "zlib", max(level, 1)
    module = _load(name)
    return module.compressobj(level, module.DEFLATED, -window_bits, memory_level)


# Idle compressors with an empty window. A message takes one out and puts it back when done: pop
# and append are atomic, so no two threads ever hold the same one.
_pools: dict[_Key, list[Any]] = {}


class PerMessageDeflate:
    """The compression of one connection, either role, as negotiated; ``local`` is our sending side.

    An instance costs next to nothing before the first message, and again after each one when no
    context is kept: whole messages then go through compressors that the process shares.
    """

    __slots__ = (
        "_at_message_start",
        "_compressor",
        "_decompressor",
        "_error",
        "_new_decompressor",
        "key",
        "local_max_window_bits",
        "local_no_context_takeover",
        "remote_max_window_bits",
        "remote_no_context_takeover",
        "threshold",
    )

    def __init__(
        self,
        deflate: Deflate,
        *,
        local_max_window_bits: int,
        remote_max_window_bits: int,
        local_no_context_takeover: bool,
        remote_no_context_takeover: bool,
    ) -> None:
        self.threshold = deflate.threshold
        self.local_max_window_bits = local_max_window_bits
        self.remote_max_window_bits = remote_max_window_bits
        self.local_no_context_takeover = local_no_context_takeover
        self.remote_no_context_takeover = remote_no_context_takeover
        level = _ZLIBS[deflate.zlib].default_level if deflate.level is None else deflate.level
        self.key = (deflate.zlib, level, deflate.memory_level, local_max_window_bits)
        module = _load(deflate.zlib)
        self._new_decompressor = module.decompressobj
        self._error = module.error
        self._compressor: Any = None
        self._decompressor: Any = None
        # Or right after a final block: nothing of this message waits for its tail.
        self._at_message_start = True

    def compress(self, data: Buffer, fin: bool = True) -> bytes:
        """Return the payload of a frame: a whole message, or its next fragment."""
        compressor = self._compressor
        if compressor is None and fin and self.local_no_context_takeover:
            return self.compress_shared(data)
        if not len(data):
            payload = _EMPTY_BLOCK if fin else b""
        else:
            if compressor is None:
                compressor = self._compressor = _new_compressor(self.key)
            payload = compressor.compress(data)
            flushed = compressor.flush(zlib.Z_SYNC_FLUSH)
            payload += flushed[:-4] if fin else flushed
        if fin and self.local_no_context_takeover:
            self._compressor = None
        return payload

    def compress_shared(self, data: Buffer) -> bytes:
        """Return the payload of a message for every connection whose ``key`` equals this one.

        It refers to nothing before itself, so it is right for any of them, with or without
        context; each connection that sends it must be told with ``note_shared()``.
        """
        if not len(data):
            return _EMPTY_BLOCK
        pool = _pools.setdefault(self.key, [])
        try:
            compressor = pool.pop()
        except IndexError:
            compressor = _new_compressor(self.key)
        # A full flush forgets the window, so the compressor is as good as new.
        payload: bytes = compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)[:-4]
        if len(pool) < _POOL_LENGTH:
            pool.append(compressor)
        return payload

    def note_shared(self) -> None:
        """Take note that a message from ``compress_shared`` goes out here; not between fragments.

        It moved the peer's window on without passing through our compressor, whose distances
        would now be wrong. A new one refers only to what it compresses from here on.
        """
        self._compressor = None

    def decompress(self, data: Buffer, max_length: Optional[int], fin: bool) -> bytes:
        """Return what a frame's payload inflates to: at most ``max_length`` bytes, or an exception.

        After an exception the connection must be closed (RFC 6455 §7.1.7).
        """
        if not data and (self._at_message_start or not fin):
            return b""
        decompressor = self._decompressor
        if decompressor is None:
            decompressor = self._new_decompressor(wbits=-self.remote_max_window_bits)
        # One byte more than allowed tells "too big" from "just fits"; zlib takes 0 for no limit.
        room = sys.maxsize if max_length is None else max_length + 1
        if fin:
            data = data + _TAIL if isinstance(data, bytes) else b"".join((data, _TAIL))
        try:
            payload: bytes = decompressor.decompress(data, room)
            # With room to spare, all input is used up: none of it stays in zlib.
            if decompressor.eof and len(payload) < room:
                rest = decompressor.unused_data[:-4] if fin else decompressor.unused_data
                more, decompressor = self._decompress_rest(rest, room - len(payload), fin)
                payload += more
        except self._error as exc:
            reason = f"compressed message is corrupt: {exc}"
            raise ProtocolError(reason, CloseCode.INVALID_DATA) from exc
        if len(payload) >= room:
            raise PayloadTooBig("compressed message inflates past max_size")
        self._at_message_start = fin or decompressor is None
        self._decompressor = None if fin and self.remote_no_context_takeover else decompressor
        return payload

    def _decompress_rest(self, rest: bytes, room: int, fin: bool) -> tuple[bytes, Any]:
        """Inflate what follows a final block, up to ``room`` bytes; also return the inflater.

        RFC 7692 §7.2.1 lets a message go on after a block with BFINAL set, at the next byte.
        RFC 1951 ends the data set there, so the window starts empty, as zlib's does.
        """
        pieces: list[bytes] = []
        decompressor: Any = None
        position = step = 0
        while room and position < len(rest):
            if decompressor is None:
                decompressor = self._new_decompressor(wbits=-self.remote_max_window_bits)
                step = _STEP_BYTES
            chunk = rest[position : position + step]
            pieces.append(decompressor.decompress(chunk, room))
            room -= len(pieces[-1])
            # Growing steps keep the cost linear, however often a final block comes.
            position += len(chunk) - len(decompressor.unused_data)
            step *= 2
            if decompressor.eof:
                decompressor = None
        if room and fin and decompressor is not None:
            pieces.append(decompressor.decompress(_TAIL, room))
        return b"".join(pieces), decompressor


def _parse_parameters(parameters: Parameters, *, offered: bool) -> dict[str, int]:
    """Return the parameters by name, 1 for a flag; refuse what RFC 7692 §7.1 does not allow."""
    parsed: dict[str, int] = {}
    for name, value in parameters:
        if name in parsed:
            raise DuplicateParameter(name)
        if name in _FLAGS:
            if value is not None:
                raise InvalidParameterValue(name, value)
            parsed[name] = 1
        elif name in _LIMITS:
            if value in _WINDOW_BITS:
                parsed[name] = _WINDOW_BITS[value]
            elif value is None and offered and name == "client_max_window_bits":
                parsed[name] = 15  # RFC 7692 §7.1.2.2: any limit would do
            else:
                raise InvalidParameterValue(name, value)
        else:
            raise InvalidParameterName(name)
    return parsed


def _serialize_parameters(values: dict[str, Union[int, bool, None]]) -> Parameters:
    """Return the parameters that are asked for; True stands for one without a value."""
    return [
        (name, None if value is True else str(value))
        for name, value in values.items()
        if value is not None and value is not False
    ]


@dataclass(frozen=True, kw_only=True)
class Deflate:
    """What permessage-deflate may be on a connection, for either role.

    ``server_max_window_bits``, ``client_max_window_bits``: the largest window, from 8 to 15 bits,
    that side may compress with. A client demands its limit of the server: an answer without it
    fails the handshake. A server asks its limit of the clients that allow it. None asks for
    nothing, and a client then does not let the server limit it; True, for a client's window, asks
    for what suits us. Our own side uses a small window where this leaves it free.

    ``server_no_context_takeover``, ``client_no_context_takeover``: that side compresses each
    message on its own; it compresses less, and keeps nothing between messages.

    ``level``, ``memory_level``: as for ``zlib.compressobj``; isal has levels 0 to 3. ``threshold``:
    shorter messages are sent as they are. ``zlib``: "zlib", or "zlib-ng" or "isal" with the package
    of that name: faster, but every connection takes more memory, whatever its window.
    """

    server_max_window_bits: Optional[int] = None
    client_max_window_bits: Union[int, bool, None] = True
    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    level: Optional[int] = None
    memory_level: int = _MEMORY_LEVEL
    threshold: int = 64
    zlib: str = "zlib"

    def __post_init__(self) -> None:
        if self.zlib not in _ZLIBS:
            raise ValueError(f"zlib must be one of {', '.join(_ZLIBS)}, not {self.zlib!r}")
        windows = range(8, 16)
        if self.server_max_window_bits is not None:
            _check_int("server_max_window_bits", self.server_max_window_bits, windows)
        if self.client_max_window_bits is not None and self.client_max_window_bits is not True:
            _check_int("client_max_window_bits", self.client_max_window_bits, windows)
        for name in _FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, not {getattr(self, name)!r}")
        if self.level is not None:
            _check_int(f"level for {self.zlib}", self.level, _ZLIBS[self.zlib].levels)
        _check_int("memory_level", self.memory_level, range(1, 10))
        _check_int("threshold", self.threshold, range(sys.maxsize))
        _load(self.zlib)  # a missing package shows here, not at the first connection

    def offers(self) -> list[tuple[str, Parameters]]:
        """Return what a client offers, in order of preference (RFC 7692 §5.1)."""
        values = {name: getattr(self, name) for name in _FLAGS + _LIMITS}
        return [(EXTENSION_NAME, _serialize_parameters(values))]

    def client_accept(self, params: Parameters) -> PerMessageDeflate:
        """Return what a client uses after the server's answer, which must honour the offer."""
        answer = _parse_parameters(params, offered=False)
        # RFC 7692 §7.1.1.1 and §7.1.2.1: a server that cannot do these must decline, not ignore.
        if self.server_no_context_takeover and "server_no_context_takeover" not in answer:
            raise NegotiationError("server's answer lacks server_no_context_takeover")
        server_bits = answer.get("server_max_window_bits", 15)
        if server_bits > (self.server_max_window_bits or 15):
            limit = self.server_max_window_bits
            raise NegotiationError(f"server's answer lacks server_max_window_bits <= {limit}")
        # RFC 7692 §7.1.2.2: only an offer with this parameter allows it, and its value is a limit.
        if self.client_max_window_bits is None and "client_max_window_bits" in answer:
            raise NegotiationError("server's answer has client_max_window_bits, not offered")
        client_bits = _own_window_bits(self.client_max_window_bits)
        agreed_bits = answer.get("client_max_window_bits", client_bits)
        if self.client_max_window_bits is not True and agreed_bits > client_bits:
            raise NegotiationError(f"server's answer has client_max_window_bits > {client_bits}")
        return PerMessageDeflate(
            self,
            local_max_window_bits=min(client_bits, agreed_bits),
            remote_max_window_bits=server_bits,
            local_no_context_takeover=self.client_no_context_takeover
            or "client_no_context_takeover" in answer,
            remote_no_context_takeover="server_no_context_takeover" in answer,
        )

    def server_accept(self, offers: list[Parameters]) -> Optional[_Accepted]:
        """Return the answer to the first acceptable offer and what a server uses, or None."""
        for params in offers:
            try:
                offer = _parse_parameters(params, offered=True)
            except NegotiationError:
                continue  # RFC 7692 §7.1: such an offer is declined, the handshake goes on
            return self._answer(offer)
        return None

    def _answer(self, offer: dict[str, int]) -> _Accepted:
        # RFC 7692 §7.1.1: a server may answer with either flag without having been asked.
        server_no_context = self.server_no_context_takeover or "server_no_context_takeover" in offer
        client_no_context = self.client_no_context_takeover or "client_no_context_takeover" in offer
        server_bits = _own_window_bits(self.server_max_window_bits)
        client_bits = 15
        # RFC 7692 §7.1.2.1: the answer repeats this parameter where offered, with no larger value,
        # and may have it anyway: the client then needs no more memory than we use.
        answer_server = "server_max_window_bits" in offer or server_bits < 15
        server_bits = min(server_bits, offer.get("server_max_window_bits", 15))
        # RFC 7692 §7.1.2.2: the answer has this one only where offered, with no larger value.
        if "client_max_window_bits" in offer:
            client_bits = offer["client_max_window_bits"]
            if self.client_max_window_bits is not None:
                client_bits = min(client_bits, _own_window_bits(self.client_max_window_bits))
        answer = _serialize_parameters(
            {
                "server_no_context_takeover": server_no_context,
                "client_no_context_takeover": client_no_context,
                "server_max_window_bits": server_bits if answer_server else None,
                "client_max_window_bits": client_bits if client_bits < 15 else None,
            }
        )
        return answer, PerMessageDeflate(
            self,
            local_max_window_bits=server_bits,
            remote_max_window_bits=client_bits,
            local_no_context_takeover=server_no_context,
            remote_no_context_takeover=client_no_context,
        )


def _own_window_bits(limit: Union[int, bool, None]) -> int:
    return _OWN_WINDOW_BITS if limit is None or limit is True else limit


def _check_int(name: str, value: int, allowed: range) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
        raise ValueError(f"{name} must be from {allowed[0]} to {allowed[-1]}, not {value!r}")
