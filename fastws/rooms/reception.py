"""What comes from the broker, to the rooms of this process: in order, without gaps or doubles."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Optional, Union

from ..prepared import PreparedMessage
from . import link
from .delivery import plain
from .envelope import CONTROL, unwrap
from .errors import BrokerUnavailable
from .room import Room
from .tasks import within

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from .delivery import Delivery
    from .engine import Engine, History, Incoming, LastIds, Replay
    from .room import Receiver

    Stamp = Callable[[str, str, Union[str, bytes]], Union[str, bytes]]

__all__ = ["Reception"]

# A message that was overtaken by the one after it comes by itself, or else history is asked.
_PATIENCE_SECONDS = 0.02

# History is asked for so many messages at a time, ...
_PAGE_MESSAGES = 256
# ... and a receiver that is told what it missed gets so many.
_REPLAY_MESSAGES = 64


class Reception:
    """The rooms of this process. Every message that has an id is in the broker's history."""

    def __init__(
        self,
        engine: Engine,
        process: str,
        history: Optional[History],
        stamp: Optional[Stamp],
        delivery: Delivery,
        control: Callable[[bytes], None],
        logger: logging.Logger,
    ) -> None:
        self.rooms: dict[str, Room] = {}  # by token
        self.received = 0
        self.gaps = 0  # how often messages were gone from history before we could fetch them
        self._engine = engine
        self._process = process
        self._history = history
        self._stamp = stamp
        self._delivery = delivery
        self._control = control
        self._logger = logger
        self._fetching: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Fetch nothing more."""
        for task in list(self._fetching.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._delivery.flush()

    def open(self, name: str, token: str) -> Room:
        """Return a room, which may be new."""
        room = self.rooms.get(token)
        if room is None:
            room = self.rooms[token] = Room(name, token, self._delivery)
        return room

    def drop(self, room: Room) -> None:
        """Forget a room that nobody is in."""
        self.rooms.pop(room.token, None)
        task = self._fetching.pop(room.token, None)
        if task is not None:
            task.cancel()

    def receive(self, incoming: Incoming) -> None:
        """Take a message from the broker."""
        try:
            kind, process, payload = unwrap(incoming.data)
            if kind == CONTROL:
                self._control(payload)
                return
            room = self.rooms.get(incoming.room)
            if room is None:
                return
            if incoming.id is not None and self._history is not None:
                self.received += 1
                self._receive_kept(room, incoming)
            elif process != self._process:  # ours were delivered when they were published
                self.received += 1
                room.deliver(PreparedMessage(payload, text=bool(kind)))
        except Exception:
            self._logger.exception("a message from the broker was left out")

    def _receive_kept(self, room: Room, incoming: Incoming) -> None:
        self._deliver(room, room.sequence.take(incoming))
        if room.sequence.missing and room.token not in self._fetching:
            self._fetch(room, _PATIENCE_SECONDS)

    def _deliver(self, room: Room, messages: list[Incoming]) -> None:
        for incoming in messages:
            try:
                room.deliver(self._prepare(room, incoming), incoming.id)
            except Exception:  # of the application's stamp, most likely
                self._logger.exception("a message from the broker was left out")

    def _prepare(self, room: Room, incoming: Incoming) -> PreparedMessage:
        """Return what receivers get of a message that was kept."""
        assert incoming.id is not None
        text, _, payload = unwrap(incoming.data)
        message = PreparedMessage(payload, text=bool(text))
        if self._stamp is None:
            return message
        return PreparedMessage(self._stamp(incoming.id, room.name, plain(message)))

    def resume(self, last_ids: LastIds) -> None:
        """Fetch what was kept while we did not listen.

        These are the rooms' last ids before and after we began to.
        """
        for token, (before, after) in last_ids.items():
            room = self.rooms.get(token)
            if room is None:
                continue
            self._deliver(room, room.sequence.resume(before, after))
            if room.sequence.missing:
                self._fetch(room)

    def _fetch(self, room: Room, pause: float = 0) -> None:
        """Begin to catch up; if that is under way, begin anew: its connection may be gone."""
        task = self._fetching.get(room.token)
        if task is not None:
            task.cancel()
        self._fetching[room.token] = asyncio.ensure_future(self._catch_up(room, pause))

    async def _catch_up(self, room: Room, pause: float) -> None:
        """Deliver what history has of what is missing, until nothing is."""
        await asyncio.sleep(pause)
        sequence = room.sequence
        while sequence.missing:
            last = sequence.last
            replay = await self._next_page(room)
            self._deliver(room, sequence.take_kept(replay.messages))
            lost = not replay.complete
            if sequence.missing and sequence.last == last:
                lost = True
                self._deliver(room, sequence.skip())
            if lost:
                self.gaps += 1
                self._logger.warning("history of room %r does not reach back far enough", room.name)
        del self._fetching[room.token]

    async def _next_page(self, room: Room) -> Replay:
        """Return what history has next for a room, however long the broker is away."""
        for pause in link.delays():
            try:
                return await self._replay(room.token, room.sequence.last, _PAGE_MESSAGES)
            except BrokerUnavailable as error:
                self._logger.info("room %r could not be brought up to date: %s", room.name, error)
            await asyncio.sleep(pause)
        raise AssertionError("there is always another pause")

    async def _replay(self, token: str, after: Optional[str], limit: int) -> Replay:
        try:
            work = self._engine.replay(token, after, limit)
            return await within(link.ANSWER_SECONDS, work)
        except (asyncio.TimeoutError, TimeoutError):
            raise BrokerUnavailable("history is not available: no answer") from None
        except Exception as error:
            raise BrokerUnavailable(f"history is not available: {error}") from error

    async def tell_missed(
        self, room: Room, receiver: Receiver, after: Optional[str], recent: int
    ) -> bool:
        """Give a receiver what history has, then enter it; whether nothing is missing.

        That is what follows the id ``after``, or the last ``recent`` messages.
        """
        held = room.hold(receiver)
        last, complete, more = after, True, True
        while more:
            limit = recent if after is None else _PAGE_MESSAGES
            replay = await self._replay(room.token, last, limit)
            complete, more = complete and replay.complete, replay.more
            for start in range(0, len(replay.messages), _REPLAY_MESSAGES):
                some = replay.messages[start : start + _REPLAY_MESSAGES]
                messages = [self._prepare(room, message) for message in some]
                self._delivery.write_one(receiver, messages)
                last = some[-1].id
                await _written(receiver)
        room.release(held, last)
        return complete


async def _written(receiver: Any) -> None:
    """Wait until a receiver takes more, as ``send`` does."""
    if getattr(receiver, "_write_paused", False):
        await receiver._drain()
