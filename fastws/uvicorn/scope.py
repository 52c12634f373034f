"""What an ASGI application is told about a WebSocket connection: its scope (ASGI 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

if TYPE_CHECKING:
    import asyncio

    from ..http11 import Request

__all__ = ["make_scope"]


def make_scope(
    request: Request,
    subprotocols: list[str],
    transport: asyncio.Transport,
    config: Any,
    app_state: dict[str, Any],
) -> dict[str, Any]:
    """Return the scope of a connection, from its request, its transport and uvicorn's settings."""
    raw_path, _, query = request.path.partition("?")
    return {
        "type": "websocket",
        "asgi": {"version": config.asgi_version, "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "wss" if is_ssl(transport) else "ws",
        "server": get_local_addr(transport),
        "client": get_remote_addr(transport),
        "root_path": config.root_path,
        "path": config.root_path + unquote(raw_path),
        "raw_path": (config.root_path + raw_path).encode("ascii"),
        "query_string": query.encode("ascii"),
        "headers": [
            (name.lower().encode("ascii"), value.encode("latin-1"))
            for name, value in request.headers.raw_items()
        ],
        "subprotocols": subprotocols,
        "state": app_state.copy(),
        "extensions": {"websocket.http.response": {}},
    }
