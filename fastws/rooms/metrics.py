"""A server's and a hub's figures at a path, for Prometheus and others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Optional

from ..openmetrics import CONTENT_TYPE, openmetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..aio import Server, ServerConnection
    from ..http11 import Request, Response
    from .hub import Hub

__all__ = ["metrics"]

_GAUGES = {"connections", "healthy", "rooms", "receivers", "processes", "pending"}


def metrics(
    path: str = "/metrics", hub: Optional[Hub] = None, server: Optional[Server] = None
) -> Callable[[ServerConnection, Request], Optional[Response]]:
    """Return a ``process_request`` that answers a GET of this path with OpenMetrics text.

    It has the figures of ``server``, or of the one that answers, and of ``hub``. Other requests are
    left alone. Every sample has a label ``process``, as several may answer at one address.
    """

    def process_request(ws: ServerConnection, request: Request) -> Optional[Response]:
        if request.path.partition("?")[0] != path or "Upgrade" in request.headers:
            return None
        families: dict[str, Any] = {"fastws": (server or ws.server).stats()}
        if hub is not None:
            families["fastws_hub"] = hub.stats()
        response = ws.respond(200, openmetrics(families, _GAUGES, {"process": str(os.getpid())}))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = CONTENT_TYPE
        return response

    return process_request
