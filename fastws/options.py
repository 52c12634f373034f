"""What the arguments of ``connect`` and ``serve`` mean, the same for asyncio and blocking code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional, Union, cast

from ._kernels import MessageReader
from .deflate import Deflate
from .errors import InvalidStatus, SecurityError
from .frames import Role
from .handshake import ClientHandshake, ServerHandshake
from .protocol import Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Literal

    from .handshake import Origins
    from .headers import HeadersLike
    from .uri import URI

    Compression = Union[Literal["deflate"], Deflate, None]
    Limit = Union[int, None, tuple[Optional[float], Optional[float]]]

__all__ = ["ClientOptions", "ServerOptions", "check_port", "water_marks"]

_MAX_REDIRECTS = 10


def water_marks(limit: Limit, name: str) -> tuple[float, float]:
    """Return the high and low water marks that ``max_queue`` or ``write_limit`` asks for."""
    high, low = limit if isinstance(limit, tuple) else (limit, None)
    if high is None:
        return float("inf"), float("inf")
    if low is None:
        low = high // 4
    if not 0 <= low <= high:
        raise ValueError(f"{name} must be a positive number or (high, low), not {limit!r}")
    marks = high, low
    # A pair that is one already stays the same: a server's connections share theirs.
    return cast("tuple[float, float]", limit) if limit == marks else marks


def check_port(port: Optional[int]) -> None:
    """Raise ValueError for a port that no address has; systems would listen on another one."""
    if isinstance(port, int) and not 0 <= port <= 65535:
        raise ValueError(f"port must be a number from 0 to 65535, not {port}")


def _is_positive(number: Any) -> bool:
    try:
        return bool(number > 0)
    except TypeError:
        return False


def _deflate(compression: Compression) -> Optional[Deflate]:
    if compression == "deflate":
        return Deflate()
    if compression is None or isinstance(compression, Deflate):
        return compression
    raise ValueError(f"compression must be 'deflate', None or a Deflate(), not {compression!r}")


@dataclass(kw_only=True)
class _Options:
    """What both roles give to ``Protocol``; a wrong one is an error here, not when connected."""

    subprotocols: Optional[Sequence[str]]
    compression: Compression
    open_timeout: Optional[float]
    ping_interval: Optional[float]
    ping_timeout: Optional[float]
    close_timeout: Optional[float]
    max_size: Optional[int]
    max_fragments: Optional[int]
    decode: bool

    def __post_init__(self) -> None:
        for name in ("open_timeout", "ping_interval", "ping_timeout", "close_timeout"):
            seconds = getattr(self, name)
            if seconds is not None and not _is_positive(seconds):
                raise ValueError(f"{name} must be a positive number of seconds, not {seconds!r}")
        for name in ("max_size", "max_fragments"):
            limit = getattr(self, name)
            if limit is not None and not hasattr(limit, "__index__"):
                raise TypeError(f"{name} must be an int or None, not {limit!r}")
        MessageReader(Role.SERVER, max_size=self.max_size, max_fragments=self.max_fragments)
        self._deflate = _deflate(self.compression)

    def _protocol(
        self, role: Role, handshake: Union[ClientHandshake, ServerHandshake], now: float
    ) -> Protocol:
        return Protocol(
            role,
            handshake=handshake,
            max_size=self.max_size,
            max_fragments=self.max_fragments,
            decode=self.decode,
            open_timeout=self.open_timeout,
            ping_interval=self.ping_interval,
            ping_timeout=self.ping_timeout,
            close_timeout=self.close_timeout,
            now=now,
        )


@dataclass(kw_only=True)
class ServerOptions(_Options):
    """What a server makes every connection's protocol from."""

    origins: Optional[Origins]
    server_header: Optional[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._handshake = ServerHandshake(
            origins=self.origins,
            subprotocols=self.subprotocols,
            deflate=self._deflate,
            server_header=self.server_header,
        )

    def protocol(
        self, now: float, select_subprotocol: Optional[Callable[[list[str]], Optional[str]]] = None
    ) -> Protocol:
        """Return the protocol of a new connection."""
        return self._protocol(Role.SERVER, self._handshake.again(select_subprotocol), now)


@dataclass(kw_only=True)
class ClientOptions(_Options):
    """Where a client connects to, and how; ``redirect`` turns to another place."""

    uri: URI
    origin: Optional[str]
    additional_headers: Optional[HeadersLike] = field(repr=False)
    user_agent_header: Optional[str]
    _redirects: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.additional_headers, Iterator):
            # It can be read once, and every handshake reads them.
            self.additional_headers = list(self.additional_headers)
        self._handshake()

    def _handshake(self) -> ClientHandshake:
        return ClientHandshake(
            self.uri,
            origin=self.origin,
            subprotocols=self.subprotocols,
            deflate=self._deflate,
            additional_headers=self.additional_headers,
            user_agent_header=self.user_agent_header,
        )

    def protocol(self, now: float) -> Protocol:
        """Return the protocol of a new connection."""
        return self._protocol(Role.CLIENT, self._handshake(), now)

    def redirect(self, error: Exception, given: Mapping[str, Any]) -> bool:
        """Turn to where the server's answer in ``error`` points; False if that is nowhere.

        Credentials do not follow to another origin. ``given`` says where to connect to instead of
        the address; ValueError if that cannot be the place the redirect means.
        """
        if not isinstance(error, InvalidStatus):
            return False
        handshake = self._handshake()
        uri = handshake.redirect(error.response)
        if uri is None:
            return False
        self._redirects += 1
        if self._redirects > _MAX_REDIRECTS:
            raise SecurityError(f"more than {_MAX_REDIRECTS} redirects; the last one was to {uri}")
        if given.get("sock") is not None:
            raise ValueError(f"cannot follow a redirect to {uri} with the socket that was given")
        if uri.origin != self.uri.origin and any(map(given.get, ("unix", "host", "port"))):
            raise ValueError(
                f"cannot follow a redirect to {uri} with the path, host or port that was given"
            )
        self.additional_headers = handshake.additional_headers_for(uri)
        self.uri = uri
        return True
