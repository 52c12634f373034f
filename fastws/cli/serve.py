"""``python -m fastws serve``: an echo or chat server until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import os
import socket
import ssl
import sys
from typing import TYPE_CHECKING, Any

from .. import __version__, backend
from ..aio import serve as serve_websocket
from ..frames import CloseCode
from ..rooms import Hub, metrics
from .chat import Chat
from .errors import CommandError
from .web import web_answers

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import AsyncIterator, Callable, Sequence

    from ..aio import Server, ServerConnection
    from ..http11 import Request, Response

__all__ = ["check", "serve"]

# Long enough for a client that is there, short enough for whoever pressed Ctrl-C.
GOODBYE_SECONDS = 3

LISTENING = "fastws {version} ({backend}): {mode} at {http} and {ws} (Ctrl-C ends it)"


async def serve(options: Namespace) -> int:
    """Run the server until this is cancelled; return the exit code."""
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )
    async with contextlib.AsyncExitStack() as stack:
        hub = None
        if options.mode == "chat":
            hub = await stack.enter_async_context(Hub(options.hub or "memory://"))
        server = await _listen(options, hub)
        for port in _metrics_ports(options):
            await stack.enter_async_context(_metrics_server(options, server, hub, port))
        print(_listening(server, options), flush=True)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            if sys.stdout.isatty():
                print()  # terminals show Ctrl-C as ^C
            # The first signal asks; a second one would cancel this too.
            if options.restarting:
                await server.drain(options.drain, CloseCode.SERVICE_RESTART, "the server restarts")
            else:
                await server.drain(options.drain, reason="the server was stopped")
    return 0


def check(options: Namespace) -> None:
    """Raise CommandError for options that make no sense together."""
    if options.hub is not None:
        if options.mode != "chat":
            raise CommandError("--hub is for --chat: an echo server has nothing to share")
        try:
            Hub(options.hub)
        except (ValueError, ImportError) as error:
            raise CommandError(str(error)) from None
    elif options.mode == "chat" and (options.workers or 1) > 1:
        raise CommandError(
            "workers share their rooms through a broker: add --hub redis://HOST or nats://HOST"
        )
    if options.metrics_port is not None:
        options.metrics = options.metrics or "/metrics"


async def _listen(options: Namespace, hub: Hub | None) -> Server:
    tls = None if options.tls is None else _tls_context(*options.tls)
    kwargs: dict[str, Any] = {} if options.worker is None else {"reuse_port": True}
    try:
        return await serve_websocket(
            echo if hub is None else Chat(hub).handler,
            options.host,
            options.port,
            ssl=tls,
            origins=options.origin,
            select_subprotocol=functools.partial(_select_subprotocol, options.subprotocol),
            process_request=_answers(options, hub),
            compression=options.compression,
            max_size=options.max_size,
            ping_interval=options.ping_interval,
            close_timeout=GOODBYE_SECONDS,
            **kwargs,
        )
    except OSError as error:
        raise CommandError(_why_not_listening(error, options)) from None


def _answers(
    options: Namespace, hub: Hub | None
) -> Callable[[ServerConnection, Request], Response | None]:
    page = web_answers(options.mode)
    if options.metrics is None or options.metrics_port is not None:
        return page
    figures = metrics(options.metrics, hub)
    return lambda ws, request: figures(ws, request) or page(ws, request)


def _metrics_ports(options: Namespace) -> list[int]:
    if options.metrics_port is None:
        return []
    # Port 0 is any, for each worker.
    return [options.metrics_port and options.metrics_port + (options.worker or 0)]


@contextlib.asynccontextmanager
async def _metrics_server(
    options: Namespace, server: Server, hub: Hub | None, port: int
) -> AsyncIterator[None]:
    """Answer for a server on another port."""
    figures = metrics(options.metrics, hub, server)

    def answer(ws: ServerConnection, request: Request) -> Response:
        return figures(ws, request) or ws.respond(404, f"Figures are at {options.metrics}.\n")

    try:
        other = await serve_websocket(echo, options.host, port, process_request=answer)
    except OSError as error:
        raise CommandError(f"cannot answer {options.metrics} on port {port}: {error}") from None
    async with other:
        host, port = other.sockets[0].getsockname()[:2]
        print(f"figures at http://{host}:{port}{options.metrics}", file=sys.stderr, flush=True)
        yield


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
