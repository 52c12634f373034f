"""Chat rooms: text in, JSON out; a room lasts while someone is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from ..aio import broadcast
from ..frames import CloseCode

if TYPE_CHECKING:
    from ..aio import ServerConnection

__all__ = ["Chat"]

MAX_NAME_LENGTH = 24


class Chat:
    """All rooms. Clients choose theirs, and a name, in the address: ``/?room=garden&name=Ann``."""

    def __init__(self) -> None:
        self._rooms: dict[str, dict[ServerConnection, str]] = {}

    async def handler(self, ws: ServerConnection) -> None:
        """Let one person in, pass on what they say, and let them out."""
        assert ws.request is not None
        query = parse_qs(urlsplit(ws.request.path).query)
        room = _name(query.get("room"), "lobby")
        people = self._rooms.setdefault(room, {})
        name = _unique(_name(query.get("name"), "guest"), set(people.values()))
        people[ws] = name
        try:
            await ws.send(_json(kind="welcome", room=room, name=name))
            self._tell(room, kind="joined", name=name, people=sorted(people.values()))
            self._tell_rooms()
            async for message in ws:
                if isinstance(message, bytes):
                    await ws.close(CloseCode.UNSUPPORTED_DATA, "a chat takes text only")
                    break
                self._tell(room, kind="message", name=name, text=message)
        finally:
            del people[ws]
            if not people:
                del self._rooms[room]
            self._tell(room, kind="left", name=name, people=sorted(people.values()))
            self._tell_rooms()

    def _tell(self, room: str, **event: object) -> None:
        broadcast(self._rooms.get(room, ()), _json(**event))

    def _tell_rooms(self) -> None:
        rooms = {room: len(people) for room, people in sorted(self._rooms.items())}
        everyone = [ws for people in self._rooms.values() for ws in people]
        broadcast(everyone, _json(kind="rooms", rooms=rooms))


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
