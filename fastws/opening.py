"""The first part of a connection's life: the opening handshake as states, events and bytes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from .errors import InvalidHandshake, InvalidState
from .frames import Role, State
from .handshake import ClientHandshake, ServerHandshake
from .http11 import Request, Response

if TYPE_CHECKING:
    from .deflate import PerMessageDeflate
    from .frames import Close, Fragment, Ping, Pong

    # What the peer's bytes mean. An exception is always the last.
    Event = Union[str, bytes, Fragment, Ping, Pong, Close, Request, Response, Exception]

__all__ = ["Opening"]

# Frames a client may send on the heels of its request, while the server's answer is being made.
_MAX_EARLY_BYTES = 64 * 1024


class Opening:
    """What ``Protocol`` is while CONNECTING; it never opens a connection on its own."""

    __slots__ = (
        "_deadline", "_early", "_handshake", "_handshake_out", "_now", "_request", "_response",
        "close_cause", "close_timeout", "eof_to_send", "handshake_exc", "refused", "role", "state",
        "subprotocol",
    )  # fmt: skip

    def __init__(
        self,
        role: Role,
        handshake: Union[ServerHandshake, ClientHandshake, None],
        close_timeout: Optional[float],
        now: float,
    ) -> None:
        self.role = role
        self.state = State.CONNECTING
        self._handshake = handshake
        # As bytes once the connection is open, for most applications never ask for them.
        self._request: Union[Request, bytes, None] = None
        self._response: Union[Response, bytes, None] = None
        self.subprotocol: Optional[str] = None
        self.handshake_exc: Optional[Exception] = None
        self.refused = False  # the handshake ended with something else than 101
        self.close_cause = ""  # what went wrong, in words, for exceptions and logs
        self.close_timeout = close_timeout
        self.eof_to_send = False
        self._handshake_out: list[bytes] = []
        self._early = b""
        self._now = now
        self._deadline: Optional[float] = None  # of opening or closing

    @property
    def handshake(self) -> Union[ServerHandshake, ClientHandshake, None]:
        """What parses, judges and answers the opening handshake."""
        handshake = self._handshake
        if isinstance(handshake, ServerHandshake) and handshake.request is None:
            handshake.request = self.request
        return handshake

    @property
    def request(self) -> Optional[Request]:
        """The opening handshake's request."""
        if isinstance(self._request, bytes):
            self._request = Request.trusted(self._request)
        return self._request

    @property
    def response(self) -> Optional[Response]:
        """The opening handshake's response."""
        if isinstance(self._response, bytes):
            self._response = Response.trusted(self._response)
        return self._response

    def send_request(self) -> Request:
        """Queue the client's opening handshake; return it."""
        assert isinstance(self._handshake, ClientHandshake)
        self._request = request = self._handshake.request
        self._handshake_out.append(request.serialize())
        return request

    def accept(self) -> Response:
        """Return the server's answer to the request it got: 101, or the error that fits."""
        assert isinstance(self._handshake, ServerHandshake)
        assert self.request is not None
        return self._handshake.accept(self.request)

    def send_response(
        self, response: Response, now: Optional[float] = None, *, compact: bool = False
    ) -> list[Event]:
        """Queue the server's answer; return the events of bytes that came after the request.

        With status 101 the connection is OPEN; with any other it ends after the answer. ``compact``
        is for a driver that has shown neither request nor response to anybody: they are kept as
        bytes once the connection is open, and whoever asks for them gets others that are equal.
        """
        self._tell(now)
        if self.state is not State.CONNECTING:
            raise InvalidState(f"the connection is {self.state.name}, it cannot be answered")
        assert isinstance(self._handshake, ServerHandshake)
        data = response.serialize()
        self._response = response
        self._handshake_out.append(data)
        if response.status_code != 101:
            self.handshake_exc = self._handshake.error
            self._end_handshake(f"the handshake was answered with HTTP {response.status_code}")
            return []
        self.subprotocol = self._handshake.subprotocol
        self._open(self._handshake.extension)
        if compact:
            assert isinstance(self._request, Request)
            self._request = self._request.compact()
            self._response = data
            self._handshake.request = None
        early, self._early = self._early, b""
        return self._receive_frames(early) if early else []

    def _open(self, extension: Optional[PerMessageDeflate]) -> None:
        raise NotImplementedError

    def _receive_frames(self, data: bytes) -> list[Event]:
        raise NotImplementedError

    def _receive_handshake(self, data: Union[bytes, bytearray, memoryview]) -> list[Event]:
        if self._request is not None and self.role is Role.SERVER:
            return self._receive_early(data)
        assert self._handshake is not None
        try:
            head = self._handshake.receive_data(data)
        except InvalidHandshake as error:
            return self._fail_handshake(error)
        return [] if head is None else self._handshake_received(head)

    def _receive_early(self, data: Union[bytes, bytearray, memoryview]) -> list[Event]:
        self._early += bytes(data)
        if len(self._early) <= _MAX_EARLY_BYTES:
            return []
        return self._fail_handshake(
            InvalidHandshake("too much data before the answer to the handshake")
        )

    def _receive_handshake_eof(self) -> list[Event]:
        if isinstance(self._handshake, ClientHandshake):
            try:
                response = self._handshake.receive_eof()
            except InvalidHandshake as error:
                return self._fail_handshake(error)
            if response is not None:
                return self._handshake_received(response)
        self.close_cause = "connection closed during the opening handshake"
        self.handshake_exc = InvalidHandshake(self.close_cause)
        return [self.handshake_exc]

    def _handshake_received(self, head: Union[Request, Response]) -> list[Event]:
        if isinstance(self._handshake, ServerHandshake):
            self._request = head  # type: ignore[assignment]
            return [head, *self._receive_early(self._handshake.trailing)]
        assert self._handshake is not None
        self._response = head  # type: ignore[assignment]
        try:
            self._handshake.verify(head)  # type: ignore[arg-type]
        except InvalidHandshake as error:
            return [head, *self._fail_handshake(error)]
        self.subprotocol = self._handshake.subprotocol
        self._open(self._handshake.extension)
        trailing = self._handshake.trailing
        return [head, *(self._receive_frames(trailing) if trailing else [])]

    def _fail_handshake(self, error: Exception) -> list[Event]:
        """End the opening handshake; a server says why."""
        self.handshake_exc = error
        if isinstance(self._handshake, ServerHandshake):
            if isinstance(error, TimeoutError):
                response = self._handshake.reject(408, "The request took too long.\n")
            else:
                response = self._handshake.error_response(error)
            self._response = response
            self._handshake_out.append(response.serialize())
        self._end_handshake(str(error))
        return [error]

    def _end_handshake(self, cause: str) -> None:
        self.refused = True
        self.close_cause = cause
        self.state = State.CLOSING
        self.eof_to_send = True
        self._set_close_deadline()

    def _set_close_deadline(self) -> None:
        self._deadline = None if self.close_timeout is None else self._now + self.close_timeout

    def _tell(self, now: Optional[float]) -> None:
        if now is not None:
            self._now = now
