"""A WebSocket connection that uvicorn hands over: its transport, its application, its shutdown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Optional

from uvicorn.logging import TRACE_LOG_LEVEL
from uvicorn.protocols.utils import ClientDisconnected, get_remote_addr

from ..aio import Connection
from ..aio.hot import run_stepped
from ..aio.lifecycle import TransportProtocol
from ..frames import CloseCode, State
from ..http11 import Request
from .conversation import Conversation, Phase
from .scope import make_scope
from .takeover import take_over

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ..protocol import Event

__all__ = ["WebSocketProtocol"]

# A server that shuts down does not wait for silent clients as long as one that goes on.
_SHUTDOWN_SECONDS = 2.0


class WebSocketProtocol(Conversation, asyncio.Protocol):
    """What ``uvicorn --ws`` takes: made by uvicorn for each request to upgrade to WebSocket."""

    __slots__ = ("_app_state", "_client", "_config", "_server_state")

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: Optional[asyncio.AbstractEventLoop] = None,
    ) -> None:
        if not config.loaded:
            config.load()
        super().__init__(config, server_state.default_headers)
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._client: Optional[tuple[str, int]] = None

    # ------------------------------------------------- called by uvicorn and by the transport

    # The connection's own methods, without a layer between.
    eof_received = Connection._eof_received
    pause_writing = Connection._pause_writing
    resume_writing = Connection._resume_writing

    def connection_made(self, transport: Any) -> None:
        """Take the transport over from uvicorn's HTTP protocol, with its limits as they are."""
        self._transport = transport
        self._client = get_remote_addr(transport)
        self._server_state.connections.add(self)
        self._trace("made")

    def data_received(self, data: Buffer) -> None:
        """Take bytes: the request, which uvicorn gives like this, or frames."""
        rest = memoryview(data)
        while len(rest):
            buffer = memoryview(self._get_buffer(-1))
            nbytes = min(len(buffer), len(rest))
            buffer[:nbytes] = rest[:nbytes]
            rest = rest[nbytes:]
            self._buffer_updated(nbytes)

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """Let go of a connection that is closed."""
        self._connection_lost(exc)

    def shutdown(self) -> None:
        """Say goodbye with 1012, service restart: uvicorn calls this when it shuts down."""
        state = self.protocol.state
        if state is State.OPEN:
            self._end_event = {
                "type": "websocket.disconnect",
                "code": int(CloseCode.SERVICE_RESTART),
            }
            self.protocol.close_timeout = _SHUTDOWN_SECONDS
            self._start_closing(CloseCode.SERVICE_RESTART, "")
        elif state is State.CONNECTING and self.phase is Phase.UNDECIDED:
            self.refuse(503, "The server is shutting down.\n")
        elif self.phase is not Phase.DENYING and self._transport is not None:
            self._transport.close()

    # -------------------------------------------------------------------------- the application

    def _handle_handshake(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Request):
                self._start(event)
            elif isinstance(event, Exception) and self.protocol.refused:
                self.logger.info("opening handshake failed: %s", event)
        self._flush()
        self._set_timer()

    def _start(self, request: Request) -> None:
        response = self.protocol.accept()
        if response.status_code != 101:
            self.logger.info("opening handshake failed: %s", self._handshake.error)
            self._answer(response)
            return
        assert self._transport is not None
        self._agreement = response
        self.scope = make_scope(
            request, self.offered, self._transport, self._config, self._app_state
        )
        tasks = self._server_state.tasks
        task = run_stepped(self.loop, self._run())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _run(self) -> None:
        failed = True
        try:
            result = await self._config.loaded_app(self.scope, self.asgi_receive, self.asgi_send)
            failed = False
            self._check_result(result)
        except ClientDisconnected:
            failed = False
        except (Exception, asyncio.CancelledError):
            # uvicorn cancels what outlasts its patience: the traceback shows where that was.
            self.logger.exception("Exception in ASGI application\n")
        finally:
            self.finish(failed)

    def _check_result(self, result: object) -> None:
        if self.protocol.state is State.CONNECTING and self.phase is Phase.UNDECIDED:
            self.logger.error("ASGI callable returned without completing handshake.")
        elif result is not None:
            self.logger.error("ASGI callable should return None, but returned '%s'.", result)

    def _open_channel(self) -> None:
        super()._open_channel()
        transport = self._transport
        if transport is None or take_over(transport, self) or transport.is_closing():
            return
        # From here on it can fill our buffers; uvloop begins with that when reading starts anew.
        transport.set_protocol(TransportProtocol(self))
        transport.pause_reading()
        transport.resume_reading()

    def _connection_lost(self, exc: Optional[Exception]) -> None:
        super()._connection_lost(exc)
        # Both our transport and the one that lends us the socket tell of it.
        if self in self._server_state.connections:
            self._server_state.connections.discard(self)
            self._trace("lost")

    def _trace(self, what: str) -> None:
        if self.logger.isEnabledFor(TRACE_LOG_LEVEL):
            prefix = "{}:{} - ".format(*self._client) if self._client else ""
            self.logger.log(TRACE_LOG_LEVEL, "%sWebSocket connection %s", prefix, what)
