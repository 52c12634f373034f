"""The stay of one receiver in rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from ..aio import Connection
from .receivers import Callback

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from .hub import Hub
    from .room import Receiver

__all__ = ["Joined"]


class Joined:
    """A receiver's stay in rooms: ``async with hub.join(ws, "garden") as joined``, or ``await``.

    A connection that is closed leaves by itself, at the latest; others that were not joined with
    ``async with`` have to ``leave``.
    ``complete`` maps each room that was joined with the id of the last message seen there to
    whether history reached back to it: if not, messages may be missing.
    """

    def __init__(
        self,
        hub: Hub,
        receiver: Receiver,
        rooms: tuple[str, ...],
        member: Optional[str],
        last_id: Union[str, Mapping[str, str], None],
        recent: int,
    ) -> None:
        self.complete: dict[str, bool] = {}
        self._hub = hub
        self._receiver = receiver
        self._first = rooms
        self._member = member
        self._last_id = last_id
        self._recent = recent
        self._rooms: dict[str, None] = {}

    @property
    def rooms(self) -> list[str]:
        """The rooms the receiver is in, in the order it joined them."""
        return list(self._rooms)

    async def add(self, *rooms: str, last_id: Optional[str] = None, recent: int = 0) -> None:
        """Join more rooms; arguments are as for ``Hub.join``."""
        for room in rooms:
            if room in self._rooms:
                raise ValueError(f"this receiver is in {room!r} already")
            self._rooms[room] = None
            try:
                complete = await self._hub._enter(
                    self._receiver, room, self._member, last_id, recent
                )
            except BaseException:
                self._rooms.pop(room, None)
                raise
            if last_id is not None:
                self.complete[room] = complete

    def leave(self, *rooms: str) -> None:
        """Leave these rooms, or all if none is named."""
        for room in rooms or list(self._rooms):
            if room not in self._rooms:
                raise ValueError(f"this receiver is not in {room!r}")
            del self._rooms[room]
            self._hub._leave(self._receiver, room)

    async def _enter_first(self) -> Self:
        rooms, last_id = self._first, self._last_id
        try:
            for room in rooms:
                seen = last_id if last_id is None or isinstance(last_id, str) else last_id.get(room)
                await self.add(room, last_id=seen, recent=self._recent)
        except BaseException:
            self.leave()
            raise
        return self

    def __await__(self) -> Generator[None, None, Self]:
        return self._enter_until_closed().__await__()

    async def _enter_until_closed(self) -> Self:
        await self._enter_first()
        if isinstance(self._receiver, Connection):
            if self._receiver._lost:
                self.leave()
            else:
                self._receiver._closed_future().add_done_callback(lambda _: self.leave())
        return self

    async def __aenter__(self) -> Self:
        return await self._enter_first()

    async def __aexit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.leave()
        if isinstance(self._receiver, Callback):
            await self._receiver.stop()
