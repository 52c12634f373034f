"""Who is in a room, in all processes: each is asked, and those that are gone are known to be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EVERYONE", "Members", "Presence"]

# The room of all processes, and the beginning of the name of a process's own.
EVERYONE = "!all"
INBOX = "!"

# A process that was not heard of for so long is gone.
EXPIRE_SECONDS = 10.0
ALIVE_SECONDS = 3.0


@dataclass(frozen=True)
class Members:
    """Who is in a room: how many, and who, as far as they were asked for.

    ``complete`` is false if a process that is there did not answer in time.
    """

    count: int
    ids: list[str]
    complete: bool


class Presence:
    """Tell other processes that this one is there, ask them questions and answer theirs.

    ``send(room, payload)`` sends to all processes that subscribed to it, and may fail silently.
    ``answers`` has for each kind of question the function that answers it; ``argument`` and answer
    are anything that JSON can hold.
    """

    def __init__(
        self,
        process: str,
        send: Callable[[str, bytes], None],
        answers: dict[str, Callable[[Any], Any]],
    ) -> None:
        self.process = process
        self.inbox = INBOX + process
        self._send = send
        self._answers = answers
        self._loop = asyncio.get_running_loop()
        self._heard: dict[str, float] = {}  # when, of each process
        self._silent: set[str] = set()  # did not answer, so nobody waits for their answers
        self._questions: dict[int, _Question] = {}
        self._last_question = 0

    @property
    def others(self) -> set[str]:
        """The other processes that are there."""
        now = self._loop.time()
        gone = [other for other, when in self._heard.items() if now - when > EXPIRE_SECONDS]
        for other in gone:
            self._forget(other)
        return set(self._heard)

    def hello(self) -> None:
        """Tell all that this process is there, and have them tell it the same."""
        self._say(EVERYONE, kind="hello")

    async def stay(self) -> None:
        """Go on telling that this process is there."""
        while True:
            await asyncio.sleep(ALIVE_SECONDS)
            self._say(EVERYONE, kind="alive")

    def goodbye(self) -> None:
        """Tell all that this process is going."""
        self._say(EVERYONE, kind="gone")

    def _say(self, room: str, **what: Any) -> None:
        self._send(room, json.dumps({"from": self.process, **what}).encode())

    async def ask(self, kind: str, argument: Any, seconds: float) -> tuple[list[Any], bool]:
        """Return the answers of the other processes, and whether all answered in time."""
        waited_for = self.others - self._silent
        if not waited_for:
            return [], not self.others
        self._last_question += 1
        number = self._last_question
        question = self._questions[number] = _Question(waited_for, self._loop.create_future())
        try:
            self._say(EVERYONE, kind="ask", what=kind, argument=argument, number=number)
            await asyncio.wait([question.done], timeout=seconds)
        finally:
            del self._questions[number]
        self._silent.update(question.waited_for & set(self._heard))
        return question.answers, not question.waited_for and not self.others & self._silent

    def receive(self, payload: bytes) -> None:
        """Take what another process said; ValueError for what none of them says."""
        try:
            said = json.loads(payload)
            other, kind = said["from"], said["kind"]
        except (TypeError, KeyError) as error:
            raise ValueError(f"not from another process: {payload[:80]!r}") from error
        if other == self.process:
            return
        if kind == "gone":
            self._forget(other)
            return
        self._heard[other] = self._loop.time()
        self._silent.discard(other)
        if kind == "hello":
            self._say(INBOX + other, kind="alive")
        elif kind == "ask":
            answer = self._answers.get(said["what"])
            result = None if answer is None else answer(said["argument"])
            self._say(INBOX + other, kind="answer", number=said["number"], answer=result)
        elif kind == "answer" and said["number"] in self._questions:
            self._questions[said["number"]].take(other, said["answer"])

    def _forget(self, other: str) -> None:
        self._heard.pop(other, None)
        self._silent.discard(other)
        for question in self._questions.values():
            question.give_up(other)


class _Question:
    def __init__(self, waited_for: Iterable[str], done: asyncio.Future[None]) -> None:
        self.waited_for = set(waited_for)
        self.answers: list[Any] = []
        self.done = done

    def take(self, other: str, answer: Any) -> None:
        self.answers.append(answer)
        self.give_up(other)

    def give_up(self, other: str) -> None:
        self.waited_for.discard(other)
        if not self.waited_for and not self.done.done():
            self.done.set_result(None)
