"""``python -m fastws connect``: a client for terminals and scripts."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

from ..aio import connect as connect_websocket
from ..command_line import drop_output
from ..errors import ConnectionClosed, ConnectionClosedOK
from ..frames import State
from ..uri import parse_uri
from .commands import run_line
from .display import plain
from .errors import CommandError
from .failures import why_not_connected
from .terminal import open_terminal

if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from ..aio import ClientConnection
    from .terminal import Terminal

__all__ = ["connect"]

# How long the server may take to answer our goodbye.
GOODBYE_SECONDS = 3


async def connect(options: Namespace) -> int:
    """Talk to the server until either side closes; return the exit code."""
    ws = await _open(options)
    terminal = open_terminal()
    try:
        terminal.note(_greeting(ws))
        closed = await _talk(ws, terminal, options.wait)
        if not _is_normal(closed):
            raise CommandError(plain(_failure(closed)))
        terminal.note(_goodbye(closed))
    except BrokenPipeError:
        drop_output()
    finally:
        terminal.close()
    return 0


async def _open(options: Namespace) -> ClientConnection:
    try:
        return await connect_websocket(
            options.uri,
            additional_headers=options.header,
            subprotocols=options.subprotocol,
            origin=options.origin,
            compression=options.compression,
            max_size=options.max_size,
            ping_interval=options.ping_interval,
            open_timeout=options.timeout,
            close_timeout=GOODBYE_SECONDS,
            **_tls(options),
        )
    except Exception as error:
        raise CommandError(plain(why_not_connected(error, options))) from None


def _tls(options: Namespace) -> dict[str, Any]:
    if not options.insecure:
        return {}
    if not parse_uri(options.uri).secure:
        raise ValueError("--insecure is for wss:// addresses: ws:// has no certificate to check")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


async def _talk(ws: ClientConnection, terminal: Terminal, wait: float) -> ConnectionClosed:
    """Send lines and show messages until either side closes; return how it ended."""
    receiving = asyncio.create_task(_receive(ws, terminal))
    typing = asyncio.create_task(_type(ws, terminal, wait))
    try:
        await asyncio.wait({receiving, typing}, return_when=asyncio.FIRST_COMPLETED)
        if typing.done():
            typing.result()
    finally:
        typing.cancel()
        await asyncio.gather(typing, return_exceptions=True)
        await ws.close()  # answers that are on their way are still shown
    return await receiving


async def _receive(ws: ClientConnection, terminal: Terminal) -> ConnectionClosed:
    while True:
        try:
            message = await ws.recv()
        except ConnectionClosed as closed:
            return closed
        terminal.show(message)


async def _type(ws: ClientConnection, terminal: Terminal, wait: float) -> None:
    with contextlib.suppress(ConnectionClosed):  # the receiving task tells why
        try:
            while ws.state is State.OPEN:  # not after /close
                line = await terminal.line()
                if terminal.interactive:
                    await run_line(line, ws, terminal.note)
                else:
                    await ws.send(line)
        except EOFError:
            if not terminal.interactive:
                await asyncio.sleep(wait)


def _greeting(ws: ClientConnection) -> str:
    assert ws.response is not None
    extensions = ws.response.headers.get_all("Sec-WebSocket-Extensions")
    details = [extension.partition(";")[0] for extension in extensions]
    if ws.subprotocol is not None:
        details.append(f"subprotocol {ws.subprotocol}")
    having = f" ({', '.join(details)})" if details else ""
    return f"Connected{having}. /help lists the commands; Ctrl-D closes."


def _goodbye(closed: ConnectionClosed) -> str:
    who = " by the server" if closed.rcvd_then_sent else ""
    return f"Closed{who}: {closed.rcvd}"


def _failure(closed: ConnectionClosed) -> str:
    if closed.rcvd_then_sent:
        return f"closed by the server: {closed.rcvd}"
    return f"the connection failed: {closed}"


def _is_normal(closed: ConnectionClosed) -> bool:
    """Whether it ended as either side wanted, with any code that /close was given."""
    ours = closed.sent is not None and closed.rcvd is not None and not closed.rcvd_then_sent
    return isinstance(closed, ConnectionClosedOK) or (ours and not closed.cause)
