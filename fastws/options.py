"""What the arguments of ``connect`` and ``serve`` mean, the same for asyncio and blocking code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from ._kernels import MessageReader
from .deflate import Deflate
from .errors import InvalidStatus, SecurityError
from .frames import Role
from .handshake import ClientHandshake, ServerHandshake
from .http11 import USER_AGENT
from .protocol import Protocol
from .uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Literal

    from .handshake import Origins
    from .headers import HeadersLike
    from .uri import URI

    Compression = Union[Literal["deflate"], Deflate, None]
    Limit = Union[int, None, tuple[Optional[int], Optional[int]]]

__all__ = ["ClientOptions", "ServerOptions", "water_marks"]

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
    return high, low


def _deflate(compression: Compression) -> Optional[Deflate]:
    if compression == "deflate":
        return Deflate()
    if compression is None or isinstance(compression, Deflate):
        return compression
    raise ValueError(f"compression must be 'deflate', None or a Deflate(), not {compression!r}")


class _Options:
    """What both roles give to ``Protocol``."""

    def __init__(
        self,
        *,
        open_timeout: Optional[float],
        ping_interval: Optional[float],
        ping_timeout: Optional[float],
        close_timeout: Optional[float],
        max_size: Optional[int],
        max_fragments: Optional[int],
        decode: bool,
    ) -> None:
        for name, seconds in (
            ("open_timeout", open_timeout),
            ("ping_interval", ping_interval),
            ("ping_timeout", ping_timeout),
            ("close_timeout", close_timeout),
        ):
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{name} must be a positive number of seconds, not {seconds!r}")
        # A wrong limit is an error here, not at the first connection.
        MessageReader(Role.SERVER, max_size=max_size, max_fragments=max_fragments)
        self.open_timeout = open_timeout
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.close_timeout = close_timeout
        self.max_size = max_size
        self.max_fragments = max_fragments
        self.decode = decode

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


class ServerOptions(_Options):
    """What a server makes every connection's protocol from."""

    def __init__(
        self,
        *,
        origins: Optional[Origins],
        subprotocols: Optional[Sequence[str]],
        compression: Compression,
        server_header: Optional[str],
        open_timeout: Optional[float],
        ping_interval: Optional[float],
        ping_timeout: Optional[float],
        close_timeout: Optional[float],
        max_size: Optional[int],
        max_fragments: Optional[int],
        decode: bool,
    ) -> None:
        super().__init__(
            open_timeout=open_timeout,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            max_size=max_size,
            max_fragments=max_fragments,
            decode=decode,
        )
        self._origins = origins
        self._subprotocols = subprotocols
        self._deflate = _deflate(compression)
        self._server_header = server_header
        self._handshake(None)  # a wrong argument is an error here, not at the first connection

    def _handshake(
        self, select_subprotocol: Optional[Callable[[list[str]], Optional[str]]]
    ) -> ServerHandshake:
        return ServerHandshake(
            origins=self._origins,
            subprotocols=self._subprotocols,
            select_subprotocol=select_subprotocol,
            deflate=self._deflate,
            server_header=self._server_header,
        )

    def protocol(
        self, now: float, select_subprotocol: Optional[Callable[[list[str]], Optional[str]]] = None
    ) -> Protocol:
        """Return the protocol of a new connection."""
        return self._protocol(Role.SERVER, self._handshake(select_subprotocol), now)


class ClientOptions(_Options):
    """Where a client connects to, and how; ``redirected`` gives the same for another place."""

    def __init__(
        self,
        uri: str,
        *,
        origin: Optional[str],
        subprotocols: Optional[Sequence[str]],
        compression: Compression,
        additional_headers: Optional[HeadersLike],
        user_agent_header: Optional[str] = USER_AGENT,
        open_timeout: Optional[float],
        ping_interval: Optional[float],
        ping_timeout: Optional[float],
        close_timeout: Optional[float],
        max_size: Optional[int],
        max_fragments: Optional[int],
        decode: bool,
    ) -> None:
        super().__init__(
            open_timeout=open_timeout,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            max_size=max_size,
            max_fragments=max_fragments,
            decode=decode,
        )
        self.uri: URI = parse_uri(uri)
        self._origin = origin
        self._subprotocols = subprotocols
        self._deflate = _deflate(compression)
        self._additional_headers = additional_headers
        self._user_agent_header = user_agent_header
        self._redirects = 0
        self._handshake()

    def _handshake(self) -> ClientHandshake:
        return ClientHandshake(
            self.uri,
            origin=self._origin,
            subprotocols=self._subprotocols,
            deflate=self._deflate,
            additional_headers=self._additional_headers,
            user_agent_header=self._user_agent_header,
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
        self._additional_headers = handshake.additional_headers_for(uri)
        self.uri = uri
        return True
