"""One Redis server: a connection for commands, and one that is subscribed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Optional

from redis.asyncio.connection import Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from .engine import Incoming
from .errors import BrokerUnavailable
from .tasks import Whole, end
from .urls import each_host, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from .engine import Receive

    Command = tuple[Any, ...]

__all__ = ["Node", "servers"]

# What a process does with messages that came together before others get a turn.
_BURST_MESSAGES = 256


class Node:
    """A server of a URL, or one of a cluster: there channels are ``sharded``.

    ``prefix`` and one character more are what is around a room's name in the names of channels.
    """

    def __init__(self, server: dict[str, Any], prefix: str) -> None:
        self.server = server
        self._prefix = len(prefix)
        self._commands: Optional[Connection] = None
        self._listening: Optional[Connection] = None
        self._lock = asyncio.Lock()
        self._reader: Optional[asyncio.Task[None]] = None
        self._sharded = b""
        self._exchanges = Whole()
        self._confirmed: dict[tuple[bytes, bytes], asyncio.Future[None]] = {}
        self._pong: Optional[asyncio.Future[None]] = None

    async def connect(self) -> None:
        """Connect for commands; raise unless the server takes writes."""
        self._commands = _connection(self.server)
        await self._commands.connect()
        await self._check_role()

    async def _check_role(self) -> None:
        [role] = await self.run([("ROLE",)])
        if isinstance(role, Exception):
            raise role
        if role[0] != b"master":
            raise BrokerUnavailable("the server is a replica")

    async def listen(
        self, sharded: bool, receive: Receive, lost: Callable[[Exception], None]
    ) -> None:
        """Connect for subscriptions."""
        self._sharded = b"s" if sharded else b""
        self._listening = _connection(self.server)
        await self._listening.connect()
        self._reader = asyncio.ensure_future(self._read(self._listening, receive, lost))

    async def close(self) -> None:
        """Let go of both connections."""
        await self._exchanges.end()
        if self._reader is not None:
            await end([self._reader])
            self._reader = None
        for connection in self.connections:
            with contextlib.suppress(Exception):
                await connection.disconnect(nowait=True)
        self._commands = self._listening = None

    @property
    def connections(self) -> list[Connection]:
        """Those that there are."""
        both = (self._commands, self._listening)
        return [connection for connection in both if connection is not None]

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands in one write; return the answers, errors of the server among them."""
        return await self._exchanges.run(self._exchange(commands))

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        async with self._lock:
            connection = self._commands
            if connection is None:
                raise BrokerUnavailable("not connected")
            packed = connection.pack_commands(commands)
            await connection.send_packed_command(packed, check_health=False)
            answers: list[Any] = []
            for _ in commands:
                try:
                    answers.append(await connection.read_response(disconnect_on_error=False))
                except ResponseError as error:
                    answers.append(error)
            return answers

    async def subscribe(self, channels: Collection[str]) -> None:
        """Subscribe, and wait until the server has confirmed each channel."""
        await self._change(b"subscribe", channels)

    async def unsubscribe(self, channels: Collection[str]) -> None:
        """Undo ``subscribe``."""
        await self._change(b"unsubscribe", channels)

    async def _change(self, command: bytes, channels: Collection[str]) -> None:
        connection = self._heard_connection
        command = self._sharded + command
        # Channels of different slots cannot be named together.
        groups = [[channel] for channel in channels] if self._sharded else [list(channels)]
        confirmations = {(command, channel.encode()): _future() for channel in channels}
        self._confirmed.update(confirmations)
        try:
            for group in groups:
                await connection.send_command(command.decode().upper(), *group)
            await asyncio.gather(*confirmations.values())
        finally:
            for key, future in confirmations.items():
                future.cancel()
                self._confirmed.pop(key, None)

    @property
    def _heard_connection(self) -> Connection:
        """The connection for subscriptions, while somebody reads what comes."""
        if self._listening is None or self._reader is None or self._reader.done():
            raise BrokerUnavailable("not connected")
        return self._listening

    async def check(self) -> None:
        """Return when the server has answered on both connections and still takes writes."""
        await self._check_role()
        connection = self._heard_connection
        self._pong = _future()
        await connection.send_command("PING")
        await self._pong

    async def _read(
        self, connection: Connection, receive: Receive, lost: Callable[[Exception], None]
    ) -> None:
        """Read the subscribed connection until it breaks."""
        message = self._sharded + b"message"
        burst = 0
        try:
            while True:
                answer = await connection.read_response(disconnect_on_error=False)
                kind = answer[0]
                if kind == message:
                    self._receive(answer, receive)
                    burst += 1
                    if burst >= _BURST_MESSAGES:
                        burst = 0
                        await asyncio.sleep(0)
                elif kind == b"pong":
                    if self._pong is not None and not self._pong.done():
                        self._pong.set_result(None)
                else:
                    self._confirm(kind, answer[1])
        except Exception as error:
            self._give_up(error)
            lost(error)

    def _give_up(self, error: Exception) -> None:
        """Tell those who wait for an answer on the subscribed connection that none will come."""
        for future in (*self._confirmed.values(), self._pong):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # perhaps nobody waits for it any more

    def _receive(self, answer: list[bytes], receive: Receive) -> None:
        room = answer[1][self._prefix : -1].decode()
        id, before, data = answer[2].split(b" ", 2)
        if id:
            receive(Incoming(room, data, id.decode(), before.decode()))
        else:
            receive(Incoming(room, data))

    def _confirm(self, kind: bytes, channel: bytes) -> None:
        future = self._confirmed.pop((kind, channel), None)
        if future is not None:
            if not future.done():
                future.set_result(None)
        elif kind == b"sunsubscribe":
            raise BrokerUnavailable("a slot of the cluster has moved")


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def servers(url: str) -> list[dict[str, Any]]:
    """Return how to connect to each server of a URL: ``redis://user:password@one:6379,two/0``."""
    scheme = url.split("://", 1)[0]
    scheme = {"valkey": "redis", "valkeys": "rediss"}.get(scheme, scheme)
    if scheme == "unix":
        return [parse_url(url)]
    found = []
    for one in each_host(url, scheme):
        try:
            found.append(parse_url(one.geturl()))
        except ValueError as error:
            raise ValueError(f"{shown(url)} is not the URL of a Redis server: {error}") from None
    return found


def _connection(server: dict[str, Any]) -> Connection:
    options = {key: value for key, value in server.items() if key != "connection_class"}
    kind = server.get("connection_class", Connection)
    connection: Connection = kind(
        **{
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "health_check_interval": 0,
            # Time limits are for ``Link``: a subscribed connection may well be silent.
            "socket_timeout": None,
            "socket_connect_timeout": None,
            "socket_keepalive": True,
            "client_name": "fastws",
            **options,
        }
    )
    return connection
