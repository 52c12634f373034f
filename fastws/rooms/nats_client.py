"""The client of NATS with what it lacks: TLS that is not optional, and closing to the end."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any, Optional
from urllib.parse import parse_qsl

import nats.aio.client
import nats.errors

from .tasks import within
from .urls import each_host, shown

__all__ = ["NatsClient", "servers"]

# As the client of Redis calls them: one way to name certificates in a URL.
_TLS_OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}


class NatsClient(nats.aio.client.Client):
    """A client that speaks nothing but TLS if it has a context for it."""

    def __init__(self, tls: Optional[ssl.SSLContext]) -> None:
        super().__init__()
        self._tls = tls

    async def connect(self, *args: Any, **kwargs: Any) -> None:
        """As the original, with the context."""
        if self._tls is not None:
            kwargs["tls"] = self._tls
        await super().connect(*args, **kwargs)

    def _connect_command(self) -> bytes:
        # The password is in here. The original sends it in plain text, even for tls://, to a
        # server that does not ask for TLS, or to somebody between who says so.
        if self._tls is not None and not self._server_info.get("tls_required"):
            raise nats.errors.SecureConnRequiredError
        command: bytes = super()._connect_command()
        return command

    async def close(self) -> None:
        """Close, and wait for a second at most."""
        with contextlib.suppress(Exception):
            await within(1, super().close())
        self._let_go()

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        # Also called by the task that reads, of which nobody asks how it ended. The original stops
        # halfway if the connection breaks while it writes what is left.
        try:
            await super()._close(status, do_cbs)
        except Exception:
            self._let_go()
            if do_cbs and self._closed_cb is not None:
                await self._closed_cb()

    def _let_go(self) -> None:
        for subscription in list(self._subs.values()):
            subscription._stop_processing()
        if self._transport is not None:
            self._transport.close()


def servers(url: str) -> tuple[list[str], Optional[ssl.SSLContext]]:
    """Return the servers of ``nats://user:password@one:4222,two:4222``, and what TLS they need.

    ``tls://`` needs it; ``?ssl_ca_certs=FILE``, ``ssl_certfile`` and ``ssl_keyfile`` are PEM files.
    """
    scheme = url.split("://", 1)[0]
    found, query = [], ""
    for parts in each_host(url, scheme):
        query = parts.query
        try:
            valid = bool(parts.hostname) and parts.port != 0 and not parts.path.strip("/")
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(
                f"{shown(url)} is not the URL of a NATS server: nats://HOST:PORT[,HOST:PORT...]"
            )
        found.append(f"{scheme}://{parts.netloc}")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(options.keys() - _TLS_OPTIONS)
    if unknown:
        raise ValueError(
            f"{shown(url)}: the URL of a NATS server takes {', '.join(sorted(_TLS_OPTIONS))}, "
            f"not {', '.join(unknown)}"
        )
    return found, _context(url, options) if options or scheme == "tls" else None


def _context(url: str, options: dict[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
        if "ssl_certfile" in options:
            context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    except OSError as error:  # so are those of ssl
        raise ValueError(f"{shown(url)}: its certificates cannot be read: {error}") from error
    return context
