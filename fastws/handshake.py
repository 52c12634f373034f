"""The opening handshake, both roles: bytes and requests in, responses out (RFC 6455 §4)."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Sequence
from email.utils import formatdate
from hashlib import sha1
from http import HTTPStatus
from typing import Any, Optional, Union

from .errors import (
    InvalidHandshake,
    InvalidHeaderValue,
    InvalidMessage,
    InvalidMethod,
    InvalidOrigin,
    InvalidStatus,
    InvalidUpgrade,
    NegotiationError,
    SecurityError,
)
from .extensions import (
    ClientDeflate,
    Parameter,
    ServerDeflate,
    parse_extensions,
    serialize_extensions,
)
from .headers import check_header, get_single, is_token, parse_tokens
from .http11 import (
    DEFAULT_LIMITS,
    SERVER,
    USER_AGENT,
    Buffer,
    Headers,
    HeadersLike,
    Limits,
    Request,
    RequestParser,
    Response,
    ResponseParser,
)
from .redirect import redirect_target, redirected_headers
from .uri import URI

__all__ = ["ClientHandshake", "ServerHandshake", "accept_key"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_VERSION = "13"
_DEFLATE = "permessage-deflate"

# 16 bytes in base64 (RFC 6455 §4.2.1).
_key = re.compile(r"[A-Za-z0-9+/]{22}==")
# What may be in a Host header: a name or an address, and a port (RFC 9110 §7.2).
_host = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9!$%&'()*+,;=._~-]*)(?::[0-9]*)?")

_NOT_A_WEB_PAGE = (
    "This address is for WebSocket: open it with a WebSocket client, not as a web page.\n"
    "A proxy in front of the server has to pass on the Connection and Upgrade headers.\n"
)

Origins = Sequence[Union[str, "re.Pattern[str]", None]]


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 §4.2.2)."""
    digest = sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


