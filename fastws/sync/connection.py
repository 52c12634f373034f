"""A WebSocket connection for blocking code, of either role; no thread of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Optional, Union

from ..conversion import join_fragments
from ..errors import ConcurrencyError, ConnectionClosedOK
from ..frames import CloseCode, Fragment, State
from ..prepared import is_fragments
from .channel import TWO_RECEIVERS
from .fragments import FragmentStream
from .lifecycle import Lifecycle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from typing_extensions import Buffer, Self

    Message = Union[str, bytes]

__all__ = ["Connection"]


class Connection(Lifecycle):
    """A WebSocket connection: ``send``, ``recv``, ``ping``, ``close``, and ``for``.

    One thread may receive at a time, and any number may send. Pings are answered, and keepalive is
    kept, while some thread is in ``recv``, in a blocked ``send`` or in ``close``. Iteration ends
    when the connection is closed with 1000, 1001 or no code, and raises ``ConnectionClosedError``
    otherwise.
    """

    def recv_streaming(self, decode: Optional[bool] = None) -> Iterator[Message]:
        """Return an iterator over the fragments of the next message, as they arrive.

        Each is ``str`` for text, ``bytes`` for binary; ``decode`` is as in ``recv``. If it is not
        taken to its end, the next receive leaves out the rest of the message.
        """
        return FragmentStream(self, decode)

    @contextlib.contextmanager
    def _receiving(self) -> Iterator[None]:
        if not self._recv_lock.acquire(blocking=False):
            raise ConcurrencyError(TWO_RECEIVERS)
        try:
            yield
        finally:
            self._recv_lock.release()

    def _skip_rest(self, deadline: float) -> None:
        """Leave out the rest of a message that was received in part."""
        while self._incoming is not None:
            part = self._next(deadline)
            if not isinstance(part, Fragment) or part.fin:
                self._incoming = None
                self._reader.fragments = False

    def __iter__(self) -> Iterator[Message]:
        try:
            while True:
                yield self.recv()
        except ConnectionClosedOK:
            return

    def _has_message(self) -> bool:
        return bool(self._messages) or self._eof_read

    def _join(self, first: Fragment, deadline: float) -> Message:
        """Put a message together that began to arrive in fragments."""
        parts = [first]
        try:
            while not parts[-1].fin:
                part = self._next(deadline)
                assert isinstance(part, Fragment)
                parts.append(part)
        except BaseException:
            self._messages.extendleft(reversed(parts))
            raise
        return join_fragments(parts)

    def _send_slowly(self, message: Any, text: Optional[bool], compress: Optional[bool]) -> None:
        """Send what cannot go the short way, or not now."""
        with self._message_lock:
            if self._in_fragments:
                raise ConcurrencyError("this thread is sending a message in fragments")
            if is_fragments(message):
                self._send_fragments(message, text, compress)
                return
            with self._state_lock:
                self.protocol.send_message(message, text=text, compress=compress)
            self._flush(wait=True)
            self._check_written()

    def _send_fragments(
        self, fragments: Iterable[Any], text: Optional[bool], compress: Optional[bool]
    ) -> None:
        started = False
        self._in_fragments = True
        try:
            held: Any = None
            for fragment in fragments:
                if held is not None:
                    self._send_fragment(held, False, text, compress)
                    started = True
                held = fragment
            if held is not None:
                self._send_fragment(held, True, text, compress)
        except BaseException:
            if started and self.protocol.state is State.OPEN:
                # Half a message is on the wire: it cannot be taken back, nor another one begun.
                self._fail(CloseCode.INTERNAL_ERROR, "error in a fragmented message")
            raise
        finally:
            self._in_fragments = False

    def _send_fragment(
        self, fragment: Any, fin: bool, text: Optional[bool], compress: Optional[bool]
    ) -> None:
        with self._state_lock:
            self.protocol.send_fragment(fragment, fin=fin, text=text, compress=compress)
        self._flush(wait=True)
        self._check_written()

    def ping(
        self, data: Union[str, Buffer, None] = None, *, ack_on_close: bool = False
    ) -> threading.Event:
        """Send a ping; return an event that its pong sets, with ``ack_on_close`` the end does too.

        Some thread must be receiving for the pong to be seen. ``data`` is at most 125 bytes, random
        by default. Raises ConnectionClosed when nothing can be sent any more, ConcurrencyError
        while a ping with the same data waits for its pong.
        """
        answered = threading.Event()

        def on_pong(latency: float) -> None:
            if ack_on_close or not self._eof_read:
                answered.set()

        with self._state_lock:
            self.protocol.send_ping(data, now=time.monotonic(), on_pong=on_pong)
        self._flush()
        return answered

    def pong(self, data: Union[str, Buffer] = b"") -> None:
        """Send a pong that nobody asked for; ``data`` is at most 125 bytes."""
        with self._state_lock:
            self.protocol.send_pong(data)
        self._flush()

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection and wait until it is; do nothing if it is closed.

        Messages that arrived before can still be received. Raises ValueError for a code or reason
        that cannot be sent.
        """
        self._start_closing(code, reason)
        self.wait_closed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close(CloseCode.NORMAL_CLOSURE if exc_type is None else CloseCode.INTERNAL_ERROR)
