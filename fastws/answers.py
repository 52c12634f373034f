"""What a server's connection answers to the opening handshake, for asyncio and blocking code."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Union

from .auth import challenge
from .errors import InvalidHandshake
from .handshake import ServerHandshake
from .http11 import Response

if TYPE_CHECKING:
    from .protocol import Protocol

__all__ = ["Answers"]


class Answers:
    """The part of a ``ServerConnection`` that makes responses; sending them is for the driver."""

    protocol: Protocol
    logger: Any
    username: str  # set by basic_auth()

    def respond(self, status: Union[int, HTTPStatus], text: str) -> Response:
        """Return a plain text HTTP response, for ``process_request`` to return."""
        assert isinstance(self.protocol.handshake, ServerHandshake)
        return self.protocol.handshake.reject(status, text)

    def _unauthorized(self, realm: str) -> Response:
        response = self.respond(HTTPStatus.UNAUTHORIZED, "Invalid or missing credentials.\n")
        response.headers["WWW-Authenticate"] = challenge(realm)
        return response

    def _error_response(self, error: Exception) -> Response:
        assert isinstance(self.protocol.handshake, ServerHandshake)
        return self.protocol.handshake.error_response(error)

    def _sendable(self, response: Response) -> Response:
        """Return the response, or another that says that this one cannot be sent."""
        try:
            response.serialize()
        except Exception as error:
            return self._error_response(error)
        return response

    def _log_answer(self, response: Response) -> None:
        """Tell the log how the opening handshake ended."""
        cause = self.protocol.handshake_exc
        if response.status_code == 101:
            self.logger.info("connection open")
        elif isinstance(cause, InvalidHandshake):
            self.logger.info("opening handshake failed: %s", cause)
        elif cause is not None:
            self.logger.error("opening handshake failed", exc_info=cause)
        else:
            self.logger.info("connection rejected (%d)", response.status_code)
