"""A connection that a server accepted, and who may open one."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Optional, Union

from ..auth import challenge, credentials_checker, parse_authorization
from ..errors import InvalidHandshake
from ..frames import State
from ..handshake import ServerHandshake
from ..http11 import Request, Response
from .connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..auth import Credentials

    Handler = Callable[["ServerConnection"], None]
    ProcessRequest = Callable[["ServerConnection", Request], Optional[Response]]
    ProcessResponse = Callable[["ServerConnection", Request, Response], Optional[Response]]
    SelectSubprotocol = Callable[["ServerConnection", Sequence[str]], Optional[str]]

__all__ = ["ServerConnection", "basic_auth"]


class ServerConnection(Connection):
    """A connection that a client opened to a ``Server``."""

    username: str  # set by basic_auth()

    def respond(self, status: Union[int, HTTPStatus], text: str) -> Response:
        """Return a plain text HTTP response, for ``process_request`` to return."""
        assert isinstance(self.protocol.handshake, ServerHandshake)
        return self.protocol.handshake.reject(status, text)

    def _has_request(self) -> bool:
        return self.protocol.request is not None or self.protocol.state is not State.CONNECTING

    def _open(
        self,
        process_request: Optional[ProcessRequest],
        process_response: Optional[ProcessResponse],
    ) -> bool:
        """Perform the opening handshake; False if it does not end in an open connection."""
        self._read_until(self._has_request, None)
        protocol = self.protocol
        request = protocol.request
        if request is None or protocol.state is not State.CONNECTING:
            self.logger.info("opening handshake failed: %s", protocol.handshake_exc)
            return False
        response = None
        try:
            if process_request is not None:
                response = process_request(self, request)
                if response is not None and not isinstance(response, Response):
                    raise TypeError(f"process_request must return a Response, not {response!r}")
            if response is None:
                response = protocol.accept()
            if process_response is not None:
                response = process_response(self, request, response) or response
        except Exception as error:
            response = self._error_response(error)
        return self._answer(response)

    def _error_response(self, error: Exception) -> Response:
        assert isinstance(self.protocol.handshake, ServerHandshake)
        return self.protocol.handshake.error_response(error)

    def _answer(self, response: Response) -> bool:
        """Send the answer, or another that says that this one cannot be sent."""
        try:
            response.serialize()
        except Exception as error:
            response = self._error_response(error)
        with self._state_lock:
            if self.protocol.state is not State.CONNECTING:
                return False
            events = self.protocol.send_response(response, time.monotonic())
            self._deadline = self._next_deadline()
        self._messages.extend(event for event in events if isinstance(event, (str, bytes)))
        self._flush(wait=True)
        if response.status_code == 101:
            self.logger.info("connection open")
            return True
        cause = self.protocol.handshake_exc
        if isinstance(cause, InvalidHandshake):
            self.logger.info("opening handshake failed: %s", cause)
        elif cause is not None:
            self.logger.error("opening handshake failed", exc_info=cause)
        else:
            self.logger.info("connection rejected (%d)", response.status_code)
        return False


def basic_auth(
    realm: str = "",
    credentials: Optional[Credentials] = None,
    check_credentials: Optional[Callable[[str, str], bool]] = None,
) -> ProcessRequest:
    """Return a ``process_request`` that asks for a user name and password (RFC 7617).

    Give ``credentials``, one pair or several, or ``check_credentials(username, password)``. The
    name is ``ws.username`` then.
    """
    check = credentials_checker(credentials, check_credentials)

    def process_request(connection: ServerConnection, request: Request) -> Optional[Response]:
        user = parse_authorization(request.headers)
        if user is not None and check(*user):
            connection.username = user[0]
            return None
        response = connection.respond(HTTPStatus.UNAUTHORIZED, "Invalid or missing credentials.\n")
        response.headers["WWW-Authenticate"] = challenge(realm)
        return response

    return process_request
