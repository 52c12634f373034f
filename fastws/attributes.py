"""What can be read of a connection, the same for asyncio and blocking code."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from .frames import State
    from .http11 import Request, Response
    from .protocol import Protocol

__all__ = ["Attributes"]


class Attributes:
    """The read-only side of a ``Connection``."""

    protocol: Protocol
    _id: Optional[uuid.UUID]

    @property
    def id(self) -> uuid.UUID:
        """A unique name of the connection, for logs."""
        if self._id is None:
            self._id = uuid.uuid4()
        return self._id

    @property
    def state(self) -> State:
        """CONNECTING, OPEN, CLOSING or CLOSED."""
        return self.protocol.state

    @property
    def request(self) -> Optional[Request]:
        """The opening handshake's request."""
        return self.protocol.request

    @property
    def response(self) -> Optional[Response]:
        """The opening handshake's response."""
        return self.protocol.response

    @property
    def subprotocol(self) -> Optional[str]:
        """The subprotocol agreed in the opening handshake, or None."""
        return self.protocol.subprotocol

    @property
    def latency(self) -> float:
        """Seconds between the last ping that was answered and its pong; 0 before."""
        return self.protocol.latency

    @property
    def close_code(self) -> Optional[int]:
        """The peer's close code, 1006 without one; None until closed (RFC 6455 §7.1.5)."""
        return self.protocol.close_code

    @property
    def close_reason(self) -> Optional[str]:
        """The peer's close reason; None until closed (RFC 6455 §7.1.6)."""
        return self.protocol.close_reason

    @property
    def local_address(self) -> Any:
        """Our address, as ``socket.getsockname()`` gives it."""
        return self._address("sockname")

    @property
    def remote_address(self) -> Any:
        """The peer's address, as ``socket.getpeername()`` gives it."""
        return self._address("peername")

    def _address(self, name: str) -> Any:
        raise NotImplementedError
