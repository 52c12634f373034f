"""What a line that starts with a slash does, in an interactive ``connect``."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConnectionClosed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ..aio import ClientConnection

    Note = Callable[[str], object]

__all__ = ["run_line"]


async def run_line(line: str, ws: ClientConnection, note: Note) -> None:
    """Send a line, or do what it says; a mistake is noted, not raised."""
    if not line.startswith("/"):
        if line:
            await ws.send(line)
        return
    if line.startswith("//"):
        await ws.send(line[1:])
        return
    name, _, argument = line[1:].partition(" ")
    command = _COMMANDS.get(name)
    if command is None:
        note(f"there is no /{name}: /help lists the commands; //{name} sends /{name}")
        return
    try:
        await command(ws, argument.strip(), note)
    except ConnectionClosed:
        raise
    except (ValueError, OSError, RuntimeError) as error:
        note(f"/{name}: {error}")


async def _help(ws: ClientConnection, argument: str, note: Note) -> None:
    """show this list"""
    for name, command in _COMMANDS.items():
        usage = f"/{name} {_ARGUMENTS.get(name, '')}"
        note(f"{usage:<24} {inspect.getdoc(command)}")
    note(f"{'//text':<24} send a message that starts with a slash")
    note(f"{'Ctrl-D':<24} close and leave")


async def _ping(ws: ClientConnection, argument: str, note: Note) -> None:
    """send a ping, and show how long its pong takes"""

    def answered(pong: asyncio.Future[float]) -> None:
        if not pong.cancelled() and pong.exception() is None:
            note(f"pong after {pong.result() * 1000:.2f} ms")

    (await ws.ping(argument or None)).add_done_callback(answered)


async def _close(ws: ClientConnection, argument: str, note: Note) -> None:
    """close the connection, with code 1000 unless given"""
    code, _, reason = argument.partition(" ")
    if code and not code.isdecimal():
        raise ValueError(f"{code!r} is not a close code, which is a number like 1000 or 4000")
    await ws.close(int(code or 1000), reason.strip())


async def _hex(ws: ClientConnection, argument: str, note: Note) -> None:
    """send these bytes, as in 00 ff 10"""
    try:
        payload = bytes.fromhex(argument)
    except ValueError:
        raise ValueError("write two hexadecimal digits for each byte, as in 00 ff 10") from None
    await ws.send(payload)


async def _file(ws: ClientConnection, argument: str, note: Note) -> None:
    """send a file as one binary message"""
    try:
        payload = Path(argument).expanduser().read_bytes()
    except OSError as error:
        what = argument or "a file without a name"
        raise ValueError(f"cannot read {what}: {error.strerror}") from None
    await ws.send(payload)
    note(f"sent {len(payload):,} bytes")


_COMMANDS = {"help": _help, "ping": _ping, "close": _close, "hex": _hex, "file": _file}
_ARGUMENTS = {"ping": "[TEXT]", "close": "[CODE] [REASON]", "hex": "BYTES", "file": "PATH"}
