"""Redirects of the opening handshake: where they lead, and what may not follow them."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from typing import Optional
from urllib.parse import urljoin

from .errors import InvalidURI, SecurityError
from .headers import Headers
from .http11 import Response
from .uri import URI, parse_uri

__all__ = ["redirect_target", "redirected_headers"]

_REDIRECTS = (301, 302, 303, 307, 308)
# Of no concern to another origin; Host would even send it elsewhere.
_PRIVATE = ("authorization", "cookie", "host", "proxy-authorization")

_http_scheme = re.compile(r"^http(?=s?:)", re.IGNORECASE)


def redirect_target(uri: URI, response: Response) -> Optional[URI]:
    """Return where a response to a request for ``uri`` redirects to, or None when it does not.

    Credentials of ``uri`` stay with its origin. Raise SecurityError for a redirect from wss to
    ws, InvalidURI for one to something else.
    """
    locations = response.headers.get_all("Location")
    if response.status_code not in _REDIRECTS or len(locations) != 1:
        return None
    location = locations[0]
    # Headers are ISO-8859-1 here; a server that sends more than ASCII means UTF-8.
    with contextlib.suppress(UnicodeDecodeError):
        location = location.encode("latin-1").decode()
    # A fragment is for documents: RFC 6455 §3.
    location = location.partition("#")[0]
    try:
        target = urljoin(str(uri), location)
    except ValueError as error:
        raise InvalidURI(location, str(error)) from None
    new = parse_uri(_http_scheme.sub("ws", target))
    if uri.secure and not new.secure:
        raise SecurityError(f"redirect from wss to ws: {new}")
    if new.username is None and new.origin == uri.origin:
        new = replace(new, username=uri.username, password=uri.password)
    return new


def redirected_headers(headers: Headers, old: URI, new: URI) -> Headers:
    """Return the headers meant for one URI that may be sent to the one it redirects to."""
    if new.origin == old.origin:
        return headers.copy()
    return Headers(pair for pair in headers.raw_items() if pair[0].lower() not in _PRIVATE)
