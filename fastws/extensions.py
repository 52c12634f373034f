"""Extensions in the handshake: the syntax of Sec-WebSocket-Extensions (RFC 6455 §9.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Optional, Protocol

from .errors import InvalidHeaderFormat
from .headers import TOKEN, is_token

__all__ = [
    "ClientDeflate",
    "Extension",
    "Parameter",
    "ServerDeflate",
    "parse_extensions",
    "serialize_extensions",
]

# One parameter: its name, and its value when it has one.
Parameter = tuple[str, Optional[str]]

# One entry of the header: an extension's name and its parameters.
Extension = tuple[str, list[Parameter]]

_OWS = r"[ \t]*"

# Empty members of the list are skipped: RFC 9110 §5.6.1.2.
_extension_name = re.compile(rf"[ \t,]*({TOKEN}){_OWS}")
_parameter = re.compile(
    rf";{_OWS}({TOKEN}){_OWS}"
    rf'(?:={_OWS}(?:({TOKEN})|"((?:[^"\\]|\\.)*)"){_OWS})?'
)
_escape = re.compile(r"\\(.)")


class ClientDeflate(Protocol):
    """What the client asks of its permessage-deflate configuration."""

    def offers(self) -> list[Extension]:
        """Return what to offer, in order of preference."""

    def client_accept(self, params: list[Parameter]) -> Any:
        """Return the extension for the server's answer, or raise NegotiationError."""


class ServerDeflate(Protocol):
    """What the server asks of its permessage-deflate configuration."""

    def server_accept(self, offers: list[list[Parameter]]) -> Optional[tuple[list[Parameter], Any]]:
        """Return the answer to the offers and the extension, or None to decline them all."""


def parse_extensions(values: Sequence[str]) -> list[Extension]:
    """Parse every value of Sec-WebSocket-Extensions, in order.

    Several headers mean the same as one list (RFC 6455 §9.1).
    """
    header = ", ".join(values)
    extensions: list[Extension] = []
    position = 0
    while True:
        match = _extension_name.match(header, position)
        if match is None:
            if extensions and not header[position:].strip(" \t,"):
                return extensions
            raise _malformed("expected extension name", header, position)
        parameters, position = _parse_parameters(header, match.end())
        extensions.append((match[1], parameters))
        if position == len(header):
            return extensions
        if header[position] != ",":
            raise _malformed("expected comma or semicolon", header, position)


def serialize_extensions(extensions: Iterable[Extension]) -> str:
    """Return the value of a Sec-WebSocket-Extensions header."""
    return ", ".join(
        "; ".join(
            [name] + [key if value is None else f"{key}={value}" for key, value in parameters]
        )
        for name, parameters in extensions
    )


def _parse_parameters(header: str, position: int) -> tuple[list[Parameter], int]:
    parameters: list[Parameter] = []
    while header.startswith(";", position):
        match = _parameter.match(header, position)
        if match is None:
            raise _malformed("expected parameter", header, position)
        name, value, quoted = match.groups()
        if quoted is not None:
            # RFC 6455 §9.1: what is quoted must be a token once the escapes are gone.
            value = _escape.sub(r"\1", quoted)
            if not is_token(value):
                raise _malformed("expected token between quotes", header, match.start(3))
        parameters.append((name, value))
        position = match.end()
    return parameters, position


def _malformed(error: str, header: str, position: int) -> InvalidHeaderFormat:
    return InvalidHeaderFormat("Sec-WebSocket-Extensions", error, header, position)