class ServerHandshake:
    """The server's side: parse a request, judge it, answer it.

    ``origins`` are strings, patterns that match a whole origin, and None for requests without
    one; without ``origins``, every origin may connect. ``select_subprotocol`` takes the list
    the client offers and returns one of it, or None; without it, the client must offer one of
    ``subprotocols``, and gets the first of them that it offers.
    """

    def __init__(
        self,
        *,
        origins: Optional[Origins] = None,
        subprotocols: Optional[Sequence[str]] = None,
        select_subprotocol: Optional[Callable[[list[str]], Optional[str]]] = None,
        deflate: Optional[ServerDeflate] = None,
        server_header: Optional[str] = SERVER,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        _check_subprotocols(subprotocols)
        if isinstance(origins, str):  # a sequence of str too
            raise TypeError("origins must be a list of str, patterns and None, not a str")
        if server_header is not None and server_header is not SERVER:
            check_header("Server", server_header)
        self.request: Optional[Request] = None
        self.subprotocol: Optional[str] = None
        self.extension: Any = None
        self.error: Optional[Exception] = None
        self._origins = origins
        self._subprotocols = subprotocols
        self._select_subprotocol = select_subprotocol
        self._deflate = deflate
        self._server_header = server_header
        self._parser = RequestParser(limits)

    @property
    def trailing(self) -> bytes:
        """The bytes that came after the request."""
        return self._parser.trailing

    def receive_data(self, data: Buffer) -> Optional[Request]:
        """Take bytes; return the request once, when it is complete."""
        request = self._parser.receive_data(data)
        if request is not None:
            self.request = request
        return request

    def accept(self, request: Request) -> Response:
        """Return the answer to a request, 101 or an error; never raise."""
        self.request = request
        try:
            key = self._check(request)
            headers = [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", accept_key(key)),
            ]
            parameters, extension = self._negotiate_deflate(request.headers)
            if extension is not None:
                value = serialize_extensions([(_DEFLATE, parameters)])
                headers.append(("Sec-WebSocket-Extensions", value))
            subprotocol = self._negotiate_subprotocol(request.headers)
            if subprotocol is not None:
                headers.append(("Sec-WebSocket-Protocol", subprotocol))
            if self._server_header is not None:
                headers.append(("Server", self._server_header))
        except Exception as error:
            return self.error_response(error)
        self.extension = extension
        self.subprotocol = subprotocol
        return Response(101, "Switching Protocols", Headers.trusted(headers))

    def error_response(self, error: Exception) -> Response:
        """Return the answer for an error, and keep it in ``error``."""
        self.error = error
        if not isinstance(error, InvalidHandshake):
            # What went wrong in the application is for the server's log only.
            return self.reject(500, "Cannot open a WebSocket connection.\n")
        status, headers = _refusal(error)
        text = f"Cannot open a WebSocket connection: {error}.\n"
        if isinstance(error, InvalidUpgrade):
            text += _NOT_A_WEB_PAGE
        return self.reject(status, text, headers)

    def reject(
        self,
        status: Union[int, HTTPStatus],
        text: str,
        headers: Optional[HeadersLike] = None,
    ) -> Response:
        """Return a plain HTTP answer; ``headers`` replace those it would have."""
        status = HTTPStatus(status)
        body = text.encode("utf-8", "backslashreplace")
        defaults = {"Date": formatdate(usegmt=True), "Connection": "close"}
        if self._server_header is not None:
            defaults["Server"] = self._server_header
        if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            defaults["Content-Length"] = str(len(body))
            defaults["Content-Type"] = "text/plain; charset=utf-8"
        elif body:
            raise ValueError(f"HTTP {status.value} has no body")
        if self.request is not None and self.request.method == "HEAD":
            body = b""  # RFC 9110 §9.3.2: the headers of GET, and nothing after them
        answer = Headers() if headers is None else Headers(headers)
        answer.update({name: defaults[name] for name in defaults if name not in answer})
        return Response(status.value, status.phrase, answer, body)

    def _check(self, request: Request) -> str:
        """Return the key of a valid request (RFC 6455 §4.2.1)."""
        if request.method != "GET":
            raise InvalidMethod(request.method)
        headers = request.headers
        # RFC 9110 §7.8: a server must ignore Upgrade in HTTP/1.0, which has no Host either.
        if request.protocol == "HTTP/1.0":
            raise InvalidUpgrade("Upgrade", "HTTP/1.0 cannot upgrade")
        host = get_single(headers, "Host")
        if _host.fullmatch(host) is None:
            raise InvalidHeaderValue("Host", host)
        # Bytes of a body would be taken for frames, or for a request by a proxy.
        if "Transfer-Encoding" in headers or set(headers.get_all("Content-Length")) - {"0"}:
            raise InvalidMessage("a request to open a WebSocket connection has no body")
        _check_option(headers, "Connection", "upgrade")
        _check_option(headers, "Upgrade", "websocket")
        version = get_single(headers, "Sec-WebSocket-Version")
        if version != _VERSION:
            raise InvalidHeaderValue("Sec-WebSocket-Version", version)
        key = get_single(headers, "Sec-WebSocket-Key")
        if _key.fullmatch(key) is None:
            raise InvalidHeaderValue("Sec-WebSocket-Key", key)
        self._check_origin(get_single(headers, "Origin") if "Origin" in headers else None)
        return key

    def _check_origin(self, origin: Optional[str]) -> None:
        if self._origins is None:
            return
        for allowed in self._origins:
            if isinstance(allowed, re.Pattern):
                if origin is not None and allowed.fullmatch(origin):
                    return
            elif allowed == origin:
                return
        raise InvalidOrigin(origin)

    def _negotiate_deflate(self, headers: Headers) -> tuple[list[Parameter], Any]:
        values = headers.get_all("Sec-WebSocket-Extensions")
        if not values:
            return [], None
        offers = [params for name, params in parse_extensions(values) if name == _DEFLATE]
        if not offers or self._deflate is None:
            return [], None
        return self._deflate.server_accept(offers) or ([], None)

    def _negotiate_subprotocol(self, headers: Headers) -> Optional[str]:
        values = headers.get_all("Sec-WebSocket-Protocol")
        offered = parse_tokens("Sec-WebSocket-Protocol", values)
        if self._select_subprotocol is None:
            return self._select_first(offered)
        subprotocol = self._select_subprotocol(offered)
        if subprotocol is not None and subprotocol not in offered:
            raise ValueError(f"selected subprotocol {subprotocol!r} is not one of {offered}")
        return subprotocol

    def _select_first(self, offered: list[str]) -> Optional[str]:
        if not self._subprotocols:
            return None
        for subprotocol in self._subprotocols:
            if subprotocol in offered:
                return subprotocol
        expected = ", ".join(self._subprotocols)
        raise NegotiationError(f"no common subprotocol: this server speaks {expected}")


class ClientHandshake:
    """The client's side: make a request, parse and verify the response.

    ``additional_headers`` replace Host, Authorization, Origin and User-Agent when they have
    them; those the handshake is made of are refused.
    """

    def __init__(
        self,
        uri: URI,
        *,
        origin: Optional[str] = None,
        subprotocols: Optional[Sequence[str]] = None,
        deflate: Optional[ClientDeflate] = None,
        additional_headers: Optional[HeadersLike] = None,
        user_agent_header: Optional[str] = USER_AGENT,
        key: Optional[str] = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        _check_subprotocols(subprotocols)
        self.uri = uri
        self.key = key or base64.b64encode(os.urandom(16)).decode("ascii")
        self.subprotocol: Optional[str] = None
        self.extension: Any = None
        self._subprotocols = subprotocols or ()
        self._deflate = deflate
        self._additional = Headers() if additional_headers is None else Headers(additional_headers)
        self._parser = ResponseParser(limits)
        self.request = self._make_request(origin, user_agent_header)

    @property
    def trailing(self) -> bytes:
        """The bytes that came after the response."""
        return self._parser.trailing

    def receive_data(self, data: Buffer) -> Optional[Response]:
        """Take bytes; return the response once, when it is complete."""
        return self._parser.receive_data(data)

    def receive_eof(self) -> Optional[Response]:
        """Take the end of the stream; return the response if this completes it."""
        return self._parser.receive_eof()

    def verify(self, response: Response) -> None:
        """Raise an InvalidHandshake unless the response opens the connection (RFC 6455 §4.1)."""
        if response.status_code != 101:
            raise InvalidStatus(response)
        headers = response.headers
        _check_option(headers, "Connection", "upgrade")
        # The server switches to one protocol, where a client may name several.
        if _check_option(headers, "Upgrade", "websocket") > 1:
            raise InvalidUpgrade("Upgrade", ", ".join(headers.get_all("Upgrade")))
        accept = get_single(headers, "Sec-WebSocket-Accept")
        if accept != accept_key(self.key):
            raise InvalidHeaderValue("Sec-WebSocket-Accept", accept)
        self.extension = self._verify_extensions(headers)
        self.subprotocol = self._verify_subprotocol(headers)

    def redirect(self, response: Response) -> Optional[URI]:
        """Return where a response redirects to, or None when it does not."""
        return redirect_target(self.uri, response)

    def additional_headers_for(self, uri: URI) -> Headers:
        """Return the additional headers to send to a URI this one redirects to."""
        return redirected_headers(self._additional, self.uri, uri)

    def _make_request(self, origin: Optional[str], user_agent: Optional[str]) -> Request:
        additional = self._additional
        for name in additional:
            if name in ("connection", "upgrade") or name.startswith("sec-websocket-"):
                raise ValueError(f"additional header {name} is set by the handshake itself")
        headers = Headers()
        replaceable = {
            "Host": self.uri.host_header,
            "Authorization": self.uri.authorization,
            "Origin": origin,
            "User-Agent": user_agent,
        }
        for name, value in replaceable.items():
            if value is not None and name not in additional:
                headers[name] = value
        headers["Upgrade"] = "websocket"
        headers["Connection"] = "Upgrade"
        headers["Sec-WebSocket-Key"] = self.key
        headers["Sec-WebSocket-Version"] = _VERSION
        offers = self._deflate.offers() if self._deflate is not None else []
        if offers:
            headers["Sec-WebSocket-Extensions"] = serialize_extensions(offers)
        if self._subprotocols:
            headers["Sec-WebSocket-Protocol"] = ", ".join(self._subprotocols)
        headers.update(additional)
        return Request(self.uri.resource_name, headers)

    def _verify_extensions(self, headers: Headers) -> Any:
        values = headers.get_all("Sec-WebSocket-Extensions")
        if not values:
            return None
        extensions = parse_extensions(values)
        for name, _ in extensions:
            if name != _DEFLATE or self._deflate is None:
                raise NegotiationError(f"server uses extension {name}, which was not offered")
        if len(extensions) > 1:
            raise NegotiationError(f"server uses {_DEFLATE} more than once")
        assert self._deflate is not None
        return self._deflate.client_accept(extensions[0][1])

    def _verify_subprotocol(self, headers: Headers) -> Optional[str]:
        values = headers.get_all("Sec-WebSocket-Protocol")
        subprotocols = parse_tokens("Sec-WebSocket-Protocol", values)
        if not subprotocols:
            return None
        if len(subprotocols) > 1:
            raise NegotiationError(f"server uses subprotocols {', '.join(subprotocols)}, not one")
        if subprotocols[0] not in self._subprotocols:
            raise NegotiationError(f"server uses subprotocol {subprotocols[0]}, not one offered")
        return subprotocols[0]


def _refusal(error: InvalidHandshake) -> tuple[int, dict[str, str]]:
    """Return the status and the additional headers that tell a client about an error."""
    # RFC 9110 §7.8: Upgrade comes with its connection option.
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade, close"}
    if isinstance(error, InvalidOrigin):
        return 403, {}
    if isinstance(error, InvalidMethod):
        return 405, {"Allow": "GET"}
    if isinstance(error, SecurityError):
        return 431, {}
    if isinstance(error, InvalidUpgrade):
        return 426, upgrade
    if isinstance(error, InvalidHeaderValue) and error.name == "Sec-WebSocket-Version":
        return 426, {**upgrade, "Sec-WebSocket-Version": _VERSION}  # RFC 6455 §4.4
    return 400, {}


def _check_option(headers: Headers, name: str, option: str) -> int:
    """Raise InvalidUpgrade unless the list in a header has an option; return its length."""
    values = headers.index().get(name.lower(), [])
    options = [value.lower() for value in values]
    if options != [option]:
        options = [token.lower() for token in parse_tokens(name, values)]
    if option not in options:
        raise InvalidUpgrade(name, ", ".join(values) or None)
    return len(options)


def _check_subprotocols(subprotocols: Optional[Sequence[str]]) -> None:
    if subprotocols is None:
        return
    # A str is a sequence of str: each of its letters would become a subprotocol.
    if isinstance(subprotocols, str):
        raise TypeError("subprotocols must be a list of str, not a str")
    for subprotocol in subprotocols:
        if not is_token(subprotocol):
            raise ValueError(f"subprotocol is not a token: {subprotocol!r}")
