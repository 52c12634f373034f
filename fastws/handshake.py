"""The opening handshake, both roles: bytes and requests in, responses out (RFC 6455 §4)."""

from __future__ import annotations

import base64
import os
import re
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha1
from http import HTTPStatus
from typing import Any, Optional, Union

from .errors import (
    InvalidHeaderValue,
    InvalidMessage,
    InvalidMethod,
    InvalidOrigin,
    InvalidStatus,
    InvalidUpgrade,
    NegotiationError,
)
from .extensions import (
    ClientDeflate,
    Parameter,
    ServerDeflate,
    parse_extensions,
    serialize_extensions,
)
from .headers import check_header, check_tokens, get_single, parse_tokens
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
from .refusals import VERSION, refusal
from .uri import URI

__all__ = ["ClientHandshake", "ServerHandshake", "accept_key"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_DEFLATE = "permessage-deflate"

# 16 bytes in base64 (RFC 6455 §4.2.1).
_key = re.compile(r"[A-Za-z0-9+/]{22}==")
# What may be in a Host header: a name or an address, and a port (RFC 9110 §7.2).
_host = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9!$%&'()*+,;=._~-]*)(?::[0-9]*)?")

Origins = Sequence[Union[str, "re.Pattern[str]", None]]


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 §4.2.2)."""
    digest = sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()
    return b2a_base64(digest, newline=False).decode("ascii")


@dataclass(frozen=True)
class _Rules:
    """What a server's opening handshakes have in common."""

    origins: Optional[Origins]
    subprotocols: Optional[Sequence[str]]
    deflate: Optional[ServerDeflate]
    server_header: Optional[str]
    limits: Limits


class ServerHandshake:
    """The server's side: parse a request, judge it, answer it.

    ``origins`` are strings, patterns that match a whole origin, and None for requests without
    one; without ``origins``, every origin may connect. ``select_subprotocol`` takes the list
    the client offers and returns one of it, or None; without it, the client must offer one of
    ``subprotocols``, and gets the first of them that it offers.
    """

    # A server has one for each connection.
    __slots__ = (
        "_parser",
        "_rules",
        "_select_subprotocol",
        "error",
        "extension",
        "request",
        "subprotocol",
        "trailing",
    )

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
        check_tokens("subprotocols", subprotocols)
        if isinstance(origins, str):  # a sequence of str too
            raise TypeError("origins must be a list of str, patterns and None, not a str")
        if server_header is not None and server_header is not SERVER:
            check_header("Server", server_header)
        rules = _Rules(origins, subprotocols, deflate, server_header, limits)
        self._start(rules, select_subprotocol)

    def _start(
        self, rules: _Rules, select_subprotocol: Optional[Callable[[list[str]], Optional[str]]]
    ) -> None:
        self.request: Optional[Request] = None
        self.subprotocol: Optional[str] = None
        self.extension: Any = None
        self.error: Optional[Exception] = None
        self.trailing = b""  # what came after the request
        self._rules = rules
        self._select_subprotocol = select_subprotocol
        self._parser: Optional[RequestParser] = RequestParser(rules.limits)

    def again(
        self, select_subprotocol: Optional[Callable[[list[str]], Optional[str]]] = None
    ) -> ServerHandshake:
        """Return the handshake of another connection under the same rules."""
        handshake = ServerHandshake.__new__(ServerHandshake)
        handshake._start(self._rules, select_subprotocol)
        return handshake

    def receive_data(self, data: Buffer) -> Optional[Request]:
        """Take bytes; return the request once, when it is complete."""
        if self._parser is None:
            self.trailing += data
            return None
        request = self._parser.receive_data(data)
        if request is not None:
            self.request = request
            self.trailing = self._parser.trailing
            self._parser = None
        return request

    def accept(self, request: Request) -> Response:
        """Return the answer to a request, 101 or an error; never raise."""
        self.request = request
        try:
            key = self._check(request)
            lines = (
                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept_key(key)}\r\n"
            )
            parameters, extension = self._negotiate_deflate(request.headers)
            if extension is not None:
                value = serialize_extensions([(_DEFLATE, parameters)])
                lines += f"Sec-WebSocket-Extensions: {value}\r\n"
            subprotocol = self._negotiate_subprotocol(request.headers)
            if subprotocol is not None:
                lines += f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
            if self._rules.server_header is not None:
                lines += f"Server: {self._rules.server_header}\r\n"
        except Exception as error:
            return self.error_response(error)
        self.extension = extension
        self.subprotocol = subprotocol
        return Response(101, "Switching Protocols", Headers.trusted(lines))

    def error_response(self, error: Exception) -> Response:
        """Return the answer for an error, and keep it in ``error``."""
        self.error = error
        return self.reject(*refusal(error))

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
        if self._rules.server_header is not None:
            defaults["Server"] = self._rules.server_header
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
        index = headers.index()
        # RFC 9110 §7.8: a server must ignore Upgrade in HTTP/1.0, which has no Host either.
        if request.protocol == "HTTP/1.0":
            raise InvalidUpgrade("Upgrade", "HTTP/1.0 cannot upgrade")
        host = get_single(headers, "Host")
        if _host.fullmatch(host) is None:
            raise InvalidHeaderValue("Host", host)
        # Bytes of a body would be taken for frames, or for a request by a proxy.
        if "transfer-encoding" in index or set(index.get("content-length", ())) - {"0"}:
            raise InvalidMessage("a request to open a WebSocket connection has no body")
        _check_option(headers, "Connection", "upgrade")
        _check_option(headers, "Upgrade", "websocket")
        version = get_single(headers, "Sec-WebSocket-Version")
        if version != VERSION:
            raise InvalidHeaderValue("Sec-WebSocket-Version", version)
        key = get_single(headers, "Sec-WebSocket-Key")
        if _key.fullmatch(key) is None:
            raise InvalidHeaderValue("Sec-WebSocket-Key", key)
        self._check_origin(get_single(headers, "Origin") if "origin" in index else None)
        return key

    def _check_origin(self, origin: Optional[str]) -> None:
        if self._rules.origins is None:
            return
        for allowed in self._rules.origins:
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
        deflate = self._rules.deflate
        if not offers or deflate is None:
            return [], None
        return deflate.server_accept(offers) or ([], None)

    def _negotiate_subprotocol(self, headers: Headers) -> Optional[str]:
        values = headers.get_all("Sec-WebSocket-Protocol")
        offered = parse_tokens("Sec-WebSocket-Protocol", values) if values else []
        if self._select_subprotocol is None:
            return self._select_first(offered)
        subprotocol = self._select_subprotocol(offered)
        if subprotocol is not None and subprotocol not in offered:
            raise ValueError(f"selected subprotocol {subprotocol!r} is not one of {offered}")
        return subprotocol

    def _select_first(self, offered: list[str]) -> Optional[str]:
        subprotocols = self._rules.subprotocols
        if not subprotocols:
            return None
        for subprotocol in subprotocols:
            if subprotocol in offered:
                return subprotocol
        expected = ", ".join(subprotocols)
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
        check_tokens("subprotocols", subprotocols)
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
        headers["Sec-WebSocket-Version"] = VERSION
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


def _check_option(headers: Headers, name: str, option: str) -> int:
    """Raise InvalidUpgrade unless the list in a header has an option; return its length."""
    values = headers.index().get(name.lower(), [])
    if len(values) == 1 and values[0].lower() == option:
        return 1
    options = [token.lower() for token in parse_tokens(name, values)]
    if option not in options:
        raise InvalidUpgrade(name, ", ".join(values) or None)
    return len(options)
