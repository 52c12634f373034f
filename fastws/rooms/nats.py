"""Rooms over NATS: subjects, and one JetStream stream that keeps the history of all rooms."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Optional, Union

import nats.errors
import nats.js.errors
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RePublish,
    StreamConfig,
)

from .engine import Engine, History, Incoming, Replay, order
from .errors import BrokerUnavailable
from .nats_client import NatsClient, servers
from .tasks import Whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription
    from nats.js.client import JetStreamContext

    from .engine import LastIds, Outgoing, Receive

__all__ = ["NatsEngine"]

_CONNECT_SECONDS = 2
_RETRY_SECONDS = 0.01
_ASK_SECONDS = 4.0
_REPLAY_BATCH = 500
_REACH_FURTHER = 4
# The limit of the server is for headers too: "NATS/1.0", the name of ours, and a number.
_HEADER_BYTES = 100
_LONGER_THAN_ANYONE_WAITS = 3600
# The server notices for so long that a message is sent once more.
_NOTICE_SECONDS = 120.0


class NatsEngine(Engine):
    """One connection. What is kept goes to ``.keep.``; the stream passes it on to ``.room.``."""

    def __init__(self, url: str, namespace: str, history: Optional[History]) -> None:
        self._servers, self._tls = servers(url)
        self._namespace = namespace
        self._stream = f"{namespace}-rooms"
        self._history = history
        self._client: Optional[NatsClient] = None
        self._subscriptions: dict[str, Subscription] = {}
        self._receive: Optional[Receive] = None
        self._flushes = Whole()
        self._epoch = 0

    async def connect(self, receive: Receive, lost: Callable[[Exception], None]) -> None:
        self._receive = receive
        errors: deque[Exception] = deque(maxlen=1)

        async def on_error(error: Exception) -> None:
            errors.append(error)

        async def on_closed() -> None:
            lost(errors[-1] if errors else BrokerUnavailable("the server closed the connection"))

        client = self._client = NatsClient(self._tls)
        try:
            await client.connect(
                self._servers,
                name="fastws",
                allow_reconnect=False,
                # Each server is tried twice, at once; after that it is for ``Link`` to wait.
                max_reconnect_attempts=1,
                reconnect_time_wait=_RETRY_SECONDS,
                connect_timeout=_CONNECT_SECONDS,
                error_cb=on_error,
                closed_cb=on_closed,
                disconnected_cb=on_closed,
            )
        except nats.errors.NoServersError:
            raise errors[-1] if errors else BrokerUnavailable("no server answers") from None
        kept = self._history is not None
        self.max_size = client.max_payload - (_HEADER_BYTES if kept else 0)
        if self._history is not None:
            await self._open_stream(client, self._history)

    async def _open_stream(self, client: NatsClient, history: History) -> None:
        config = StreamConfig(
            name=self._stream,
            subjects=[f"{self._namespace}.keep.*"],
            # One more than is promised: whoever saw that one is known to have missed none.
            max_msgs_per_subject=history.messages + 1,
            max_age=history.seconds or 0,
            discard=DiscardPolicy.OLD,
            duplicate_window=min(_NOTICE_SECONDS, history.seconds or _NOTICE_SECONDS),
            republish=RePublish(
                src=f"{self._namespace}.keep.*", dest=f"{self._namespace}.room.{{{{wildcard(1)}}}}"
            ),
            allow_direct=True,
        )
        jetstream = client.jetstream(timeout=_ASK_SECONDS)
        try:
            info = await jetstream.add_stream(config)
        except nats.js.errors.BadRequestError:
            info = await jetstream.update_stream(config)  # it was made with other limits
        # Ids go on growing when a stream was deleted and made anew.
        self._epoch = int(info.created.timestamp()) if info.created else 0

    def _id(self, sequence: Union[int, str, None]) -> str:
        return f"{self._epoch}-{sequence}"

    async def close(self) -> None:
        client, self._client = self._client, None
        self._subscriptions.clear()
        if client is not None:
            await client.close()
        await self._flushes.end()

    async def publish(self, batch: Sequence[Outgoing]) -> list[Union[str, Exception, None]]:
        client = self._connected
        kept = []
        results: list[Union[str, Exception, None]] = []
        for outgoing in batch:
            if outgoing.keep:
                kept.append((len(results), asyncio.ensure_future(self._store(client, outgoing))))
            else:
                await client.publish(f"{self._namespace}.room.{outgoing.room}", outgoing.data)
            results.append(None)
        try:
            await self._flush(client)
            for index, task in kept:
                results[index] = await task
        finally:
            for _, task in kept:
                task.cancel()
            await asyncio.gather(*(task for _, task in kept), return_exceptions=True)
        return results

    async def _flush(self, client: NatsClient) -> None:
        """Return when the server has taken all that was sent."""
        # An answer to one that was cancelled, or has timed out, would end the client's reader, and
        # nobody would know. So none is, before the connection is closed.
        await self._flushes.run(client.flush(timeout=_LONGER_THAN_ANYONE_WAITS))

    @property
    def _connected(self) -> NatsClient:
        if self._client is None or not self._client.is_connected:
            raise BrokerUnavailable("not connected")
        return self._client

    async def _store(self, client: NatsClient, outgoing: Outgoing) -> Union[str, Exception]:
        process = outgoing.data[1:17].decode()
        try:
            stored = await client.jetstream(timeout=_ASK_SECONDS).publish(
                f"{self._namespace}.keep.{outgoing.room}",
                outgoing.data,
                headers={"Nats-Msg-Id": f"{process}-{outgoing.number}"},
            )
        except nats.js.errors.APIError as error:
            refused: Exception = error
            return refused
        return self._id(stored.seq)

    async def subscribe(self, rooms: Collection[str]) -> LastIds:
        client = self._connected
        before = await self._last_ids(rooms)
        for room in rooms:
            if room in self._subscriptions:
                continue
            self._subscriptions[room] = await client.subscribe(
                f"{self._namespace}.room.{room}", cb=self._on_message
            )
        await self._flush(client)
        after = await self._last_ids(rooms)
        return {room: (before[room], after[room]) for room in before}

    async def _last_ids(self, rooms: Collection[str]) -> dict[str, str]:
        if self._history is None:
            return {}
        ids = await asyncio.gather(*map(self._last, rooms))
        return dict(zip(rooms, ids, strict=True))

    async def _last(self, room: str) -> str:
        jetstream = self._connected.jetstream(timeout=_ASK_SECONDS)
        try:
            message = await jetstream.get_last_msg(
                self._stream, f"{self._namespace}.keep.{room}", direct=True
            )
        except nats.js.errors.NotFoundError:
            return "0-0"
        return self._id(message.seq)

    async def unsubscribe(self, rooms: Collection[str]) -> None:
        for room in rooms:
            subscription = self._subscriptions.pop(room, None)
            if subscription is not None:
                await subscription.unsubscribe()

    async def _on_message(self, message: Msg) -> None:
        room = message.subject.rpartition(".")[2]
        assert self._receive is not None
        headers = message.headers
        if headers and "Nats-Sequence" in headers:
            before = headers.get("Nats-Last-Sequence", "0")
            self._receive(
                Incoming(
                    room,
                    message.data,
                    self._id(headers["Nats-Sequence"]),
                    "" if before == "0" else self._id(before),
                )
            )
        else:
            self._receive(Incoming(room, message.data))

    async def replay(self, room: str, after: Optional[str], limit: int) -> Replay:
        subject = f"{self._namespace}.keep.{room}"
        if after is None:
            return Replay(self._incoming(room, await self._latest(room, subject, limit)), True)
        epoch, sequence = order(after)
        start = sequence if epoch == self._epoch else 0
        # The message with that id is the first of these, if it is still there.
        async with self._reader(subject, start) as reader:
            found = self._incoming(room, await reader.read(limit + 1))
        if start and found and found[0].id == after:
            return Replay(found[1:], True, reader.left > 0)
        assert self._history is not None
        whole = sequence == 0 and len(found) + reader.left <= self._history.messages
        return Replay(found, whole, reader.left > 0)

    async def _latest(self, room: str, subject: str, count: int) -> list[Msg]:
        """Return the last messages of a room, without reading all that the stream has of it."""
        async with self._reader(subject, 0) as reader:
            if reader.left <= count:
                return await reader.read(count)
        _, last = order(await self._last(room))
        # Other rooms have numbers among these. How many, the server knows without sending them.
        reach = count
        while True:
            async with self._reader(subject, max(last - reach + 1, 1)) as reader:
                if reader.left >= count or reach >= last:
                    return (await reader.read(reader.left))[-count:]
            reach *= _REACH_FURTHER

    def _incoming(self, room: str, messages: list[Msg]) -> list[Incoming]:
        return [
            Incoming(room, message.data, self._id(message.metadata.sequence.stream))
            for message in messages
        ]

    @contextlib.asynccontextmanager
    async def _reader(self, subject: str, start: int) -> AsyncIterator[_Reader]:
        """Read what the stream has of a subject, from a number on."""
        jetstream = self._connected.jetstream(timeout=_ASK_SECONDS)
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE if start else DeliverPolicy.ALL,
            opt_start_seq=start or None,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=30,
        )
        subscription = await jetstream.pull_subscribe(subject, stream=self._stream, config=config)
        try:
            consumer = await subscription.consumer_info()
            yield _Reader(subscription, consumer.num_pending or 0)
        finally:
            with contextlib.suppress(Exception):  # else the server does it, after the threshold
                await subscription.unsubscribe()
                await jetstream.delete_consumer(self._stream, consumer.name)

    async def check(self) -> None:
        client = self._connected
        # To and fro as any message: if the client's reader had ended, its flush would not tell.
        arrived: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        subject = f"{self._namespace}.check.{client.new_inbox().rpartition('.')[2]}"
        subscription = await client.subscribe(subject, future=arrived)
        try:
            await client.publish(subject)
            await arrived
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()


class _Reader:
    """Messages of a subject, one after the other; ``left`` is how many have not been read."""

    def __init__(self, subscription: JetStreamContext.PullSubscription, left: int) -> None:
        self._subscription = subscription
        self.left = left

    async def read(self, most: int) -> list[Msg]:
        """Return the next messages, fewer if there are no more."""
        messages: list[Msg] = []
        while self.left and len(messages) < most:
            batch = min(self.left, _REPLAY_BATCH, most - len(messages))
            messages += await self._subscription.fetch(batch, _ASK_SECONDS)
            self.left = messages[-1].metadata.num_pending
        return messages
