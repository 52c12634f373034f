"""WebSocket (RFC 6455, RFC 7692): kernels, protocol, servers and clients."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from .accelerate import accelerate as accelerate
    from .deflate import Deflate as Deflate
    from .http11 import Headers as Headers
    from .http11 import Request as Request
    from .http11 import Response as Response
    from .prepared import PreparedMessage as PreparedMessage
    from .protocol import Protocol as Protocol

__version__ = "0.1.0"

# Whoever wants a kernel does not pay for importing the rest.
_LATER = {
    "Deflate": "deflate",
    "Headers": "http11",
    "PreparedMessage": "prepared",
    "Protocol": "protocol",
    "Request": "http11",
    "Response": "http11",
    "accelerate": "accelerate",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'fastws' has no attribute {name!r}")
    module = import_module(f".{_LATER[name]}", __name__)
    # A module that can be called is both what it says and where it says it.
    return module if name == _LATER[name] else getattr(module, name)


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
    *_LATER,
]
