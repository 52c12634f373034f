"""Rooms over Redis or Valkey: pub/sub, and a stream for each room that keeps history."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING, Any, Optional, Union
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio.connection import Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from .engine import Engine, History, Incoming, Replay, order
from .errors import BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from .engine import LastIds, Outgoing, Receive

    Command = tuple[Any, ...]

__all__ = ["RedisEngine"]

# What a process does with messages that came together before others get a turn.
_BURST_MESSAGES = 256

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
    """Two connections: one for commands, one that is subscribed."""

    def __init__(self, url: str, namespace: str, history: Optional[History]) -> None:
        self._servers = servers(url)
        self._namespace = namespace
        self._history = history
        self._commands: Optional[Connection] = None
        self._listening: Optional[Connection] = None
        self._lock = asyncio.Lock()
        self._reader: Optional[asyncio.Task[None]] = None
        self._confirmed: dict[tuple[bytes, bytes], asyncio.Future[None]] = {}
        self._pong: Optional[asyncio.Future[None]] = None

    def _channel(self, room: str) -> str:
        return f"{self._namespace}:{{{room}}}"

    def _stream(self, room: str) -> str:
        return f"{self._namespace}:{{{room}}}:history"

    async def connect(self, receive: Receive, lost: Callable[[Exception], None]) -> None:
        self._lock = asyncio.Lock()
        self._commands, server = await self._find_master()
        if self._history is not None:
            await self._run([("SCRIPT", "LOAD", _STORE)])
        self._listening = _connection(server)
        await self._listening.connect()
        self._reader = asyncio.ensure_future(self._listen(self._listening, receive, lost))

    async def _find_master(self) -> tuple[Connection, dict[str, Any]]:
        """Connect to the first server that takes writes."""
        problem: Exception = BrokerUnavailable("no server to connect to")
        for server in self._servers:
            connection = _connection(server)
            try:
                await connection.connect()
                [role] = await _ask(connection, [("ROLE",)])
                if isinstance(role, Exception):
                    raise role
                if role[0] == b"master":
                    return connection, server
                problem = BrokerUnavailable(f"{server.get('host')} is a replica")
            except Exception as error:
                problem = error
            await _disconnect(connection)
        raise problem

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
        for connection in (self._commands, self._listening):
            if connection is not None:
                await _disconnect(connection)
        self._commands = self._listening = None
        for future in self._confirmed.values():
            future.cancel()
        self._confirmed.clear()

    async def _run(self, commands: list[Command]) -> list[Any]:
        """Send commands together; return the answers, of which some may be exceptions."""
        async with self._lock:
            assert self._commands is not None
            return await _ask(self._commands, commands)

    async def publish(self, batch: Sequence[Outgoing]) -> list[Union[str, Exception, None]]:
        results = await self._run([self._publication(outgoing) for outgoing in batch])
        if any(isinstance(result, NoScriptError) for result in results):
            # Somebody flushed the scripts; each that needed it has failed alike.
            await self._run([("SCRIPT", "LOAD", _STORE)])
            again = [i for i, result in enumerate(results) if isinstance(result, NoScriptError)]
            repeated = await self._run([self._publication(batch[i]) for i in again])
            for i, result in zip(again, repeated, strict=True):
                results[i] = result
        for result in results:
            if isinstance(result, ReadOnlyError):
                raise BrokerUnavailable("the server has become a replica")
        return [_result(result) for result in results]

    def _publication(self, outgoing: Outgoing) -> Command:
        channel = self._channel(outgoing.room)
        if not outgoing.keep:
            return ("PUBLISH", channel, b"  " + outgoing.data)
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
            _NOTICE_SECONDS, "PUBLISH",
        )  # fmt: skip

    async def subscribe(self, rooms: Collection[str]) -> LastIds:
        before = await self._last_ids(rooms)
        await self._change(b"subscribe", rooms)
        after = await self._last_ids(rooms)
        return {room: (before[room], after[room]) for room in before}

    async def _last_ids(self, rooms: Collection[str]) -> dict[str, str]:
        if self._history is None:
            return {}
        commands = [("XREVRANGE", self._stream(room), "+", "-", "COUNT", 1) for room in rooms]
        last = {}
        for room, entries in zip(rooms, await self._run(commands), strict=True):
            if isinstance(entries, Exception):
                raise entries
            last[room] = entries[0][0].decode() if entries else "0-0"
        return last

    async def unsubscribe(self, rooms: Collection[str]) -> None:
        await self._change(b"unsubscribe", rooms)

    async def _change(self, command: bytes, rooms: Collection[str]) -> None:
        """Subscribe or unsubscribe, and wait until the server has confirmed each."""
        assert self._listening is not None
        loop = asyncio.get_running_loop()
        channels = [self._channel(room) for room in rooms]
        confirmations = []
        for channel in channels:
            future = self._confirmed[command, channel.encode()] = loop.create_future()
            confirmations.append(future)
        await self._listening.send_command(command.decode().upper(), *channels)
        await asyncio.gather(*confirmations)

    async def replay(self, room: str, after: Optional[str], limit: int) -> Replay:
        stream = self._stream(room)
        if after is None:
            [entries] = await self._run([("XREVRANGE", stream, "+", "-", "COUNT", limit)])
            if isinstance(entries, Exception):
                raise entries
            return Replay([self._kept(room, entry) for entry in reversed(entries)], True)
        first, entries = await self._run(
            [("XRANGE", stream, "-", "+", "COUNT", 1), ("XRANGE", stream, f"({after}", "+")]
        )
        for result in (first, entries):
            if isinstance(result, Exception):
                raise result
        messages = [self._kept(room, entry) for entry in entries]
        # If one that is not newer is still there, all that are newer are.
        assert self._history is not None
        whole = order(after) == (0, 0) and len(messages) <= self._history.messages
        complete = whole or (bool(first) and order(first[0][0].decode()) <= order(after))
        return Replay(messages, complete)

    @staticmethod
    def _kept(room: str, entry: Any) -> Incoming:
        id, fields = entry
        return Incoming(room, fields[1], id.decode())

    async def check(self) -> None:
        [role] = await self._run([("ROLE",)])
        if isinstance(role, Exception):
            raise role
        if role[0] != b"master":
            raise BrokerUnavailable("the server has become a replica")
        assert self._listening is not None
        self._pong = asyncio.get_running_loop().create_future()
        await self._listening.send_command("PING")
        await self._pong

    async def _listen(
        self, connection: Connection, receive: Receive, lost: Callable[[Exception], None]
    ) -> None:
        """Read the subscribed connection until it breaks."""
        start = len(self._channel(""))
        prefix = start - 1
        burst = 0
        try:
            while True:
                answer = await connection.read_response(disconnect_on_error=False)
                kind = answer[0]
                if kind == b"message":
                    room = answer[1][prefix:-1].decode()
                    id, before, data = answer[2].split(b" ", 2)
                    if id:
                        receive(Incoming(room, data, id.decode(), before.decode()))
                    else:
                        receive(Incoming(room, data))
                    burst += 1
                    if burst >= _BURST_MESSAGES:
                        burst = 0
                        await asyncio.sleep(0)
                elif kind == b"pong":
                    if self._pong is not None and not self._pong.done():
                        self._pong.set_result(None)
                else:
                    future = self._confirmed.pop((kind, answer[1]), None)
                    if future is not None and not future.done():
                        future.set_result(None)
        except Exception as error:
            lost(error)


def _result(result: Any) -> Union[str, Exception, None]:
    if isinstance(result, Exception):
        return result
    return result.decode() if isinstance(result, bytes) else None


def servers(url: str) -> list[dict[str, Any]]:
    """Return how to connect to each server of a URL: ``redis://user:password@one:6379,two/0``."""
    scheme, rest = url.split("://", 1)
    scheme = {"valkey": "redis", "valkeys": "rediss"}.get(scheme, scheme)
    parts = urlsplit(f"{scheme}://{rest}")
    if scheme == "unix":
        return [parse_url(f"{scheme}://{rest}")]
    user, at, hosts = parts.netloc.rpartition("@")
    found = []
    for host in hosts.split(","):
        one = urlunsplit((scheme, f"{user}{at}{host}", parts.path, parts.query, ""))
        try:
            found.append(parse_url(one))
        except ValueError as error:
            raise ValueError(f"{url!r} is not the URL of a Redis server: {error}") from None
    return found


def _connection(server: dict[str, Any]) -> Connection:
    options = {key: value for key, value in server.items() if key != "connection_class"}
    kind = server.get("connection_class", Connection)
    connection: Connection = kind(
        **{
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "health_check_interval": 0,
            "socket_keepalive": True,
            "client_name": "fastws",
            **options,
        }
    )
    return connection


async def _ask(connection: Connection, commands: list[Command]) -> list[Any]:
    """Send commands in one write; return the answers, errors of the server among them."""
    await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
    answers: list[Any] = []
    for _ in commands:
        try:
            answers.append(await connection.read_response(disconnect_on_error=False))
        except ResponseError as error:
            answers.append(error)
    return answers


async def _disconnect(connection: Connection) -> None:
    with contextlib.suppress(Exception):
        await connection.disconnect(nowait=True)
