"""What a server answers to a request that does not open a WebSocket connection."""

from __future__ import annotations

from .errors import (
    InvalidHandshake,
    InvalidHeaderValue,
    InvalidMethod,
    InvalidOrigin,
    InvalidUpgrade,
    SecurityError,
)

__all__ = ["VERSION", "refusal"]

VERSION = "13"  # RFC 6455 §4.1

_NOT_A_WEB_PAGE = (
    "This address is for WebSocket: open it with a WebSocket client, not as a web page.\n"
    "A proxy in front of the server has to pass on the Connection and Upgrade headers.\n"
)


def refusal(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Return the status, the text and the additional headers that tell a client about an error."""
    if not isinstance(error, InvalidHandshake):
        # What went wrong in the application is for the server's log only.
        return 500, "Cannot open a WebSocket connection.\n", {}
    status, headers = _status(error)
    text = f"Cannot open a WebSocket connection: {error}.\n"
    if isinstance(error, InvalidUpgrade):
        text += _NOT_A_WEB_PAGE
    return status, text, headers


def _status(error: InvalidHandshake) -> tuple[int, dict[str, str]]:
    # RFC 9110 §7.8: Upgrade comes with its connection option.
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade, close"}
    if isinstance(error, InvalidOrigin):
        return 403, {}
    if isinstance(error, InvalidMethod):
        return 405, {"Allow": "GET"}
    if isinstance(error, SecurityError):
        return 431, {}
    if isinstance(error, InvalidUpgrade):
        return 426, upgrade
    if isinstance(error, InvalidHeaderValue) and error.name == "Sec-WebSocket-Version":
        return 426, {**upgrade, "Sec-WebSocket-Version": VERSION}  # RFC 6455 §4.4
    return 400, {}
