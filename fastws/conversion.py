"""Messages as the caller of ``recv`` wants them: str or bytes, whole or in fragments."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any, Optional, Union

from .errors import ConcurrencyError
from .frames import Fragment

if TYPE_CHECKING:
    from collections.abc import Sequence

    Message = Union[str, bytes]

__all__ = ["FragmentConverter", "IncomingFragments", "convert", "join_fragments"]


def convert(message: Message, decode: bool) -> Message:
    """Return a message as str if ``decode`` is true, else as bytes."""
    if decode:
        return message if isinstance(message, str) else message.decode()
    return message.encode() if isinstance(message, str) else message


class FragmentConverter:
    """Do what ``convert`` does to the fragments of one message; None leaves them as they are."""

    def __init__(self, decode: Optional[bool]) -> None:
        self._decode = decode
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def __call__(self, data: Message, *, final: bool = False) -> Message:
        """Return the next fragment; a code point that it cuts comes with the one after."""
        if self._decode is None:
            return data
        if self._decode and isinstance(data, bytes):
            return self._decoder.decode(data, final)
        return convert(data, self._decode)


class IncomingFragments:
    """A message that is received fragment by fragment, but for the waiting.

    A driver calls ``_expect``, waits for what the reader has next, gives that to ``_take``, and
    calls ``_settle`` whatever happened meanwhile.
    """

    def __init__(self, connection: Any, decode: Optional[bool]) -> None:
        self._connection = connection
        self._convert = FragmentConverter(decode)
        self._begun = self._ended = False

    def _expect(self) -> None:
        """Have the reader give fragments, if this message is the one that it is in."""
        connection = self._connection
        if self._begun and connection._incoming is not self:
            raise ConcurrencyError("the rest of this message was left out by another receive")
        connection._reader.fragments = True

    def _take(self, part: Union[Message, Fragment]) -> Message:
        self._begun = True
        self._ended = not isinstance(part, Fragment) or part.fin
        self._connection._incoming = None if self._ended else self
        return self._convert(part.data if isinstance(part, Fragment) else part, final=self._ended)

    def _settle(self) -> None:
        connection = self._connection
        connection._reader.fragments = connection._incoming is not None


def join_fragments(fragments: Sequence[Fragment]) -> Message:
    """Return the message that fragments make."""
    data = [fragment.data for fragment in fragments]
    return "".join(data) if isinstance(data[0], str) else b"".join(data)  # type: ignore[arg-type]
