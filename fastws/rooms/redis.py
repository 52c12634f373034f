"""Rooms over Redis or Valkey: pub/sub, and a stream for each room that keeps history."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Optional, Union

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, NoScriptError, ReadOnlyError

from .engine import Engine, History, Incoming, Replay, order
from .errors import BrokerUnavailable
from .redis_node import Node, servers
from .tasks import within

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from .engine import LastIds, Outgoing, Receive
    from .redis_node import Command

__all__ = ["RedisEngine"]

# For each of the servers of a URL; the others are to have their turn.
_CONNECT_SECONDS = 2.0
# Rooms that nobody publishes to any more are forgotten after a day, unless history is longer.
_KEEP_SECONDS = 24 * 3600
# So long after a message was stored, sending it once more is noticed.
_NOTICE_SECONDS = 600

# Store a message, unless it was stored before, and publish it with its id and the one before it.
# Numbers of a process only grow, so the last one that was stored tells. Each message is asked
# about, not only one that is sent again: what a broken connection had sent may come after that.
_STORE = """
local stream, stored, channel = KEYS[1], KEYS[2], ARGV[1]
local envelope, process, number = ARGV[2], ARGV[3], ARGV[4]
local last = redis.call('GET', stored)
if last and tonumber(last) >= tonumber(number) then
  for _, entry in ipairs(redis.call('XREVRANGE', stream, '+', '-')) do
    if entry[2][4] == number and entry[2][6] == process then return entry[1] end
  end
  return ''
end
local before = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
before = before[1] and before[1][1] or ''
local id = redis.call(
  'XADD', stream, 'MAXLEN', ARGV[5], '*', 'm', envelope, 'n', number, 'p', process)
if ARGV[6] ~= '' then
  local now = redis.call('TIME')
  local milliseconds = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
  redis.call('XTRIM', stream, 'MINID', string.format('%.0f', milliseconds - tonumber(ARGV[6])))
