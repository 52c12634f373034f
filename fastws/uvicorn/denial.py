"""The HTTP response an application gives instead of a WebSocket connection, piece by piece."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Optional

from ..http11 import Headers, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Denial", "decode_headers"]

# How the body is framed, and that the connection ends after it, is for the server to say.
_OURS = ("connection", "transfer-encoding")
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


def decode_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return ASGI headers as ``Headers``; raises ValueError for those HTTP does not allow."""
    return Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


class Denial:
    """A response under way (ASGI extension ``websocket.http.response``).

    ``defaults`` are the server's own headers, which those of the application replace.
    """

    def __init__(
        self,
        status: int,
        headers: Iterable[tuple[bytes, bytes]],
        defaults: Iterable[tuple[bytes, bytes]],
    ) -> None:
        # An interim response would not end the handshake, and 101 would agree to it.
        if not 200 <= status < 600:
            raise RuntimeError(f"Invalid HTTP status code '{status}' in response.")
        self.status = status
        self.started = False  # the head is sent: no other response can be given
        self._chunked = False
        self._headers = decode_headers(defaults)
        own = decode_headers(headers)
        for name in (*own, *_OURS):
            if name in self._headers:
                del self._headers[name]
        for name, value in own.raw_items():
            if name.lower() not in _OURS:
                self._headers[name] = value
        self._headers["Connection"] = "close"

    def start(self) -> bytes:
        """Return the head, unless it has to wait until the length of the body is known."""
        if "Content-Length" in self._headers or self.status in _WITHOUT_BODY:
            return self._head()
        return b""

    def body(self, body: bytes, more: bool) -> bytes:
        """Return what to send for a piece of the body, the last one unless ``more``."""
        head = b"" if self.started else self._head(None if more else len(body))
        if self.status in _WITHOUT_BODY:
            return head
        if not self._chunked:
            return head + body
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return head + chunk + (b"" if more else b"0\r\n\r\n")

    def _head(self, length: Optional[int] = None) -> bytes:
        self.started = True
        if "Content-Length" not in self._headers and self.status not in _WITHOUT_BODY:
            if length is None:
                self._chunked = True
                self._headers["Transfer-Encoding"] = "chunked"
            else:
                self._headers["Content-Length"] = str(length)
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = ""
        return Response(self.status, phrase, self._headers).serialize()
