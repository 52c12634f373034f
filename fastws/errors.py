"""Every exception fastws raises; names are those of the websockets package where it has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from .frames import CloseCode, printable

if TYPE_CHECKING:
    from .frames import Close
    from .http11 import Response

__all__ = [
    "ConcurrencyError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "DuplicateParameter",
    "InvalidHandshake",
    "InvalidHeader",
    "InvalidHeaderFormat",
    "InvalidHeaderValue",
    "InvalidMessage",
    "InvalidMethod",
    "InvalidOrigin",
    "InvalidParameterName",
    "InvalidParameterValue",
    "InvalidProxy",
    "InvalidProxyMessage",
    "InvalidProxyStatus",
    "InvalidState",
    "InvalidStatus",
    "InvalidURI",
    "InvalidUpgrade",
    "NegotiationError",
    "PayloadTooBig",
    "ProtocolError",
    "ProxyError",
    "SecurityError",
    "WebSocketException",
]


class WebSocketException(Exception):
    """Base of every exception defined here."""


class ConnectionClosed(WebSocketException):
    """The connection is closed: nothing more can be sent or received.

    ``rcvd`` and ``sent`` are the close frames of either side, or None; ``rcvd_then_sent`` tells
    who closed first when both are there (True: the peer did). ``cause`` says what else is known of
    why it ended, such as a keepalive time-out; it may be empty.
    """

    def __init__(
        self,
        rcvd: Optional[Close] = None,
        sent: Optional[Close] = None,
        rcvd_then_sent: Optional[bool] = None,
        cause: str = "",
    ) -> None:
        super().__init__(rcvd, sent, rcvd_then_sent, cause)
        self.rcvd = rcvd
        self.sent = sent
        self.rcvd_then_sent = rcvd_then_sent
        self.cause = cause

    def __str__(self) -> str:
        if self.rcvd is None and self.sent is None:
            text = "no close frame received or sent"
        elif self.rcvd is None:
            text = f"sent {self.sent}; no close frame received"
        elif self.sent is None:
            text = f"received {self.rcvd}; no close frame sent"
        elif self.rcvd_then_sent:
            text = f"received {self.rcvd}; then sent {self.sent}"
        else:
            text = f"sent {self.sent}; then received {self.rcvd}"
        return f"{text} ({self.cause})" if self.cause else text

    @property
    def code(self) -> int:
        """The peer's close code; 1006 when it sent no close frame (RFC 6455 §7.1.5)."""
        return CloseCode.ABNORMAL_CLOSURE if self.rcvd is None else self.rcvd.code

    @property
    def reason(self) -> str:
        """The peer's close reason; empty when it gave none (RFC 6455 §7.1.6)."""
        return "" if self.rcvd is None else self.rcvd.reason


class ConnectionClosedOK(ConnectionClosed):
    """Both sides closed with 1000, 1001 or no code."""


class ConnectionClosedError(ConnectionClosed):
    """The connection ended with an error, or without a closing handshake."""


class InvalidURI(WebSocketException):
    """The address of the server is not a WebSocket URI (RFC 6455 §3)."""

    def __init__(self, uri: str, msg: str) -> None:
        super().__init__(uri, msg)
        self.uri = uri
        self.msg = msg

    def __str__(self) -> str:
        return f"{self.uri} is not a WebSocket URI: {self.msg}"


class InvalidHandshake(WebSocketException):
    """The opening handshake failed (RFC 6455 §4)."""


class SecurityError(InvalidHandshake):
    """Going on would break a security rule: too many redirects, or one from wss to ws."""


class InvalidMessage(InvalidHandshake):
    """The handshake is not valid HTTP/1.1."""


class InvalidMethod(InvalidHandshake):
    """The request has another method than GET (RFC 6455 §4.1)."""

    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.method = method

    def __str__(self) -> str:
        return f"method is {self.method} instead of GET"


