"""What a message is wrapped in between processes: its kind and the process it comes from."""

from __future__ import annotations

import os
from typing import Union

__all__ = ["CONTROL", "HEAD_BYTES", "new_process", "unwrap", "wrap"]

PROCESS_BYTES = 16
CONTROL = b"c"
_TEXT = b"t"
_BINARY = b"b"
HEAD_BYTES = 1 + PROCESS_BYTES


def new_process() -> str:
    """Return a name for this process that no other has."""
    return os.urandom(PROCESS_BYTES // 2).hex()


def wrap(kind: Union[bytes, bool], process: str, payload: bytes) -> bytes:
    """Return what goes to the broker; ``kind`` is CONTROL, or whether it is text."""
    if isinstance(kind, bool):
        kind = _TEXT if kind else _BINARY
    return kind + process.encode() + payload


def unwrap(data: bytes) -> tuple[Union[bytes, bool], str, bytes]:
    """Undo ``wrap``; ValueError for what it did not make."""
    kind = data[:1]
    if len(data) < HEAD_BYTES or kind not in (_TEXT, _BINARY, CONTROL):
        raise ValueError(f"this did not come from a hub: {data[:40]!r}")
    process = data[1:HEAD_BYTES].decode("latin-1")
    return (kind if kind == CONTROL else kind == _TEXT), process, data[HEAD_BYTES:]
