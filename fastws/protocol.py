"""One side of a WebSocket connection without I/O: bytes and times in, events and bytes out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Optional, Union

from ._kernels import MessageReader, serialize_close
from .errors import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidState,
    PayloadTooBig,
    ProtocolError,
)
from .frames import Close, CloseCode, Opcode, Ping, Pong, Role, State
from .handshake import ClientHandshake, ServerHandshake
from .keepalive import Keepalive
from .opening import Opening
from .prepared import PreparedMessage, is_fragments, message_payload
from .writer import MessageWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Buffer

    from .deflate import PerMessageDeflate
    from .opening import Event as Event

    Message = Union[str, bytes]
    _Ping = tuple[float, Optional[Callable[[float], object]]]  # when it was sent, whom to tell

__all__ = ["Protocol"]

_OK_CODES = (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD)
# Answers to pings that may wait for the driver to take them: a flood of pings from a peer that does
# not read must not fill our memory. RFC 6455 §5.5.3 asks only for an answer to the latest.
_MAX_WAITING_PONGS = 64
# Keepalive pings to remember: a peer may be alive for days and never answer one.
_MAX_WAITING_PINGS = 64


class Protocol(Opening):
    """The state of a connection, for either role (RFC 6455); compression as negotiated (RFC 7692).

    Give it bytes with ``receive_data`` (or ``get_buffer`` and ``buffer_updated``) and the end of
    the stream with ``receive_eof``; write what ``data_to_send`` returns; when ``eof_to_send`` is
    true after that, close the sending direction, and go on reading until the peer closes too.
    Call ``handle_timeout`` at ``next_deadline``. Times are seconds on any one clock that never goes
    back; every method that starts or stops a timer takes ``now``.

    With a ``handshake`` it starts in CONNECTING: a client calls ``send_request``; a server gets a
    ``Request`` event and calls ``accept`` and ``send_response``. Without one it is OPEN at once,
    for streams that another protocol opened (RFC 8441); ``extension`` is what was negotiated there.
    """

    __slots__ = (
        "_failed", "_keepalive", "_out", "_pings", "_pongs", "_urgent", "aborted", "close_rcvd",
        "close_rcvd_then_sent", "close_sent", "latency", "reader", "writer",
    )  # fmt: skip

    def __init__(
        self,
        role: Role,
        *,
        handshake: Union[ServerHandshake, ClientHandshake, None] = None,
        extension: Optional[PerMessageDeflate] = None,
        max_size: Optional[int] = 1024 * 1024,
        max_fragments: Optional[int] = None,
        decode: bool = True,
        open_timeout: Optional[float] = 10,
        ping_interval: Optional[float] = 20,
        ping_timeout: Optional[float] = 20,
        close_timeout: Optional[float] = 10,
        now: float = 0.0,
    ) -> None:
        super().__init__(role, handshake, close_timeout, now)
        self.reader = MessageReader(
            role, max_size=max_size, max_fragments=max_fragments, decode=decode
        )
        self.writer = MessageWriter(role)
        self.close_rcvd: Optional[Close] = None
        self.close_sent: Optional[Close] = None
        self.close_rcvd_then_sent: Optional[bool] = None
        self.aborted = False  # the peer had its time: close the socket without waiting any longer
        self.latency = 0.0  # of the last ping that was answered, in seconds
        self._failed = False  # RFC 6455 §7.1.7: what the peer sends from then on means nothing
        self._keepalive = Keepalive(ping_interval, ping_timeout)
        self._pings: Optional[dict[bytes, _Ping]] = None  # while any waits for its pong
        # Control frames may go between any two frames: they need not wait for the messages. The
        # first of them is behind the opening handshake, so that is queued in the same list.
        self._urgent = self._handshake_out
        self._pongs: list[bytes] = []
        self._out: list[bytes] = []
        if handshake is None:
            self._open(extension)
        elif open_timeout is not None:
            self._deadline = now + open_timeout

    def _open(self, extension: Optional[PerMessageDeflate]) -> None:
        self.state = State.OPEN
        self.writer.extension = extension
        if extension is not None:
            self.reader.inflate = extension.decompress
        self._deadline = None
        self._keepalive.start(self._now)

    def receive_data(self, data: Buffer, now: Optional[float] = None) -> list[Event]:
        """Take bytes from the peer; return what they mean, in order."""
        self._tell(now)
        if self.state is not State.OPEN:
            if self.state is State.CONNECTING:
                return self._receive_handshake(bytes(data))
            if self.refused or self._failed or self.state is State.CLOSED:
                return []
        return self._receive_frames(data)

    def _receive_frames(self, data: Buffer) -> list[Event]:
        events: list[Event] = self.reader.receive(data)  # type: ignore[assignment]
        if self.reader.has_control:  # pings, closes, violations: rare, so they may cost Python
            self.handle_control(events)
        return events

    def get_buffer(self) -> Optional[Buffer]:
        """Return where to receive the rest of a large payload, or None: see ``MessageReader``."""
        return self.reader.get_buffer()

    def buffer_updated(self, nbytes: int, now: Optional[float] = None) -> list[Event]:
        """Take the bytes written into the last ``get_buffer``; return what they mean."""
        events: list[Event] = self.reader.buffer_updated(nbytes)  # type: ignore[assignment]
        if self.reader.has_control or self._failed:
            self.handle_control(events, now)
        return events

    def handle_control(self, events: list[Event], now: Optional[float] = None) -> None:
        """Act on the control frames and violations among events taken from ``reader`` directly."""
        self._tell(now)
        if self._failed:
            events.clear()
        for event in events:
            handler = _HANDLERS.get(type(event))
            if handler is not None:
                handler(self, event)

    def receive_eof(self, now: Optional[float] = None) -> list[Event]:
        """Take the end of the peer's stream, orderly or not."""
        self._tell(now)
        events: list[Event] = []
        if self.state is State.CONNECTING:
            events = self._receive_handshake_eof()
        elif self.close_rcvd is None and not self.refused and not self.close_cause:
            self.close_cause = "the connection was lost"
        self._keepalive.stop()
        self._deadline = None
        self.state = State.CLOSED
        self.eof_to_send = True
        return events

    def _handle_ping(self, ping: Ping) -> None:
        if self.state is State.OPEN:
            del self._pongs[: 1 - _MAX_WAITING_PONGS]
            self._pongs.append(self.writer.frame(Opcode.PONG, ping.payload))

    def _handle_pong(self, pong: Pong) -> None:
        pings = self._pings
        if pings is None or pong.payload not in pings:
            return
        # An answer to one ping answers those before it too (RFC 6455 §5.5.3).
        for payload in list(pings):
            sent_at, on_pong = pings.pop(payload)
            if not pings:
                self._pings = None
            latency = max(self._now - sent_at, 0.0)
            if payload == pong.payload:
                self.latency = latency
            if on_pong is not None:
                on_pong(latency)
            if payload == pong.payload:
                return

    def _handle_close(self, close: Close) -> None:
        self.close_rcvd = close
        if self.state is State.OPEN:
            self.close_rcvd_then_sent = True
            # RFC 6455 §5.5.1: the answer echoes what came.
            self._send_close(close)
        elif self.close_sent is not None and self.close_rcvd_then_sent is None:
            self.close_rcvd_then_sent = False
        # RFC 6455 §7.1.1: the server closes the TCP connection first.
        if self.role is Role.SERVER:
            self.eof_to_send = True

    def _handle_error(self, error: ProtocolError) -> None:
        self.fail(error.code, error.reason)

    def send_message(
        self,
        message: Union[str, Buffer, PreparedMessage, Iterable[Union[str, Buffer]]],
        *,
        text: Optional[bool] = None,
        compress: Optional[bool] = None,
    ) -> None:
        """Queue a message: str as text, bytes-like as binary, unless ``text`` says otherwise.

        An iterable of these is sent in fragments. ``compress`` overrides the negotiated threshold.
        Raises ConnectionClosed when nothing more can be sent, ConcurrencyError inside a fragmented
        message, TypeError for any other type.
        """
        self._check_can_send()
        if is_fragments(message):
            self._out.extend(
                self.writer.fragments(message, text=text, compress=compress)  # type: ignore[arg-type]
            )
        else:
            self._out.append(
                self.writer.message(message, text=text, compress=compress)  # type: ignore[arg-type]
            )

    def send_fragment(
        self,
        fragment: Union[str, Buffer],
        *,
        fin: bool = False,
        text: Optional[bool] = None,
        compress: Optional[bool] = None,
    ) -> None:
        """Queue one fragment of a message; ``fin`` ends it. The first one decides its type."""
        self._check_can_send()
        self._out.append(self.writer.fragment(fragment, fin=fin, text=text, compress=compress))

    def send_ping(
        self,
        payload: Union[str, Buffer, None] = None,
        *,
        now: Optional[float] = None,
        on_pong: Optional[Callable[[float], object]] = None,
    ) -> bytes:
        """Queue a ping ahead of queued messages; return its payload, at most 125 bytes.

        ``on_pong(latency)`` is called, in seconds, when the peer answers. Raises ConcurrencyError
        if a ping with this payload still waits for its pong.
        """
        self._tell(now)
        self._check_can_send()
        pings = {} if self._pings is None else self._pings
        if payload is None:
            payload = os.urandom(4)
            while payload in pings:
                payload = os.urandom(4)
        _, payload = message_payload(payload, None)
        if payload in pings:
            raise ConcurrencyError("a ping with the same payload is waiting for its pong")
        frame = self.writer.frame(Opcode.PING, payload)
        pings[payload] = self._now, on_pong
        self._pings = pings
        self._urgent.append(frame)
        return payload

    def forget_pings(self) -> list[Callable[[float], object]]:
        """Return the ``on_pong`` callbacks of pings that nobody will answer any more."""
        pings, self._pings = self._pings, None
        return [on_pong for _, on_pong in (pings or {}).values() if on_pong is not None]

    def send_pong(self, payload: Union[str, Buffer] = b"") -> None:
        """Queue a pong that nobody asked for (RFC 6455 §5.5.3), at most 125 bytes."""
        self._check_can_send()
        _, payload = message_payload(payload, None)
        self._urgent.append(self.writer.frame(Opcode.PONG, payload))

    def send_close(
        self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "", now: Optional[float] = None
    ) -> None:
        """Start the closing handshake (RFC 6455 §7.1.2); nothing can be sent after it.

        Does nothing if it is under way. Raises ValueError for a code or reason that cannot be sent.
        """
        self._tell(now)
        serialize_close(code, reason)  # a wrong argument is an error in any state
        if self.state is State.OPEN:
            self._send_close(Close(code, reason))

    def fail(self, code: int, reason: str, now: Optional[float] = None) -> None:
        """Fail the connection (RFC 6455 §7.1.7): say why, close, and take nothing more."""
        self._tell(now)
        self._failed = True
        self.close_cause = self.close_cause or reason
        if self.state is State.OPEN:
            # 123 bytes is all a close frame has room for.
            short = reason.encode()[:123].decode(errors="ignore")
            self._send_close(Close(code, short))
        self.eof_to_send = True

    def data_to_send(self) -> list[bytes]:
        """Return the bytes to write, as whole frames in order; each is returned once."""
        queues = (self._urgent, self._pongs, self._out)
        frames = [frame for queue in queues for frame in queue]
        # Emptied, not replaced: drivers hold these lists.
        for queue in queues:
            queue.clear()
        return frames

    def _send_close(self, close: Close) -> None:
        frame = self.writer.frame(Opcode.CLOSE, serialize_close(close.code, close.reason))
        self._out.append(frame)
        self.close_sent = close
        self.state = State.CLOSING
        self._keepalive.stop()
        self._set_close_deadline()

    @property
    def next_deadline(self) -> Optional[float]:
        """When ``handle_timeout`` is due next, or None."""
        return self._deadline if self._deadline is not None else self._keepalive.next_deadline

    def handle_timeout(
        self, now: float, *, reading_paused: bool = False, unread: int = 0
    ) -> list[Event]:
        """Do what is due at ``now``; ``reading_paused``: we did not take what the peer may send.

        While the ``unread`` messages get fewer, a peer that cannot be heard is not given up.
        """
        self._now = now
        if self._deadline is not None:
            return self._handle_deadline() if now >= self._deadline else []
        received = self.reader.bytes_received
        due = self._keepalive.handle_timeout(now, received, reading_paused, unread)
        if due == "ping":
            if self._pings is not None and len(self._pings) >= _MAX_WAITING_PINGS:
                self._pings = {key: ping for key, ping in self._pings.items() if ping[1]}
            self.send_ping()
        elif due is not None:
            self.fail(CloseCode.INTERNAL_ERROR, due[1])
        return []

    def _handle_deadline(self) -> list[Event]:
        self._deadline = None
        if self.state is State.CONNECTING:
            return self._fail_handshake(TimeoutError("timed out during the opening handshake"))
        if self.close_rcvd is None and not self.refused and not self.close_cause:
            self.close_cause = "timed out waiting for the peer to close"
        self.eof_to_send = True
        self.aborted = True
        return []

    @property
    def queued_bytes(self) -> int:
        """How many bytes ``data_to_send`` would return."""
        return sum(
            len(frame) for queue in (self._urgent, self._pongs, self._out) for frame in queue
        )

    @property
    def extension(self) -> Optional[PerMessageDeflate]:
        """The compression that was negotiated, or None."""
        return self.writer.extension

    @property
    def close_code(self) -> Optional[int]:
        """The peer's close code, 1006 without a close frame; None until CLOSED (§7.1.5)."""
        if self.state is not State.CLOSED:
            return None
        return CloseCode.ABNORMAL_CLOSURE if self.close_rcvd is None else self.close_rcvd.code

    @property
    def close_reason(self) -> Optional[str]:
        """The peer's close reason; None until CLOSED (§7.1.6)."""
        if self.state is not State.CLOSED:
            return None
        return "" if self.close_rcvd is None else self.close_rcvd.reason

    @property
    def close_exc(self) -> ConnectionClosed:
        """The exception for whoever sends or receives now."""
        ok = (
            self.close_rcvd is not None
            and self.close_sent is not None
            and self.close_rcvd.code in _OK_CODES
            and self.close_sent.code in _OK_CODES
        )
        kind = ConnectionClosedOK if ok else ConnectionClosedError
        then = self.close_rcvd_then_sent if self.close_rcvd and self.close_sent else None
        return kind(self.close_rcvd, self.close_sent, then, "" if ok else self.close_cause)

    def _check_can_send(self) -> None:
        if self.state is not State.OPEN:
            if self.state is State.CONNECTING:
                raise InvalidState("the opening handshake is not finished")
            raise self.close_exc


_HANDLERS: dict[type, Callable[[Protocol, Any], None]] = {
    Ping: Protocol._handle_ping,
    Pong: Protocol._handle_pong,
    Close: Protocol._handle_close,
    ProtocolError: Protocol._handle_error,
    PayloadTooBig: Protocol._handle_error,
}
