"""A connection that a server accepted, and who may open one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Optional

from ..answers import Answers
from ..auth import credentials_checker, parse_authorization
from ..frames import State
from ..http11 import Request, Response
from .channel import NEVER
from .connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..auth import Credentials

    Handler = Callable[["ServerConnection"], None]
    ProcessRequest = Callable[["ServerConnection", Request], Optional[Response]]
    ProcessResponse = Callable[["ServerConnection", Request, Response], Optional[Response]]
    SelectSubprotocol = Callable[["ServerConnection", Sequence[str]], Optional[str]]

__all__ = ["ServerConnection", "basic_auth"]


class ServerConnection(Answers, Connection):
    """A connection that a client opened to a ``Server``."""

    def _has_request(self) -> bool:
        return self.protocol.request is not None or self.protocol.state is not State.CONNECTING

    def _open(
        self,
        process_request: Optional[ProcessRequest],
        process_response: Optional[ProcessResponse],
    ) -> bool:
        """Perform the opening handshake; False if it does not end in an open connection."""
        self._read_until(self._has_request, NEVER)
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

    def _answer(self, response: Response) -> bool:
        """Send the answer, or another that says that this one cannot be sent."""
        response = self._sendable(response)
        with self._state_lock:
            if self.protocol.state is not State.CONNECTING:
                return False
            events = self.protocol.send_response(response, time.monotonic())
            self._note_state()
        self._messages.extend(event for event in events if isinstance(event, (str, bytes)))
        self._flush(wait=True)
        self._log_answer(response)
        if response.status_code != 101:
            return False
        self._open_channel()
        return True


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
        return connection._unauthorized(realm)

    return process_request
