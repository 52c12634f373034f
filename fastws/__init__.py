"""WebSocket (RFC 6455, RFC 7692): kernels, protocol, servers and clients."""

from __future__ import annotations

from ._kernels import (
    MessageReader,
    Utf8Validator,
    apply_mask,
    apply_mask_inplace,
    backend,
    is_utf8,
    parse_close,
    parse_header,
    serialize_close,
    serialize_frame,
)
from .errors import *  # noqa: F403
from .errors import __all__ as _errors
from .frames import Close, CloseCode, Fragment, Header, Opcode, Ping, Pong, Role, State

__version__ = "0.1.0"

__all__ = [
    "Close",
    "CloseCode",
    "Fragment",
    "Header",
    "MessageReader",
    "Opcode",
    "Ping",
    "Pong",
    "Role",
    "State",
    "Utf8Validator",
    "apply_mask",
    "apply_mask_inplace",
    "backend",
    "is_utf8",
    "parse_close",
    "parse_header",
    "serialize_close",
    "serialize_frame",
    *_errors,
]
