"""A message that is framed, and compressed, once and sent to many connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from ._kernels import is_utf8, new_masking_key, serialize_frame
from .frames import Opcode, Role

if TYPE_CHECKING:
    from collections.abc import Hashable

    from typing_extensions import Buffer

    from .deflate import PerMessageDeflate

__all__ = ["NOT_UTF8", "RSV1", "PreparedMessage", "is_fragments", "message_payload", "to_compress"]

RSV1 = 4  # the rsv of a compressed message (RFC 7692 §6)
NOT_UTF8 = "text must be UTF-8; send these bytes without text=True"


def message_payload(message: Union[str, Buffer], text: Optional[bool]) -> tuple[Opcode, bytes]:
    """Return the opcode and the payload of a message or fragment.

    A str is text and a buffer is binary, unless ``text`` says otherwise. Raises TypeError for
    anything else, UnicodeEncodeError for a str with lone surrogates, ValueError for text that is
    not UTF-8.
    """
    if isinstance(message, str):
        return (Opcode.BINARY if text is False else Opcode.TEXT), message.encode()
    try:
        payload = message if isinstance(message, bytes) else bytes(memoryview(message))
    except TypeError:
        raise TypeError(
            f"a message must be str or bytes-like, not {type(message).__name__}"
        ) from None
    if not text:
        return Opcode.BINARY, payload
    if not is_utf8(payload):
        raise ValueError(NOT_UTF8)
    return Opcode.TEXT, payload


def is_fragments(message: object) -> bool:
    """Whether a message is neither str nor buffer, but an iterable of those."""
    if isinstance(message, (str, bytes, bytearray, memoryview, PreparedMessage)):
        return False
    if isinstance(message, dict):
        raise TypeError("a message cannot be a dict; send json.dumps() of it")
    try:
        memoryview(message)  # type: ignore[arg-type]
    except TypeError:
        return hasattr(message, "__iter__")
    return False


def to_compress(extension: PerMessageDeflate, payload: bytes, compress: Optional[bool]) -> bool:
    """Whether a whole message is compressed: as ``compress`` says, else by its length."""
    return len(payload) >= extension.threshold if compress is None else compress


class PreparedMessage:
    """A message ready to be sent to many: one frame per set of negotiated parameters, made once.

    ``text`` and ``compress`` are as in ``Protocol.send_message``.
    """

    __slots__ = ("_compress", "_frames", "_payloads", "opcode", "payload")

    def __init__(
        self,
        message: Union[str, Buffer],
        *,
        text: Optional[bool] = None,
        compress: Optional[bool] = None,
    ) -> None:
        self.opcode, self.payload = message_payload(message, text)
        self._compress = compress
        self._payloads: dict[Hashable, bytes] = {}
        self._frames: dict[Hashable, bytes] = {}

    @property
    def size(self) -> float:
        """What compression thresholds are compared with: bytes, unless ``compress`` decides."""
        if self._compress is None:
            return len(self.payload)
        return float("inf") if self._compress else -1

    def frame(self, role: Role, extension: Optional[PerMessageDeflate]) -> bytes:
        """Return the frame to send on a connection; it is part of no other message's context."""
        if extension is None or self.size < extension.threshold:
            key, payload, rsv = None, self.payload, 0
        else:
            # Whatever the connection compressed before is not referred to, and will not be after.
            extension.note_shared()
            key, rsv = extension.key, RSV1
            if key not in self._payloads:
                self._payloads[key] = extension.compress_shared(self.payload)
            payload = self._payloads[key]
        if role is Role.CLIENT:
            # RFC 6455 §5.3: each frame of a client has a key of its own.
            return serialize_frame(self.opcode, payload, rsv=rsv, masking_key=new_masking_key())
        if key not in self._frames:
            self._frames[key] = serialize_frame(self.opcode, payload, rsv=rsv)
        return self._frames[key]
