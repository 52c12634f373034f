"""``python -m fastws serve``: an echo or chat server until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
import os
import socket
import ssl
import sys
from typing import TYPE_CHECKING

from .. import __version__, backend
from ..aio import serve as serve_websocket
from .chat import Chat
from .errors import CommandError
from .web import web_answers

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from ..aio import Server, ServerConnection

__all__ = ["serve"]

# Long enough for a client that is there, short enough for whoever pressed Ctrl-C.
GOODBYE_SECONDS = 3

LISTENING = "fastws {version} ({backend}): {mode} at {http} and {ws} (Ctrl-C ends it)"


async def serve(options: Namespace) -> int:
    """Run the server until this is cancelled; return the exit code."""
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )
    tls = None if options.tls is None else _tls_context(*options.tls)
    try:
        server = await serve_websocket(
            Chat().handler if options.mode == "chat" else echo,
            options.host,
            options.port,
            ssl=tls,
            origins=options.origin,
            select_subprotocol=functools.partial(_select_subprotocol, options.subprotocol),
            process_request=web_answers(options.mode),
            compression=options.compression,
            max_size=options.max_size,
            ping_interval=options.ping_interval,
            close_timeout=GOODBYE_SECONDS,
        )
    except OSError as error:
        raise CommandError(_why_not_listening(error, options)) from None
    print(_listening(server, options), flush=True)
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        if sys.stdout.isatty():
            print()  # terminals show Ctrl-C as ^C
        # The first signal asks; a second one would cancel this too.
        server.close(reason="the server was stopped")
        await server.wait_closed()
    return 0


async def echo(ws: ServerConnection) -> None:
    """Send every message back."""
    async for message in ws:
        await ws.send(message)


def _select_subprotocol(
    ours: list[str], ws: ServerConnection, offered: Sequence[str]
) -> str | None:
    """Return the first of ours that is offered; a client that offers none of them may stay."""
    return next((subprotocol for subprotocol in ours if subprotocol in offered), None)


def _tls_context(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for path in (certificate, key):
        try:
            open(path, "rb").close()  # OpenSSL does not say which of the two it cannot read
        except OSError as error:
            raise CommandError(f"cannot read {path}: {error.strerror}") from None
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        why = f": {error.reason.lower().replace('_', ' ')}" if error.reason else ""
        raise CommandError(
            f"{certificate} and {key} are not a certificate and its key{why}"
        ) from None
    return context


def _why_not_listening(error: OSError, options: Namespace) -> str:
    address = f"{options.host} port {options.port}"
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {options.host}: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        return f"{address} is in use: choose another with --port, or --port 0 for any"
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"cannot listen on {address}: {reason}"


def _listening(server: Server, options: Namespace) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"  # browsers refuse the address that means all addresses
    elif ":" in host:
        host = f"[{host}]"
    s = "" if options.tls is None else "s"
    return LISTENING.format(
        version=__version__,
        backend=backend,
        mode=options.mode,
        http=f"http{s}://{host}:{port}/",
        ws=f"ws{s}://{host}:{port}/",
    )