class InvalidStatus(InvalidHandshake):
    """The server answered with something else than 101; ``response`` has all of it."""

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.response = response

    def __str__(self) -> str:
        reason = printable(self.response.reason_phrase)
        return (
            f"server answered HTTP {self.response.status_code} {reason}".rstrip()
            + " instead of 101 Switching Protocols"
        )


class InvalidHeader(InvalidHandshake):
    """A header of the handshake is missing, doubled or wrong."""

    def __init__(self, name: str, value: Optional[str] = None) -> None:
        super().__init__(name, value)
        self.name = name
        self.value = value

    def __str__(self) -> str:
        if self.value is None:
            return f"missing {self.name} header"
        if self.value == "":
            return f"empty {self.name} header"
        return f"invalid {self.name} header: {printable(self.value)}"


class InvalidHeaderFormat(InvalidHeader):
    """A header cannot be parsed."""

    def __init__(self, name: str, error: str, header: str, position: int) -> None:
        super().__init__(name, f"{error} at {position} in {header}")
        # Copying and pickling call the class with these.
        self.args = (name, error, header, position)


class InvalidHeaderValue(InvalidHeader):
    """A header has the right form and a wrong value."""


class InvalidOrigin(InvalidHeader):
    """The Origin header is not one of those allowed (RFC 6455 §10.2)."""

    def __init__(self, origin: Optional[str]) -> None:
        super().__init__("Origin", origin)
        self.args = (origin,)


class InvalidUpgrade(InvalidHeader):
    """The Upgrade or Connection header does not ask for, or agree to, WebSocket."""


class NegotiationError(InvalidHandshake):
    """Subprotocol or extensions: what one side offers the other cannot take."""


class DuplicateParameter(NegotiationError):
    """An extension parameter comes twice (RFC 7692 §7.1)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"duplicate extension parameter: {self.name}"


class InvalidParameterName(NegotiationError):
    """An extension parameter is unknown."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"unknown extension parameter: {self.name}"


class InvalidParameterValue(NegotiationError):
    """An extension parameter has a value it cannot have."""

    def __init__(self, name: str, value: Optional[str]) -> None:
        super().__init__(name, value)
        self.name = name
        self.value = value

    def __str__(self) -> str:
        if self.value is None:
            return f"extension parameter {self.name} needs a value"
        if self.value == "":
            return f"extension parameter {self.name} has an empty value"
        return f"extension parameter {self.name} cannot be {self.value}"


class ProxyError(InvalidHandshake):
    """The connection through a proxy failed."""


class InvalidProxy(ProxyError):
    """The address of the proxy is not usable."""

    def __init__(self, proxy: str, msg: str) -> None:
        super().__init__(proxy, msg)
        self.proxy = proxy
        self.msg = msg

    def __str__(self) -> str:
        return f"{self.proxy} is not a usable proxy: {self.msg}"


class InvalidProxyMessage(ProxyError):
    """The proxy did not answer with valid HTTP."""


class InvalidProxyStatus(ProxyError):
    """The proxy refused to connect; ``response`` has all of its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.response = response

    def __str__(self) -> str:
        reason = printable(self.response.reason_phrase)
        return f"proxy answered HTTP {self.response.status_code} {reason}"


class ProtocolError(WebSocketException):
    """The peer broke RFC 6455, or a call asked us to; ``code`` is the close code for it."""

    def __init__(self, reason: str, code: int = CloseCode.PROTOCOL_ERROR) -> None:
        super().__init__(reason, code)
        self.reason = reason
        self.code = code

    def __str__(self) -> str:
        return self.reason


class PayloadTooBig(ProtocolError):
    """A message is longer than ``max_size``, or has too many fragments."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, CloseCode.MESSAGE_TOO_BIG)

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.reason,)


class InvalidState(WebSocketException, AssertionError):
    """The connection's state does not allow this call."""


class ConcurrencyError(WebSocketException, RuntimeError):
    """Two callers receive from one connection at the same time."""
