"""Messages as the caller of ``recv`` wants them: str or bytes, whole or in fragments."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Optional, Union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .frames import Fragment

    Message = Union[str, bytes]

__all__ = ["FragmentConverter", "convert", "join_fragments"]


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


def join_fragments(fragments: Sequence[Fragment]) -> Message:
    """Return the message that fragments make."""
    data = [fragment.data for fragment in fragments]
    return "".join(data) if isinstance(data[0], str) else b"".join(data)  # type: ignore[arg-type]
