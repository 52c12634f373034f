"""What an ASGI application receives from a connection and sends to it."""

from __future__ import annotations

import enum
import logging
from typing import TYPE_CHECKING, Any, Optional

from uvicorn.protocols.utils import (
    ClientDisconnected,
    get_client_addr,
    get_path_with_query_string,
)

from ..aio import Connection
from ..deflate import Deflate
from ..errors import ConnectionClosed
from ..frames import CloseCode, Role, State
from ..handshake import ServerHandshake
from ..protocol import Protocol
from .denial import Denial, decode_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..http11 import Response

    Event = dict[str, Any]

__all__ = ["Conversation", "Phase"]

_DEFLATE = Deflate()
# What is received besides messages: never equal to one by type, and with a length as those have.
_CONNECT, _END = bytearray(b"connect"), bytearray(b"end")
# What the handshake itself says: more of these would make clients give up.
_HANDSHAKE_HEADERS = ("sec-websocket-accept", "sec-websocket-extensions")


class Phase(enum.Enum):
    """What the application has said so far."""

    UNDECIDED = "nothing"
    DENYING = "a part of an HTTP response"
    ACCEPTED = "that it accepts"
    ENDED = "its last word"


class Conversation(Connection):
    """A connection as ASGI has it: ``asgi_receive`` and ``asgi_send``.

    ``config`` is uvicorn's; ``default_headers`` are those it adds to every response.
    """

    __slots__ = (
        "_agreement",
        "_default_headers",
        "_denial",
        "_disconnect",
        "_end_event",
        "_end_queued",
        "_handshake",
        "offered",
        "phase",
        "scope",
    )

    def __init__(self, config: Any, default_headers: list[tuple[bytes, bytes]]) -> None:
        self.offered: list[str] = []
        self.phase = Phase.UNDECIDED
        self.scope: dict[str, Any] = {}
        handshake = ServerHandshake(
            select_subprotocol=self._note_subprotocols,
            deflate=_DEFLATE if config.ws_per_message_deflate else None,
            server_header=None,
        )
        protocol = Protocol(
            Role.SERVER,
            handshake=handshake,
            max_size=config.ws_max_size,
            open_timeout=None,  # the application may take its time
            ping_interval=config.ws_ping_interval or None,
            ping_timeout=config.ws_ping_timeout or None,
        )
        super().__init__(
            protocol, max_queue=config.ws_max_queue, logger=logging.getLogger("uvicorn.error")
        )
        self._handshake = handshake
        self._default_headers = default_headers
        self._agreement: Optional[Response] = None  # what accepting answers
        self._queue(_CONNECT)
        self._denial: Optional[Denial] = None
        self._disconnect: Optional[Event] = None  # once it is received
        self._end_event: Optional[Event] = None  # if it is another than the close frames say
        self._end_queued = False

    def _note_subprotocols(self, offered: list[str]) -> None:
        """Leave the choice for later: the application makes it when it accepts."""
        self.offered = offered

    # ----------------------------------------------------------------------------- receiving

    async def asgi_receive(self) -> Event:
        """Return the next event; after the end, the disconnect event again and again.

        One task may receive at a time.
        """
        if self._disconnect is None:
            try:
                item: Any = await self.recv()
            except ConnectionClosed:
                item = _END
            if type(item) is str:
                return {"type": "websocket.receive", "text": item}
            if type(item) is bytes:
                return {"type": "websocket.receive", "bytes": item}
            if item is _CONNECT:
                return {"type": "websocket.connect"}
            self._disconnect = self._end_event or self._disconnect_event()
        return self._disconnect

    async def _join(self, first: Any) -> Any:
        # Nobody asks for fragments here: this is one of ours.
        return first

    def _disconnect_event(self) -> Event:
        protocol = self.protocol
        close = protocol.close_rcvd
        if protocol.close_sent is not None and not protocol.close_rcvd_then_sent:
            close = protocol.close_sent  # the application's own, or for what the peer did wrong
        if close is None:
            return {"type": "websocket.disconnect", "code": int(CloseCode.ABNORMAL_CLOSURE)}
        return {"type": "websocket.disconnect", "code": int(close.code), "reason": close.reason}

    # ------------------------------------------------------------------------------- sending

    async def asgi_send(self, event: Event) -> None:
        """Take an event from the application; wait while too much waits to be written.

        Raises ``ClientDisconnected``, an OSError, once the client is gone, RuntimeError for an
        event that is not expected now.
        """
        try:
            if self._can_send and event["type"] == "websocket.send":
                message: Any = event.get("bytes")
                if message is None:
                    message = event.get("text")
                await self.send(message)
            else:
                await self._send_rare(event)
        except ConnectionClosed:
            raise ClientDisconnected from None

    async def _send_rare(self, event: Event) -> None:
        kind = event["type"]
        if self._write_paused:
            await self._drain()
        if self._client_left():
            raise ClientDisconnected
        expected = _EXPECTED[self.phase]
        if not expected:
            raise RuntimeError(
                f"Unexpected ASGI message '{kind}', after sending 'websocket.close' "
                "or response already completed."
            )
        if kind not in expected:
            names = " or ".join(", ".join(f"'{name}'" for name in expected).rsplit(", ", 1))
            raise RuntimeError(f"Expected ASGI message {names} but got '{kind}'.")
        await expected[kind](self, event)

    def _client_left(self) -> bool:
        """Whether the connection is over without the application having ended it."""
        state = self.protocol.state
        return state is State.CLOSED or (state is State.CLOSING and self.phase is not Phase.ENDED)

    async def _accept(self, event: Event) -> None:
        response = self._agreement
        assert response is not None
        headers = decode_headers([*self._default_headers, *event.get("headers", ())])
        for name in _HANDSHAKE_HEADERS:
            if name in headers:
                raise ValueError(f"header {name} is set by the handshake itself")
        subprotocol = event.get("subprotocol")
        if subprotocol:
            headers["Sec-WebSocket-Protocol"] = subprotocol
            self._handshake.subprotocol = subprotocol
        response.headers.update(headers)
        self._log("[accepted]")
        self.phase = Phase.ACCEPTED
        # With events that the client sent on the heels of its request.
        early: list[Any] = self.protocol.send_response(response, self.loop.time())
        self._open_channel()
        messages = [item for item in early if isinstance(item, (str, bytes))]
        if messages:
            self._deliver(messages)
        self._flush()
        self._set_timer()

    async def _send_message(self, event: Event) -> None:
        raise ClientDisconnected  # it would have been sent if that were possible

    async def _close(self, event: Event) -> None:
        if self.phase is Phase.UNDECIDED:
            self._log("403")
            self.refuse(403, "")
            return
        code = event.get("code")
        self._start_closing(1000 if code is None else code, event.get("reason") or "")
        self.phase = Phase.ENDED

    async def _start_denial(self, event: Event) -> None:
        denial = Denial(event["status"], event.get("headers", ()), self._default_headers)
        self._log(str(denial.status))
        self.phase = Phase.DENYING
        self._denial = denial
        self._write(denial.start())

    async def _continue_denial(self, event: Event) -> None:
        more = event.get("more_body", False)
        assert self._denial is not None
        self._write(self._denial.body(event.get("body", b""), more))
        if not more:
            self._end()
        elif self._write_paused:
            await self._drain()

    # ---------------------------------------------------------------------------- the end of it

    def refuse(self, status: int, text: str) -> None:
        """Answer the handshake with an HTTP error of our own."""
        self.phase = Phase.ENDED
        headers = decode_headers(self._default_headers)
        self._answer(self._handshake.reject(status, text, headers))

    def _answer(self, response: Response) -> None:
        self.protocol.send_response(response, self.loop.time())
        self._flush()
        self._set_timer()

    def finish(self, failed: bool) -> None:
        """Do what the application, which has ended, left undone; ``failed``: with an exception."""
        phase = self.phase
        if phase is Phase.ENDED or self.protocol.state is State.CLOSED:
            return
        if phase is Phase.UNDECIDED or (failed and self._denial and not self._denial.started):
            if self.protocol.state is State.CONNECTING:
                self.refuse(500, "Internal Server Error")
        elif self.protocol.state is not State.CLOSING:
            if phase is Phase.DENYING and not failed:
                assert self._denial is not None
                self._write(self._denial.body(b"", False))
            self._end()

    def _end(self) -> None:
        """Close the connection without a close frame, when all is written."""
        self.phase = Phase.ENDED
        assert self._transport is not None
        self._transport.close()
        if self._unwritten():
            self._watch_writing()

    def _write(self, data: bytes) -> None:
        if data:
            assert self._transport is not None
            self._transport.write(data)

    def _flush(self) -> None:
        super()._flush()
        if self.protocol.state in (State.CLOSING, State.CLOSED) and not self._end_queued:
            # The application need not wait for the last bytes of the closing handshake.
            self._end_queued = True
            self._queue(_END)

    def _queue(self, item: object) -> None:
        """Let the application receive this after the messages that wait for it."""
        self._messages.append(item)
        self._waiter.wake()

    def _send_eof(self, transport: Any) -> None:
        if self.protocol.close_rcvd and self.protocol.close_sent:
            # Both have said goodbye: there is nothing that the peer may still send.
            self._eof_sent = True
            transport.close()
        else:
            super()._send_eof(transport)

    def _log(self, outcome: str) -> None:
        """Write uvicorn's access log line of a WebSocket connection."""
        self.logger.info(
            '%s - "WebSocket %s" ' + outcome,
            get_client_addr(self.scope),
            get_path_with_query_string(self.scope),
        )


_EXPECTED: dict[Phase, dict[str, Callable[[Conversation, Event], Awaitable[None]]]] = {
    Phase.UNDECIDED: {
        "websocket.accept": Conversation._accept,
        "websocket.close": Conversation._close,
        "websocket.http.response.start": Conversation._start_denial,
    },
    Phase.DENYING: {"websocket.http.response.body": Conversation._continue_denial},
    Phase.ACCEPTED: {
        "websocket.send": Conversation._send_message,
        "websocket.close": Conversation._close,
    },
    Phase.ENDED: {},
}
