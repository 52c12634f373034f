"""Messages and control frames to bytes, for one connection: what ``MessageReader`` undoes."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Optional, Union

from ._kernels import is_utf8, new_masking_key, serialize_frame
from .errors import ConcurrencyError
from .frames import Opcode, Role
from .prepared import NOT_UTF8, RSV1, PreparedMessage, message_payload, to_compress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer

    from .deflate import PerMessageDeflate

__all__ = ["MessageWriter"]

_MIXED = "the fragments of a message must be all str or all bytes-like"


class MessageWriter:
    """Serialize what one side sends: masked on a client, compressed if negotiated and worth it."""

    __slots__ = ("_compress", "_decoder", "_fragment_type", "_in_message", "extension", "role")

    def __init__(self, role: Role, extension: Optional[PerMessageDeflate] = None) -> None:
        self.role = role
        self.extension = extension
        self._in_message = False
        self._fragment_type: type = bytes
        self._decoder: Optional[codecs.IncrementalDecoder] = None
        self._compress = False

    def frame(self, opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0) -> bytes:
        """Return one frame of our role."""
        key = new_masking_key() if self.role is Role.CLIENT else None
        return serialize_frame(opcode, payload, fin=fin, rsv=rsv, masking_key=key)

    def message(
        self,
        message: Union[str, Buffer, PreparedMessage],
        *,
        text: Optional[bool] = None,
        compress: Optional[bool] = None,
    ) -> bytes:
        """Return a whole message as one frame."""
        if self._in_message:
            raise ConcurrencyError("finish the fragmented message before sending another")
        extension = self.extension
        if isinstance(message, PreparedMessage):
            return message.frame(self.role, extension)
        opcode, payload = message_payload(message, text)
        if extension is None or not to_compress(extension, payload, compress):
            return self.frame(opcode, payload)
        return self.frame(opcode, extension.compress(payload), rsv=RSV1)

    def fragments(
        self,
        fragments: Iterable[Union[str, Buffer]],
        *,
        text: Optional[bool] = None,
        compress: Optional[bool] = None,
    ) -> Iterator[bytes]:
        """Yield the frames of a message whose fragments are given; nothing if there are none.

        All fragments are taken and judged before the first frame is made: an error leaves no
        message half sent.
        """
        payloads: list[bytes] = []
        types: set[type] = set()
        for fragment in fragments:
            # Copied at once: an iterator may fill the same buffer again and again.
            payloads.append(message_payload(fragment, None)[1])
            types.add(str if isinstance(fragment, str) else bytes)
        if self._in_message:
            raise ConcurrencyError("finish the fragmented message before sending another")
        if len(types) > 1:
            raise TypeError(_MIXED)
        if text and types == {bytes} and not is_utf8(b"".join(payloads)):
            raise ValueError(NOT_UTF8)
        is_text = types == {str} if text is None else text
        for number, payload in enumerate(payloads, 1):
            fin = number == len(payloads)
            yield self.fragment(payload, fin=fin, text=is_text, compress=compress)

    def fragment(
        self,
        fragment: Union[str, Buffer],
        *,
        fin: bool = False,
        text: Optional[bool] = None,
        compress: Optional[bool] = None,
    ) -> bytes:
        """Return the frame of the next fragment; ``fin`` ends the message (RFC 6455 §5.4).

        The first one decides whether the message is text and whether it is compressed. Bytes sent
        as text may end inside a code point, but for the last ones. After an error the fragment
        can be sent again as it should be.
        """
        fragment_type = str if isinstance(fragment, str) else bytes
        _, payload = message_payload(fragment, None)
        opcode, rsv = Opcode.CONTINUATION, 0
        if not self._in_message:
            is_text = fragment_type is str if text is None else text
            opcode = Opcode.TEXT if is_text else Opcode.BINARY
            self._fragment_type = fragment_type
            as_text = is_text and fragment_type is bytes
            self._decoder = codecs.getincrementaldecoder("utf-8")() if as_text else None
            self._compress = self.extension is not None and compress is not False
            rsv = RSV1 if self._compress else 0
        elif fragment_type is not self._fragment_type:
            raise TypeError(_MIXED)
        if self._decoder is not None:
            try:
                self._decoder.decode(payload, fin)
            except UnicodeDecodeError:
                raise ValueError(NOT_UTF8) from None
        if self._compress:
            assert self.extension is not None
            payload = self.extension.compress(payload, fin)
        self._in_message = not fin
        return self.frame(opcode, payload, fin=fin, rsv=rsv)
