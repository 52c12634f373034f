"""Receivers that are not connections of fastws: sockets of Starlette, or any function."""

from __future__ import annotations

import asyncio
import inspect
import logging
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, Optional, Union

from ..aio import Connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Message = Union[str, bytes]
    Send = Callable[[Message], Optional[Awaitable[Any]]]
    Close = Callable[[int, str], Optional[Awaitable[Any]]]

__all__ = ["Callback", "adapt"]

_TRY_AGAIN_LATER = 1013


class Callback:
    """Call ``send(message)`` for each message of the rooms that this joins.

    If it returns an awaitable, that is awaited before the next call, while messages wait here.
    ``close(code, reason)`` is called, and awaited, when this receiver is too slow; from then on,
    and after an error in ``send``, it gets nothing.
    """

    def __init__(
        self, send: Send, close: Optional[Close] = None, *, logger: Optional[logging.Logger] = None
    ) -> None:
        self.id = uuid.uuid4()
        self.skipped_messages = 0
        self.ended = False
        self._send = send
        self._close = close
        self._logger = logger or logging.getLogger("fastws.rooms")
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._task: Optional[asyncio.Task[None]] = None

    def put(self, messages: Sequence[Message], limit: int, slow: Literal["skip", "close"]) -> int:
        """Pass messages on, now or when those before them are done; return how many are not."""
        missed = 0
        for message in messages:
            if self.ended:
                missed += 1
            elif self._task is None:
                self._call(message)
            elif self._bytes + len(message) <= limit:
                self._queue.append(message)
                self._bytes += len(message)
            else:
                missed += 1
                self.skipped_messages += 1
                if slow == "close":
                    self.give_up()
        return missed

    def _call(self, message: Message) -> None:
        try:
            result = self._send(message)
        except Exception as error:
            self._fail(error)
            return
        if inspect.isawaitable(result):
            self._task = asyncio.ensure_future(self._pump(result))
            if inspect.iscoroutine(result):
                # One that is cancelled before it began was never awaited, which Python calls a bug.
                self._task.add_done_callback(lambda _: result.close())

    async def _pump(self, result: Awaitable[Any]) -> None:
        """Await one call after the other until no message waits."""
        try:
            await result
            while self._queue:
                message = self._queue.popleft()
                self._bytes -= len(message)
                again = self._send(message)
                if inspect.isawaitable(again):
                    await again
        except Exception as error:
            self._fail(error)
        finally:
            if self._task is asyncio.current_task():
                self._task = None

    def _fail(self, error: Exception) -> None:
        self.ended = True
        self._queue.clear()
        self._bytes = 0
        self._logger.info("a receiver failed and gets nothing more: %r", error)

    def give_up(self) -> None:
        """Call ``close``: the receiver is too slow."""
        if self.ended:
            return
        self.ended = True
        self._queue.clear()
        self._bytes = 0
        if self._close is not None:
            sending, self._task = self._task, asyncio.ensure_future(self._say_goodbye())
            if sending is not None:
                sending.cancel()

    async def _say_goodbye(self) -> None:
        try:
            assert self._close is not None
            result = self._close(_TRY_AGAIN_LATER, "too slow")
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            self._logger.info("a slow receiver could not be closed: %r", error)

    async def stop(self) -> None:
        """End what is under way: nobody is to be called any more."""
        self.ended = True
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])


def adapt(receiver: Any) -> Union[Connection, Callback]:
    """Return what a room can deliver to; TypeError for what receives no messages."""
    if isinstance(receiver, (Connection, Callback)):
        return receiver
    if hasattr(receiver, "send_text") and hasattr(receiver, "send_bytes"):

        def send(message: Message) -> Any:
            if isinstance(message, str):
                return receiver.send_text(message)
            return receiver.send_bytes(message)

        return Callback(send, getattr(receiver, "close", None))
    if callable(receiver):
        return Callback(receiver)
    raise TypeError(
        "a room delivers to a fastws.aio connection, a Starlette WebSocket, a function or a "
        f"Callback, not to a {type(receiver).__name__}"
    )
