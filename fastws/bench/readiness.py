"""Which sockets have something to read, in as few steps as the system allows."""

from __future__ import annotations

import contextlib
import select
import selectors
from types import TracebackType

__all__ = ["Readiness"]


class Readiness:
    """File descriptors, all watched for reading."""

    def __init__(self) -> None:
        # A selector makes an object of every event; at this speed that counts.
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._selector = None if self._epoll else selectors.DefaultSelector()

    def add(self, descriptor: int) -> None:
        if self._epoll is not None:
            self._epoll.register(descriptor, select.EPOLLIN)
        elif self._selector is not None:
            self._selector.register(descriptor, selectors.EVENT_READ)

    def remove(self, descriptor: int) -> None:
        if self._epoll is not None:
            self._epoll.unregister(descriptor)
        elif self._selector is not None:
            self._selector.unregister(descriptor)

    def wait(self, seconds: float | None) -> list[int]:
        """Return those that are ready, after ``seconds`` at most; None waits for ever."""
        if self._epoll is not None:
            limit = -1 if seconds is None else seconds  # PyPy's knows no None
            return [descriptor for descriptor, _ in self._epoll.poll(limit)]
        assert self._selector is not None
        return [key.fd for key, _ in self._selector.select(seconds)]

    def __enter__(self) -> Readiness:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for owner in (self._epoll, self._selector):
            if owner is not None:
                with contextlib.suppress(OSError):
                    owner.close()
