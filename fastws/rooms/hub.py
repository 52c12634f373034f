"""Rooms and those who are in them: join, publish, and ask who is there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Optional, Union

from ..broadcasting import prepare
from ..frames import Opcode
from . import envelope
from .brokers import open_engine
from .delivery import Delivery
from .engine import Engine, History, Outgoing, order
from .errors import BrokerUnavailable, HistoryUnavailable
from .joined import Joined
from .link import Link
from .members import EVERYONE, Members, Presence
from .names import check_namespace, token
from .outbox import Outbox
from .receivers import adapt
from .reception import Reception
from .stats import HubStats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from typing_extensions import Buffer, Self

    from ..prepared import PreparedMessage
    from .delivery import Slow
    from .reception import Stamp
    from .room import Receiver

__all__ = ["Hub"]

# After so many messages published in one turn of the event loop, those who receive them get one.
_BURST_MESSAGES = 256

# What history_seconds alone keeps of a room at most.
_MOST_MESSAGES = 10_000


class Hub:
    """Rooms that sockets join, and that anyone publishes to: ``async with Hub(url) as hub``.

    ``url`` is ``memory://`` for one process, or the broker that all processes share: ``redis://``,
    ``rediss://``, ``valkey://``, ``valkeys://``, ``unix://``, ``nats://`` or ``tls://`` (NATS).

    Without history, a message is delivered at most once: to receivers in this process at once, and
    to other processes that are connected to the broker now. With ``history`` (messages of each
    room) or ``history_seconds``, or both, it is delivered when the broker has kept it, in the same
    order everywhere; ``join`` and a broker that comes back begin where they left off.
    ``stamp(id, room, message)`` returns what receivers get then; ``id_first`` puts the id in front.

    ``limit`` (bytes) and ``slow`` ("close" or "skip") are as in ``broadcast``. ``publish_wait`` is
    for how many seconds a message waits for a broker that is away; ``max_pending`` and
    ``max_pending_bytes`` bound what waits. ``max_size`` (bytes) is the largest message to publish.
    ``gather_seconds`` delays delivery, for fewer and larger writes. Hubs with different
    ``namespace`` do not hear each other. ``on_health(healthy, reason)`` is called when the broker
    comes and goes. With ``require_broker``, entering raises BrokerUnavailable if it is not there.
    """

    def __init__(
        self,
        url: Union[str, Engine] = "memory://",
        *,
        history: Optional[int] = None,
        history_seconds: Optional[float] = None,
        stamp: Optional[Stamp] = None,
        limit: int = 1024 * 1024,
        slow: Slow = "close",
        publish_wait: float = 5.0,
        max_pending: int = 10_000,
        max_pending_bytes: int = 16 * 1024 * 1024,
        max_size: int = 1024 * 1024,
        gather_seconds: float = 0.0,
        namespace: str = "fastws",
        on_health: Optional[Callable[[bool, str], object]] = None,
        require_broker: bool = False,
        logger: Optional[logging.Logger] = None,
    ) -> None:
        if slow not in ("skip", "close"):
            raise ValueError(f"slow must be 'skip' or 'close', not {slow!r}")
        self.history = _history(history, history_seconds)
        if stamp is not None and self.history is None:
            raise ValueError("stamp needs history: only messages that are kept have an id")
        self.process = envelope.new_process()
        self.logger = logger or logging.getLogger("fastws.rooms")
        check_namespace(namespace)
        self._engine = url if isinstance(url, Engine) else open_engine(url, namespace, self.history)
        self._stamp = stamp
        self._limit = limit
        self._slow: Slow = slow
        self._publish_wait = publish_wait
        self._max_pending = max_pending, max_pending_bytes
        self._max_size = max_size
        self._gather_seconds = gather_seconds
        self._on_health = on_health
        self._require_broker = require_broker
        self._numbers = 0
        self._burst = 0
        self._published = 0
        self._entered = False
        self._staying: Optional[asyncio.Task[None]] = None
        self._healthy_now = asyncio.Event()

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a hub can be entered once: make another one")
        self._entered = True
        answers = {"members": self._members_here, "rooms": self._rooms_here}
        self._presence = Presence(self.process, self._tell_processes, answers)
        self._delivery = Delivery(self._limit, self._slow, self._gather_seconds)
        self._reception = Reception(
            self._engine, self.process, self.history, self._stamp, self._delivery,
            self._presence.receive, self.logger,
        )  # fmt: skip
        self._link = Link(
            self._engine,
            Outbox(*self._max_pending),
            receive=self._reception.receive,
            resumed=self._reception.resume,
            changed=self._change_health,
        )
        if self._engine.shared:
            self._link.want(EVERYONE)
            self._link.want(self._presence.inbox)
        await self._link.start()
        if self._engine.shared:
            self._staying = asyncio.ensure_future(self._presence.stay())
        if self._require_broker and not self.healthy:
            reason = self._link.reason
            await self.close()
            raise BrokerUnavailable(reason)
        return self

    async def __aexit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Send what waits, if the broker takes it, and disconnect; rooms deliver nothing more."""
        if self._staying is not None:
            self._presence.goodbye()
            self._staying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._staying
            self._staying = None
        await self._link.close()
        await self._reception.close()

    @property
    def healthy(self) -> bool:
        """Whether the broker is there, as far as is known: it is asked every few seconds."""
        return self._entered and self._link.healthy

    async def wait_healthy(self) -> None:
        """Wait until the broker is there."""
        await self._healthy_now.wait()

    def _change_health(self, healthy: bool, reason: str) -> None:
        if healthy:
            self._healthy_now.set()
            if self._engine.shared:
                self.logger.info("connected to the broker")
                self._presence.hello()
        else:
            self._healthy_now.clear()
            self.logger.warning("rooms are not shared with other processes: %s", reason)
        if self._on_health is not None:
            try:
                self._on_health(healthy, reason)
            except Exception:
                self.logger.exception("on_health failed")

    def join(
        self,
        receiver: Any,
        *rooms: str,
        member: Optional[str] = None,
        last_id: Union[str, Mapping[str, str], None] = None,
        recent: int = 0,
    ) -> Joined:
        """Return a stay in rooms, for ``async with`` or ``await``: what is published there is sent.

        ``receiver`` is a connection of ``fastws.aio``, a WebSocket of Starlette or FastAPI, a
        ``Callback``, or a function that takes a message. ``member`` is its name in ``members``.
        With history, ``last_id`` is the id of the last message it saw, or one for each room: what
        follows is sent first, without a gap or a double; else ``recent`` sends that many of the
        last messages first. Raises BrokerUnavailable if history cannot be reached.
        """
        self._check_entered()
        for room in rooms:
            token(room)
        for seen in [last_id] if isinstance(last_id, str) else (last_id or {}).values():
            order(seen)
        return Joined(self, adapt(receiver), rooms, member, last_id, recent)

    async def _enter(
        self,
        receiver: Receiver,
        name: str,
        member: Optional[str],
        last_id: Optional[str],
        recent: int,
    ) -> bool:
        name_token = token(name)
        missed = last_id is not None or recent > 0
        if missed and self.history is None:
            raise HistoryUnavailable(
                "this hub keeps no messages: give it history=N or history_seconds=S"
            )
        room = self._reception.open(name, name_token)
        if receiver in room.members:
            raise ValueError(f"this receiver is in {name!r} already")
        if not room.members:
            self._link.want(name_token)
        room.members[receiver] = member
        try:
            if not missed:
                room.enter(receiver)
            subscribed = await self._link.subscribed(name_token)
            if missed:
                if not subscribed:
                    # What came between what it is told and our subscription would be missing.
                    raise BrokerUnavailable(f"history is not available: {self._link.reason}")
                return await self._reception.tell_missed(room, receiver, last_id, recent)
        except BaseException:
            self._leave(receiver, name)
            raise
        return True

    def _leave(self, receiver: Receiver, name: str) -> None:
        room = self._reception.rooms.get(token(name))
        if room is None:
            return
        room.leave(receiver)
        if not room.members:
            self._link.leave(room.token)
            self._reception.drop(room)

    async def publish(
        self,
        room: str,
        message: Union[str, Buffer, PreparedMessage],
        *,
        text: Optional[bool] = None,
        wait: Optional[float] = None,
        keep: bool = True,
    ) -> Optional[str]:
        """Send a message to all who are in a room; return its id if it was kept in history.

        Returns when the broker has it. While the broker is away, wait for at most ``wait`` seconds
        (``publish_wait`` by default, 0 for not at all), then raise BrokerUnavailable; QueueFull if
        too many wait already. ``keep=False`` leaves it out of history. Without history receivers in
        this process get it in any case.
        """
        future = self._publish(room, message, text, wait, keep, True)
        self._burst += 1
        if future is None:
            if self._burst >= _BURST_MESSAGES:
                self._burst = 0
                await asyncio.sleep(0)  # or nobody would ever get any of them
            return None
        return await future

    def publish_nowait(
        self,
        room: str,
        message: Union[str, Buffer, PreparedMessage],
        *,
        text: Optional[bool] = None,
        wait: Optional[float] = None,
        keep: bool = True,
    ) -> None:
        """As ``publish``, but do not wait; ``stats`` counts what the broker did not get."""
        self._publish(room, message, text, wait, keep, False)

    def _publish(
        self,
        name: str,
        message: Union[str, Buffer, PreparedMessage],
        text: Optional[bool],
        wait: Optional[float],
        keep: bool,
        acknowledge: bool,
    ) -> Optional[asyncio.Future[Optional[str]]]:
        self._check_entered()
        name_token = token(name)
        prepared = prepare(message, text)
        size = len(prepared.payload)
        if size > self._max_size:
            raise ValueError(
                f"a message of {size} bytes is larger than max_size, {self._max_size} bytes"
            )
        largest = self._engine.max_size
        if largest is not None and size + envelope.HEAD_BYTES > largest:
            raise ValueError(
                f"a message of {size} bytes is larger than what the broker takes, {largest} bytes"
            )
        keep = keep and self.history is not None
        if not keep:
            room = self._reception.rooms.get(name_token)
            if room is not None:
                room.deliver(prepared)
        self._published += 1
        if not keep and not self._engine.shared:
            return None
        data = envelope.wrap(prepared.opcode is Opcode.TEXT, self.process, prepared.payload)
        self._numbers += 1
        outgoing = Outgoing(name_token, data, self._numbers, keep)
        return self._link.send(outgoing, self._publish_wait if wait is None else wait, acknowledge)

    def _check_entered(self) -> None:
        if not self._entered:
            raise RuntimeError("enter the hub first: async with Hub(...) as hub")

    # Who is there

    async def members(self, room: str, *, limit: int = 1000, seconds: float = 1.0) -> Members:
        """Return who is in a room, in all processes, with the ids of ``limit`` of each process.

        Other processes have so many seconds to answer; one that is gone is not waited for. While
        the broker is away, this is who is here, and not complete.
        """
        question = [token(room), limit]
        answers, complete = await self._ask("members", question, seconds)
        answers.append(self._members_here(question))
        ids = [id for _, ids in answers for id in ids]
        return Members(sum(count for count, _ in answers), ids, complete)

    async def rooms(self, *, seconds: float = 1.0) -> dict[str, int]:
        """Return how many are in each room, in all processes that answer in time."""
        answers, _ = await self._ask("rooms", None, seconds)
        rooms: dict[str, int] = {}
        for answer in [self._rooms_here(None), *answers]:
            for name, count in answer.items():
                rooms[name] = rooms.get(name, 0) + count
        return rooms

    async def _ask(self, kind: str, argument: Any, seconds: float) -> tuple[list[Any], bool]:
        self._check_entered()
        if not self._engine.shared:
            return [], True
        if not self._link.healthy:
            return [], False
        return await self._presence.ask(kind, argument, seconds)

    def _members_here(self, question: list[Any]) -> tuple[int, list[str]]:
        room = self._reception.rooms.get(question[0])
        return (0, []) if room is None else room.who(question[1])

    def _rooms_here(self, _: Any) -> dict[str, int]:
        return {room.name: room.who(0)[0] for room in self._reception.rooms.values()}

    def _tell_processes(self, room: str, payload: bytes) -> None:
        """Send what ``Presence`` has to say; when the broker is away, that is known anyway."""
        data = envelope.wrap(envelope.CONTROL, self.process, payload)
        self._numbers += 1
        with contextlib.suppress(BrokerUnavailable):
            self._link.send(Outgoing(room, data, self._numbers, False), 0, False)

    def stats(self) -> HubStats:
        """Return what happened in this process since the hub was entered, and how it is now."""
        self._check_entered()
        reception, delivery = self._reception, self._delivery
        return HubStats(
            healthy=self._link.healthy,
            rooms=len(reception.rooms),
            receivers=sum(len(room.members) for room in reception.rooms.values()),
            processes=len(self._presence.others) + 1,
            published=self._published,
            received=reception.received,
            delivered=delivery.delivered,
            delivered_bytes=delivery.delivered_bytes,
            missed=delivery.missed,
            refused=self._link.outbox.refused,
            pending=len(self._link.outbox),
            connects=self._link.connects,
            gaps=reception.gaps,
        )


def _history(messages: Optional[int], seconds: Optional[float]) -> Optional[History]:
    if messages is None and seconds is None:
        return None
    if messages is not None and (not isinstance(messages, int) or messages < 1):
        raise ValueError(f"history must be a number of messages, 1 or more, not {messages!r}")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"history_seconds must be a positive number, not {seconds!r}")
    return History(_MOST_MESSAGES if messages is None else messages, seconds)