end
redis.call('EXPIRE', stream, ARGV[7])
redis.call('SET', stored, number, 'EX', ARGV[8])
redis.call(ARGV[9], channel, id .. ' ' .. before .. ' ' .. envelope)
return id
"""
_STORE_SHA = hashlib.sha1(_STORE.encode()).hexdigest()


class RedisEngine(Engine):
    """A server, or a cluster: there each room is at the shard of its slot, with sharded pub/sub."""

    def __init__(self, url: str, namespace: str, history: Optional[History]) -> None:
        self._servers = servers(url)
        self._namespace = namespace
        self._history = history
        self._nodes: list[Node] = []
        self._slots: list[int] = []  # where each range of slots begins
        self._owners: list[Node] = []  # of these ranges
        self._publish = "PUBLISH"

    def _channel(self, room: str) -> str:
        return f"{self._namespace}:{{{room}}}"

    def _stream(self, room: str) -> str:
        return f"{self._namespace}:{{{room}}}:history"

    async def connect(self, receive: Receive, lost: Callable[[Exception], None]) -> None:
        first = await self._find_master()
        [slots] = await first.run([("CLUSTER", "SLOTS")])
        sharded = isinstance(slots, list)  # else it says that it is no cluster
        self._publish = "SPUBLISH" if sharded else "PUBLISH"
        if sharded:
            await self._open_cluster(first, slots)
        else:
            self._slots, self._owners = [0], [first]
        for node in self._nodes:
            if self._history is not None:
                await node.run([("SCRIPT", "LOAD", _STORE)])
            await node.listen(sharded, receive, lost)

    async def _find_master(self) -> Node:
        """Connect to the first server that takes writes."""
        problem: Exception = BrokerUnavailable("no server to connect to")
        for server in self._servers[:]:
            node = self._new_node(server)
            try:
                await within(_CONNECT_SECONDS, node.connect())
                return node
            except Exception as error:
                problem = error
            self._nodes.remove(node)
            await node.close()
            # Begin with another next time: one that hangs may cost all the time there is.
            self._servers.remove(server)
            self._servers.append(server)
        raise problem

    def _new_node(self, server: dict[str, Any]) -> Node:
        node = Node(server, self._channel("")[:-1])
        self._nodes.append(node)
        return node

    async def _open_cluster(self, first: Node, slots: list[Any]) -> None:
        """Connect to the masters of all slots."""
        known = {(first.server.get("host"), first.server.get("port")): first}
        self._slots, self._owners = [], []
        for start, _, master, *_ in sorted(slots):
            # A node that does not know its own address is the one that was asked.
            address = (master[0].decode() or first.server.get("host"), master[1])
            if address not in known:
                host, port = address
                known[address] = self._new_node({**first.server, "host": host, "port": port})
                await known[address].connect()
            self._slots.append(start)
            self._owners.append(known[address])
        if not self._slots:
            raise BrokerUnavailable("the cluster has no slots")

    def _node(self, room: str) -> Node:
        if len(self._owners) == 1:
            return self._owners[0]
        slot = key_slot(self._channel(room).encode())
        return self._owners[max(bisect_right(self._slots, slot) - 1, 0)]

    async def close(self) -> None:
        nodes, self._nodes = self._nodes, []
        for node in nodes:
            with contextlib.suppress(Exception):
                await node.close()

    async def _run(self, rooms: Sequence[str], commands: Sequence[Command]) -> list[Any]:
        """Run a command for each room where that is; return the answers in the same order."""
        if not self._nodes:
            raise BrokerUnavailable("not connected")
        if len(self._owners) == 1:  # nearly always; gathering costs a sixth more
            return list(map(_still_there, await self._owners[0].run(commands)))
        parts: dict[Node, list[int]] = {}
        for i, room in enumerate(rooms):
            parts.setdefault(self._node(room), []).append(i)
        answers: list[Any] = [None] * len(rooms)
        runs = (node.run([commands[i] for i in part]) for node, part in parts.items())
        for part, some in zip(parts.values(), await asyncio.gather(*runs), strict=True):
            for i, answer in zip(part, some, strict=True):
                answers[i] = _still_there(answer)
        return answers

    async def _read(self, rooms: Sequence[str], commands: Sequence[Command]) -> list[Any]:
        """As ``_run``, and raise what the server says is wrong."""
        answers = await self._run(rooms, commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def publish(self, batch: Sequence[Outgoing]) -> list[Union[str, Exception, None]]:
        results = await self._publish_all(batch)
        again = [i for i, result in enumerate(results) if isinstance(result, NoScriptError)]
        if again:
            # Somebody flushed the scripts; each that needed it has failed alike.
            for node in self._nodes:
                await node.run([("SCRIPT", "LOAD", _STORE)])
            repeated = await self._publish_all([batch[i] for i in again])
            for i, result in zip(again, repeated, strict=True):
                results[i] = result
        return [_result(result) for result in results]

    async def _publish_all(self, batch: Sequence[Outgoing]) -> list[Any]:
        commands = [self._publication(outgoing) for outgoing in batch]
        return await self._run([outgoing.room for outgoing in batch], commands)

    def _publication(self, outgoing: Outgoing) -> Command:
        channel = self._channel(outgoing.room)
        if not outgoing.keep:
            return (self._publish, channel, b"  " + outgoing.data)
        assert self._history is not None
        seconds = self._history.seconds
        process = outgoing.data[1:17]
        return (
            "EVALSHA", _STORE_SHA, 2,
            self._stream(outgoing.room), f"{channel}:{process.decode()}",
            channel, outgoing.data, process, outgoing.number,
            # One more than is promised: whoever saw that one is known to have missed none.
            self._history.messages + 1,
            "" if seconds is None else int(seconds * 1000),
            _KEEP_SECONDS if seconds is None else int(seconds) + 1,
            _NOTICE_SECONDS, self._publish,
        )  # fmt: skip

    async def subscribe(self, rooms: Collection[str]) -> LastIds:
        before = await self._last_ids(rooms)
        for node, channels in self._channels(rooms):
            await node.subscribe(channels)
        after = await self._last_ids(rooms)
        return {room: (before[room], after[room]) for room in before}

    async def unsubscribe(self, rooms: Collection[str]) -> None:
        for node, channels in self._channels(rooms):
            await node.unsubscribe(channels)

    def _channels(self, rooms: Collection[str]) -> Iterable[tuple[Node, list[str]]]:
        parts: dict[Node, list[str]] = {}
        for room in rooms:
            parts.setdefault(self._node(room), []).append(self._channel(room))
        return parts.items()

    async def _last_ids(self, rooms: Collection[str]) -> dict[str, str]:
        if self._history is None:
            return {}
        commands = [("XREVRANGE", self._stream(room), "+", "-", "COUNT", 1) for room in rooms]
        last = {}
        for room, entries in zip(rooms, await self._read(list(rooms), commands), strict=True):
            last[room] = entries[0][0].decode() if entries else "0-0"
        return last

    async def replay(self, room: str, after: Optional[str], limit: int) -> Replay:
        stream = self._stream(room)
        if after is None:
            [entries] = await self._read([room], [("XREVRANGE", stream, "+", "-", "COUNT", limit)])
            return Replay([_kept(room, entry) for entry in reversed(entries)], True)
        count, first, entries = await self._read(
            [room] * 3,
            [
                ("XLEN", stream),
                ("XRANGE", stream, "-", "+", "COUNT", 1),
                ("XRANGE", stream, f"({after}", "+", "COUNT", limit),
            ],
        )
        messages = [_kept(room, entry) for entry in entries]
        # If one that is not newer is still there, all that are newer are.
        assert self._history is not None
        whole = order(after) == (0, 0) and count <= self._history.messages
        complete = whole or (bool(first) and order(first[0][0].decode()) <= order(after))
        return Replay(messages, complete, len(messages) == limit)

    async def check(self) -> None:
        for node in self._nodes:
            await node.check()


def _kept(room: str, entry: Any) -> Incoming:
    id, fields = entry
    return Incoming(room, fields[1], id.decode())


def _still_there(answer: Any) -> Any:
    """Return an answer; raise if it shows that the server is not the one to ask any more."""
    if isinstance(answer, ReadOnlyError):
        raise BrokerUnavailable("the server has become a replica")
    if isinstance(answer, (MovedError, AskError)):
        raise BrokerUnavailable("a slot of the cluster has moved")
    return answer


def _result(result: Any) -> Union[str, Exception, None]:
    if isinstance(result, Exception):
        return result
    return result.decode() if isinstance(result, bytes) else None
