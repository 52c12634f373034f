"""A large frame whose payload comes in pieces: unmasked as it comes, straight into one object."""

from __future__ import annotations

import sys
from typing import Any

from .._kernels import PayloadReader, parse_header
from ..errors import ProtocolError
from ..frames import Header

__all__ = ["Arriving"]

# Less than this, and the target's own parser is as good.
_LARGE = 16 * 1024


class Arriving:
    """One frame under way: give it what arrives until none is ``missing``, then take ``payload``.

    With ``text`` the payload is a str if it is ASCII, else bytes that nobody has validated.
    """

    def __init__(
        self, template: tuple[Any, ...], head: bytes, header: Header, text: bool = False
    ) -> None:
        self.template = template
        self.head = head
        self.length = header.payload_length
        self._reader = PayloadReader(header.payload_length, header.masking_key, text=text)
        self.get_buffer = self._reader.get_buffer
        self.buffer_updated = self._reader.buffer_updated
        self.receive = self._reader.receive
        self.payload = self._reader.payload

    @property
    def missing(self) -> int:
        """How many bytes of the payload have not come."""
        return self._reader.missing

    @classmethod
    def begin(
        cls,
        data: bytes | bytearray,
        offset: int,
        templates: dict[int, tuple[Any, ...]],
        *,
        masked: bool | None,
        max_length: int | None,
        decode: bool = False,
    ) -> Arriving | None:
        """Begin the frame at ``offset``; None unless it is large, incomplete, possible and allowed.

        ``masked`` is as in ``take_frames``. With ``decode`` whole texts become str as above.
        """
        if len(data) - offset < 4 or data[offset] not in templates:
            return None
        try:
            header = parse_header(data, offset)
        except ProtocolError:
            return None
        if (
            header is None
            or not _LARGE <= header.payload_length <= sys.maxsize
            or (max_length is not None and header.payload_length > max_length)
            or (masked is not None and (header.masking_key is not None) != masked)
        ):
            return None
        start = offset + header.header_length
        if len(data) - start >= header.payload_length:
            return None  # it is all there: something else is wrong with it
        text = decode and data[offset] == 0x81
        arriving = cls(templates[data[offset]], bytes(data[offset:start]), header, text)
        arriving.receive(memoryview(data)[start:])
        return arriving
