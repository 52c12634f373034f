"""Chat rooms: text in, JSON out; a room lasts while someone is in it, in any process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from ..frames import CloseCode
from ..rooms import BrokerUnavailable

if TYPE_CHECKING:
    from ..aio import ServerConnection
    from ..rooms import Hub

__all__ = ["Chat"]

MAX_NAME_LENGTH = 24

# Everyone is in there, to hear of the rooms. Names that people give have no space in front.
EVERYONE = " everyone"


class Chat:
    """All rooms. Clients choose theirs, and a name, in the address: ``/?room=garden&name=Ann``."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def handler(self, ws: ServerConnection) -> None:
        """Let one person in, pass on what they say, and let them out."""
        assert ws.request is not None
        query = parse_qs(urlsplit(ws.request.path).query)
        room = _name(query.get("room"), "lobby")
        taken = (await self._hub.members(room)).ids
        name = _unique(_name(query.get("name"), "guest"), set(taken))
        await ws.send(_json(kind="welcome", room=room, name=name))
        try:
            async with self._hub.join(ws, room, EVERYONE, member=name):
                await self._tell_who(room, kind="joined", name=name)
                async for message in ws:
                    if isinstance(message, bytes):
                        await ws.close(CloseCode.UNSUPPORTED_DATA, "a chat takes text only")
                        break
                    self._tell(room, kind="message", name=name, text=message)
        finally:
            await self._tell_who(room, kind="left", name=name)

    def _tell(self, room: str, **event: object) -> None:
        """Tell those in a room; those of this process in any case, whatever the broker does."""
        try:
            self._hub.publish_nowait(room, _json(**event))
        except BrokerUnavailable as error:
            self._hub.logger.info("%s", error)

    async def _tell_who(self, room: str, **event: object) -> None:
        people = sorted((await self._hub.members(room)).ids)
        self._tell(room, **event, people=people)
        rooms = await self._hub.rooms()
        rooms.pop(EVERYONE, None)
        self._tell(EVERYONE, kind="rooms", rooms=dict(sorted(rooms.items())))


def _json(**event: object) -> str:
    return json.dumps(event, ensure_ascii=False)


def _name(values: list[str] | None, default: str) -> str:
    text = values[0] if values else ""
    printable = "".join(char for char in text if char.isprintable())
    return " ".join(printable.split())[:MAX_NAME_LENGTH] or default


def _unique(name: str, taken: set[str]) -> str:
    number = 1
    unique = name
    while unique in taken:
        number += 1
        unique = f"{name} {number}"
    return unique
