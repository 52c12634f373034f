"""A large frame whose payload comes in pieces: unmasked as it comes, straight into one object."""

from __future__ import annotations

from typing import Any

from .._kernels import MessageReader, parse_header
from ..errors import ProtocolError
from ..frames import Header, Role

__all__ = ["Arriving"]

# Less than this, and the target's own parser is as good.
_LARGE = 16 * 1024


class Arriving:
    """One frame under way: give it what arrives until ``payload`` is there."""

    def __init__(
        self, template: tuple[Any, ...], head: bytes, header: Header, decode: bool
    ) -> None:
        self.template = template
        self.head = head
        self.length = header.payload_length
        self.missing = header.payload_length
        self.payload: str | bytes | None = None
        masked = header.masking_key is not None
        self._reader = MessageReader(
            Role.SERVER if masked else Role.CLIENT, max_size=None, decode=decode
        )
        # Bytes are not validated, so what is not to be decoded is read as binary.
        self._reader.receive(bytes([0x81 if decode else 0x82]) + head[1:])

    @classmethod
    def begin(
        cls,
        data: bytes | bytearray,
        offset: int,
        templates: dict[int, tuple[Any, ...]],
        *,
        masked: bool,
        max_length: int | None,
        decode: bool = False,
    ) -> Arriving | None:
        """Begin the frame at ``offset``; None unless it is large, incomplete and allowed."""
        if len(data) - offset < 4 or data[offset] not in templates:
            return None
        try:
            header = parse_header(data, offset)
        except ProtocolError:
            return None
        if (
            header is None
            or header.payload_length < _LARGE
            or (max_length is not None and header.payload_length > max_length)
            or (header.masking_key is not None) != masked
        ):
            return None
        start = offset + header.header_length
        if len(data) - start >= header.payload_length:
            return None  # it is all there: something else is wrong with it
        text = decode and data[offset] == 0x81
        arriving = cls(templates[data[offset]], bytes(data[offset:start]), header, text)
        arriving.receive(memoryview(data)[start:])
        return arriving

    def get_buffer(self) -> Any:
        """Return memory for the next bytes of the payload; None if so few are not worth it."""
        return self._reader.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes written into the last ``get_buffer``."""
        self._took(nbytes, self._reader.buffer_updated(nbytes))

    def receive(self, data: bytes | bytearray | memoryview) -> int:
        """Take what belongs to this frame from the start of ``data``; return how much that was."""
        taken = min(len(data), self.missing)
        self._took(taken, self._reader.receive(data, taken))
        return taken

    def _took(self, nbytes: int, events: list[Any]) -> None:
        self.missing -= nbytes
        if events:
            # Perhaps a violation, of a text that is not UTF-8: then there is no payload.
            event = events[0]
            self.payload = event if isinstance(event, (str, bytes)) else None
