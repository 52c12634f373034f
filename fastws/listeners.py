"""Listening sockets that asyncio and blocking servers open alike: those on Unix paths."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    Path = Union[str, bytes, os.PathLike[str], os.PathLike[bytes], None]

__all__ = ["open_unix_listener"]


def open_unix_listener(path: Path) -> socket.socket:
    """Return a Unix socket bound to a path, where a dead server may have left its own.

    A path that begins with a null character is a name in the abstract namespace of Linux. Raises
    ValueError without a path, OSError if it cannot be listened on.
    """
    if path is None:
        raise ValueError("give a path, or sock")
    name = os.fsdecode(path)
    if name[:1] not in ("\0", ""):
        # A live server's clients go on; it only gets no new ones.
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(name).st_mode):
                os.unlink(name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(name)
    except OSError as error:
        listener.close()
        # Python itself refuses a path that is too long, without a number.
        number, why = error.errno or errno.EINVAL, error.strerror or str(error)
        raise OSError(number, f"cannot listen on {name}: {why}") from None
    return listener
