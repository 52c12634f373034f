"""The first part of a connection's life: the opening handshake as states, events and bytes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from .errors import InvalidHandshake, InvalidState
from .frames import Role, State
from .handshake import ClientHandshake, ServerHandshake

if TYPE_CHECKING:
    from .deflate import PerMessageDeflate
    from .frames import Close, Fragment, Ping, Pong
    from .http11 import Request, Response

    # What the peer's bytes mean. An exception is always the last.
    Event = Union[str, bytes, Fragment, Ping, Pong, Close, Request, Response, Exception]

__all__ = ["Opening"]

# Frames a client may send on the heels of its request, while the server's answer is being made.
_MAX_EARLY_BYTES = 64 * 1024


class Opening:
    """What ``Protocol`` is while CONNECTING; it never opens a connection on its own."""

    def __init__(
        self,
        role: Role,
        handshake: Union[ServerHandshake, ClientHandshake, None],
        close_timeout: Optional[float],
        now: float,
    ) -> None:
        self.role = role
        self.state = State.CONNECTING
        self.handshake = handshake
        self.request: Optional[Request] = None
        self.response: Optional[Response] = None
        self.subprotocol: Optional[str] = None
        self.handshake_exc: Optional[Exception] = None
        self.refused = False  # the handshake ended with something else than 101
        self.close_cause = ""  # what went wrong, in words, for exceptions and logs
        self.close_timeout = close_timeout
        self.eof_to_send = False
        self._handshake_out: list[bytes] = []
        self._early = bytearray()
        self._now = now
        self._deadline: Optional[float] = None  # of opening or closing

    def send_request(self) -> Request:
        """Queue the client's opening handshake; return it."""
        assert isinstance(self.handshake, ClientHandshake)
        self.request = self.handshake.request
        self._handshake_out.append(self.request.serialize())
        return self.request

    def accept(self) -> Response:
        """Return the server's answer to the request it got: 101, or the error that fits."""
        assert isinstance(self.handshake, ServerHandshake)
        assert self.request is not None
        return self.handshake.accept(self.request)

    def send_response(self, response: Response, now: Optional[float] = None) -> list[Event]:
        """Queue the server's answer; return the events of bytes that came after the request.

        With status 101 the connection is OPEN; with any other it ends after the answer.
        """
        self._tell(now)
        if self.state is not State.CONNECTING:
            raise InvalidState(f"the connection is {self.state.name}, it cannot be answered")
        assert isinstance(self.handshake, ServerHandshake)
        self.response = response
        self._handshake_out.append(response.serialize())
        if response.status_code != 101:
            self.handshake_exc = self.handshake.error
            self._end_handshake(f"the handshake was answered with HTTP {response.status_code}")
            return []
        self.subprotocol = self.handshake.subprotocol
        self._open(self.handshake.extension)
        early = bytes(self._early)
        self._early.clear()
        return self._receive_frames(early) if early else []

    def _open(self, extension: Optional[PerMessageDeflate]) -> None:
        raise NotImplementedError

    def _receive_frames(self, data: bytes) -> list[Event]:
        raise NotImplementedError

    def _receive_handshake(self, data: Union[bytes, bytearray, memoryview]) -> list[Event]:
        if self.request is not None and self.role is Role.SERVER:
            return self._receive_early(data)
        assert self.handshake is not None
        try:
            head = self.handshake.receive_data(data)
        except InvalidHandshake as error:
            return self._fail_handshake(error)
        return [] if head is None else self._handshake_received(head)

    def _receive_early(self, data: Union[bytes, bytearray, memoryview]) -> list[Event]:
        self._early += data
        if len(self._early) <= _MAX_EARLY_BYTES:
            return []
        return self._fail_handshake(
            InvalidHandshake("too much data before the answer to the handshake")
        )

    def _receive_handshake_eof(self) -> list[Event]:
        if isinstance(self.handshake, ClientHandshake):
            try:
                response = self.handshake.receive_eof()
            except InvalidHandshake as error:
                return self._fail_handshake(error)
            if response is not None:
                return self._handshake_received(response)
        self.close_cause = "connection closed during the opening handshake"
        self.handshake_exc = InvalidHandshake(self.close_cause)
        return [self.handshake_exc]

    def _handshake_received(self, head: Union[Request, Response]) -> list[Event]:
        if isinstance(self.handshake, ServerHandshake):
            self.request = head  # type: ignore[assignment]
            return [head, *self._receive_early(self.handshake.trailing)]
        assert self.handshake is not None
        self.response = head  # type: ignore[assignment]
        try:
            self.handshake.verify(self.response)  # type: ignore[arg-type]
        except InvalidHandshake as error:
            return [head, *self._fail_handshake(error)]
        self.subprotocol = self.handshake.subprotocol
        self._open(self.handshake.extension)
        trailing = self.handshake.trailing
        return [head, *(self._receive_frames(trailing) if trailing else [])]

    def _fail_handshake(self, error: Exception) -> list[Event]:
        """End the opening handshake; a server says why."""
        self.handshake_exc = error
        if isinstance(self.handshake, ServerHandshake):
            if isinstance(error, TimeoutError):
                self.response = self.handshake.reject(408, "The request took too long.\n")
            else:
                self.response = self.handshake.error_response(error)
            self._handshake_out.append(self.response.serialize())
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
