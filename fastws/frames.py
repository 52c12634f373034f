"""The words of RFC 6455: roles, opcodes, close codes, frame headers and control frames."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple, Optional, Union

__all__ = ["Close", "CloseCode", "Fragment", "Header", "Opcode", "Ping", "Pong", "Role", "State"]


def printable(text: str) -> str:
    """Return text of a peer as one line, fit for logs: what is not printed is escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class Role(enum.Enum):
    """Our side of a connection; the peer has the other one."""

    CLIENT = "client"
    SERVER = "server"


class State(enum.IntEnum):
    """Where a connection is in its life (RFC 6455 §4 and §7)."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


class Opcode(enum.IntEnum):
    """What a frame is (RFC 6455 §11.8)."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(enum.IntEnum):
    """Why a connection ended (RFC 6455 §7.4.1 and the registry of §11.7)."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RCVD = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


class Header(NamedTuple):
    """One frame header (RFC 6455 §5.2)."""

    fin: bool
    rsv: int  # 3 bits: RSV1 is 4, RSV2 is 2, RSV3 is 1
    opcode: int
    masking_key: Optional[bytes]
    payload_length: int
    header_length: int


@dataclass(frozen=True)
class Ping:
    """A ping frame: its payload comes back in a pong (RFC 6455 §5.5.2)."""

    payload: bytes = b""


@dataclass(frozen=True)
class Pong:
    """A pong frame (RFC 6455 §5.5.3)."""

    payload: bytes = b""


@dataclass(frozen=True)
class Fragment:
    """A part of a message, as its frames were cut; ``fin`` is true for the last (RFC 6455 §5.4)."""

    data: Union[str, bytes]
    fin: bool


@dataclass(frozen=True)
class Close:
    """A close frame: its status code and reason (RFC 6455 §5.5.1)."""

    code: int = CloseCode.NO_STATUS_RCVD
    reason: str = ""

    def __str__(self) -> str:
        try:
            meaning = CloseCode(self.code).name.lower().replace("_", " ")
        except ValueError:
            meaning = "private use" if self.code >= 4000 else "registered"
        text = f"{int(self.code)} ({meaning})"
        return f"{text} {printable(self.reason)}" if self.reason else text
