"""When to ping, and when silence means that the peer is gone (RFC 6455 §5.5.2); knows no clock."""

from __future__ import annotations

from typing import Literal, Optional, Union

__all__ = ["Keepalive"]

# A timer this late was held up on our side: the answer may lie unread in the socket.
_LATE_SECONDS = 1.0
# Time to read it then.
_GRACE_SECONDS = 5.0


class Keepalive:
    """Ping every ``interval`` seconds; within ``timeout`` seconds some byte must arrive.

    Both in seconds; None turns either off. Times are on any one clock that never goes back.
    """

    __slots__ = (
        "_answer_by",
        "_blocked_seconds",
        "_ping_at",
        "_received_at_ping",
        "_unread",
        "interval",
        "timeout",
    )

    def __init__(self, interval: Optional[float], timeout: Optional[float]) -> None:
        self.interval = interval
        self.timeout = timeout
        self._ping_at: Optional[float] = None
        self._answer_by: Optional[float] = None
        self._received_at_ping = 0
        self._unread = 0
        self._blocked_seconds = 0.0

    def start(self, now: float) -> None:
        """Begin: the first ping is due one interval from now."""
        if self.interval is not None:
            self._ping_at = now + self.interval

    def stop(self) -> None:
        """Never ping, never fail again."""
        self._ping_at = self._answer_by = None

    @property
    def next_deadline(self) -> Optional[float]:
        """When ``handle_timeout`` is due next, or None."""
        if self._ping_at is None or self._answer_by is None:
            return self._ping_at
        return min(self._ping_at, self._answer_by)

    def handle_timeout(
        self, now: float, bytes_received: int, reading_paused: bool, unread: int
    ) -> Union[Literal["ping"], tuple[Literal["fail"], str], None]:
        """Say what is due: a ping, the end of the connection and why, or nothing yet.

        ``unread`` messages have arrived that the application has not taken.
        """
        if self._answer_by is not None and now >= self._answer_by:
            cause = self._judge(now, bytes_received, reading_paused, unread)
            if cause is not None:
                return "fail", cause
        if self._ping_at is None or now < self._ping_at:
            return None
        assert self.interval is not None
        self._ping_at = now + self.interval
        if self.timeout is not None and self._answer_by is None:
            self._answer_by = now + self.timeout
            self._received_at_ping = bytes_received
            self._unread = unread
            self._blocked_seconds = 0.0
        return "ping"

    def _judge(
        self, now: float, bytes_received: int, reading_paused: bool, unread: int
    ) -> Optional[str]:
        assert self._answer_by is not None
        assert self.timeout is not None
        if bytes_received != self._received_at_ping:
            self._answer_by = None
            return None
        if reading_paused and unread < self._unread:
            # Slow, but at work: what the peer answered is read when its turn comes.
            self._unread = unread
            self._answer_by = now + self.timeout
            return None
        late = now - self._answer_by
        if late > _LATE_SECONDS and not self._blocked_seconds:
            self._blocked_seconds = late
            self._answer_by = now + _GRACE_SECONDS
            return None
        silence = f"keepalive ping timeout: nothing received for {self.timeout:g} s after a ping"
        if reading_paused:
            return f"{silence}; our receive queue was full, the application did not call recv()"
        if self._blocked_seconds:
            return f"{silence}; our own event loop was blocked for {self._blocked_seconds:.1f} s"
        return f"{silence}; the peer is silent"
