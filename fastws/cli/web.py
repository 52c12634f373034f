"""What the server answers to plain HTTP: a page that is a client, and a sign of health."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__, backend

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..aio import ServerConnection
    from ..http11 import Request, Response

__all__ = ["web_answers"]

_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    # The page needs nothing from anywhere, except WebSocket, so it gets no more.
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; connect-src ws: wss:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def web_answers(mode: str) -> Callable[[ServerConnection, Request], Response | None]:
    """Return a ``process_request`` that leaves alone what asks for WebSocket."""
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    for name, value in (("mode", mode), ("version", __version__), ("backend", backend)):
        page = page.replace(f"{{{{{name}}}}}", value)

    def process_request(ws: ServerConnection, request: Request) -> Response | None:
        if request.method not in ("GET", "HEAD") or "Upgrade" in request.headers:
            return None
        path = request.path.partition("?")[0]
        if path == "/health":
            return ws.respond(200, "ok\n")
        if path != "/":
            return ws.respond(404, "There is nothing here: the page is at /.\n")
        response = ws.respond(200, page)
        del response.headers["Content-Type"]
        response.headers.update(_PAGE_HEADERS)
        return response

    return process_request
