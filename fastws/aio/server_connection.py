"""A connection that a server accepted, and who may open one."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Optional, Union

from ..answers import Answers
from ..auth import credentials_checker, parse_authorization
from ..errors import ConnectionClosed
from ..frames import CloseCode, State
from ..http11 import Request, Response
from .connection import Connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..auth import Credentials
    from ..protocol import Event
    from .server import Server

    Handler = Callable[["ServerConnection"], Awaitable[None]]
    ProcessRequest = Callable[
        ["ServerConnection", Request],
        Union[Response, Awaitable[Optional[Response]], None],
    ]
    ProcessResponse = Callable[
        ["ServerConnection", Request, Response],
        Union[Response, Awaitable[Optional[Response]], None],
    ]
    SelectSubprotocol = Callable[["ServerConnection", Sequence[str]], Optional[str]]

__all__ = ["ServerConnection", "basic_auth"]


class ServerConnection(Answers, Connection):
    """A connection that a client opened to a ``Server``."""

    __slots__ = ("_eof_before_answer", "server")

    def __init__(self, server: Server) -> None:
        select = server._select_subprotocol
        protocol = server._options.protocol(
            asyncio.get_running_loop().time(),
            None if select is None else lambda offered: select(self, offered),
        )
        super().__init__(
            protocol,
            max_queue=server._max_queue,
            write_limit=server._write_limit,
            write_timeout=server._write_timeout,
            logger=server.logger,
        )
        self.server = server
        self._eof_before_answer = False

    def _connection_made(self, transport: asyncio.BaseTransport) -> None:
        super()._connection_made(transport)
        self.server._connections[self] = None
        self.server._tally.accepted += 1
        if self.server._closing is not None:
            # It was still in its TLS handshake when the server stopped accepting.
            self._refuse()

    def _handle_handshake(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Request):
                self._handle_request(event)
            elif isinstance(event, Exception):
                self.logger.info("opening handshake failed: %s", event)
        self._flush()
        self._set_timer()

    def _handle_request(self, request: Request) -> None:
        server = self.server
        if server._process_request is None and server._process_response is None:
            response = self._answer(self.protocol.accept(), compact=True)
            if response.status_code == 101:
                server._start(self, self._run_handler())
        else:
            # The peer may send frames on the heels of its request: let them wait in its socket.
            self._pause_reading()
            server._start(self, self._negotiate(request))

    async def _negotiate(self, request: Request) -> None:
        """Let the application have its say in the opening handshake, then run its handler."""
        response = None
        server = self.server
        try:
            if server._process_request is not None:
                result = server._process_request(self, request)
                response = await result if inspect.isawaitable(result) else result
                if response is not None and not isinstance(response, Response):
                    raise TypeError(f"process_request must return a Response, not {response!r}")
            if response is None:
                response = self.protocol.accept()
            if server._process_response is not None:
                result = server._process_response(self, request, response)
                changed = await result if inspect.isawaitable(result) else result
                response = changed or response
        except Exception as error:
            response = self._error_response(error)
        if self.protocol.state is not State.CONNECTING:
            return  # it took too long, and the client has its answer, or has gone
        response = self._answer(self._sendable(response))
        self._flush()
        self._set_timer()
        self._resume_reading()
        if response.status_code == 101:
            request.headers.compact()
            response.headers.compact()
            await self._run_handler()

    def _answer(self, response: Response, compact: bool = False) -> Response:
        """Queue the answer; return it."""
        events = self.protocol.send_response(response, self.loop.time(), compact=compact)
        if response.status_code == 101:
            self._open_channel()
        self._log_answer(response)
        messages = [event for event in events if isinstance(event, (str, bytes))]
        if messages:
            self._deliver(messages)
        if self._eof_before_answer:
            self._handle_eof()
        return response

    def _refuse(self) -> None:
        """Say that the server is closing, to a client that waits for its answer."""
        self._answer(self.respond(503, "The server is shutting down.\n"))
        self._flush()
        self._set_timer()

    async def _run_handler(self) -> None:
        try:
            await self.server._handler(self)
        except asyncio.CancelledError:
            self._start_closing(CloseCode.GOING_AWAY, "")
            raise
        except Exception as error:
            if isinstance(error, ConnectionClosed) and self.protocol.state is not State.OPEN:
                self.logger.info("connection closed: %s", error)
            else:
                self.logger.error("connection handler failed", exc_info=error)
            await self.close(CloseCode.INTERNAL_ERROR)
        else:
            await self.close()

    def _eof_received(self) -> Optional[bool]:
        if self.protocol.state is State.CONNECTING and self.protocol.request is not None:
            # It asked and closed its direction, as HTTP probes do: it can still read the answer.
            self._eof_before_answer = True
            return True
        return super()._eof_received()

    def _connection_lost(self, exc: Optional[Exception]) -> None:
        super()._connection_lost(exc)
        self.server._lose(self)


def basic_auth(
    realm: str = "",
    credentials: Optional[Credentials] = None,
    check_credentials: Optional[Callable[[str, str], Union[bool, Awaitable[bool]]]] = None,
) -> Callable[[ServerConnection, Request], Awaitable[Optional[Response]]]:
    """Return a ``process_request`` that asks for a user name and password (RFC 7617).

    Give ``credentials``, one pair or several, or ``check_credentials(username, password)``. The
    name is ``ws.username`` then.
    """
    check = credentials_checker(credentials, check_credentials)

    async def process_request(connection: ServerConnection, request: Request) -> Optional[Response]:
        user = parse_authorization(request.headers)
        if user is not None:
            allowed = check(*user)
            if await allowed if inspect.isawaitable(allowed) else allowed:
                connection.username = user[0]
                return None
        return connection._unauthorized(realm)

    return process_request
