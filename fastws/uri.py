"""WebSocket addresses: ws and wss URIs (RFC 6455 §3, RFC 3986, RFC 6874)."""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Optional
from urllib.parse import quote, unquote

from .errors import InvalidURI

__all__ = ["URI", "parse_uri", "without_credentials"]

_DEFAULT_PORTS = {False: 80, True: 443}
# A DNS name, 253 characters at most and one final dot (RFC 1035 §2.3.4).
_MAX_HOST_LENGTH = 254
_MAX_LABEL_LENGTH = 63

_forbidden = re.compile(r"[\x00-\x20\x7f-\x9f]")
_not_visible_ascii = re.compile(r"[^!-~]+")
_label = re.compile(r"[a-z0-9_~-]+")
_port = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True)
class URI:
    """A parsed address; ``port`` is always set, ``path`` and ``query`` may be empty."""

    secure: bool
    host: str  # lower case, ASCII; an IPv6 address without its brackets
    port: int
    path: str
    query: str
    username: Optional[str] = None
    password: Optional[str] = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return the address without its credentials, fit for logs."""
        scheme = "wss" if self.secure else "ws"
        return f"{scheme}://{self.host_header}{self.resource_name}"

    @property
    def resource_name(self) -> str:
        """The target of the request: path and query (RFC 6455 §3)."""
        path = self.path or "/"
        return f"{path}?{self.query}" if self.query else path

    @property
    def host_header(self) -> str:
        """The value of the Host header: the port is left out when it is the default one."""
        host = self.host
        if ":" in host:
            # A zone means something on this machine only: RFC 6874 §4 has it removed.
            host = f"[{host.partition('%')[0]}]"
        return host if self.port == _DEFAULT_PORTS[self.secure] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[bool, str, int]:
        """What decides whether credentials may follow a redirect: scheme, host and port."""
        return self.secure, self.host, self.port

    @property
    def user_info(self) -> Optional[tuple[str, str]]:
        """User name and password, or None when the address has none."""
        if self.username is None:
            return None
        return self.username, self.password or ""

    @property
    def authorization(self) -> Optional[str]:
        """The value of the Authorization header for Basic authentication (RFC 7617), or None."""
        if self.user_info is None:
            return None
        return "Basic " + base64.b64encode(":".join(self.user_info).encode()).decode("ascii")


def parse_uri(text: str) -> URI:
    """Parse a ws or wss URI; raise InvalidURI when it is not one."""
    if not isinstance(text, str):
        raise TypeError(f"a URI must be str, not {type(text).__name__}")
    try:
        return _parse(text)
    except ValueError as error:
        # Whoever logs the error must not log a password.
        raise InvalidURI(without_credentials(text), str(error)) from None


def without_credentials(address: str) -> str:
    """Return an address, perhaps a wrong one, without what may be a user name and password.

    Whoever forgets to escape a slash in a password must not find the rest of it in a log, so all up
    to the last @ goes.
    """
    head, at, rest = address.rpartition("@")
    if not at:
        return address
    scheme, separator, _ = head.partition("://")
    return f"{scheme}{separator}***@{rest}" if separator else f"***@{rest}"


def _parse(text: str) -> URI:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it has an unpaired surrogate") from None
    if _forbidden.search(text):
        raise ValueError("it has a space or a control character")
    if "#" in text:
        raise ValueError("it has a fragment; write # as %23")  # RFC 6455 §3
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in ("ws", "wss"):
        raise ValueError("it must start with ws:// or wss://")
    secure = scheme.lower() == "wss"
    resource, _, query = rest.partition("?")
    authority, slash, path = resource.partition("/")
    if "\\" in authority:
        # Browsers take it for a slash: nobody should have to guess where the host ends.
        raise ValueError("it has a backslash before its path")
    user_info, at, host_and_port = authority.rpartition("@")
    username, password = _parse_user_info(user_info) if at else (None, None)
    host, port = _split_port(host_and_port)
    return URI(
        secure,
        _parse_ipv6(host[1:-1]) if host.startswith("[") else _parse_host(host),
        _parse_port(port) if port else _DEFAULT_PORTS[secure],
        _encode(slash + path),
        _encode(query),
        username,
        password,
    )


def _parse_user_info(user_info: str) -> tuple[str, str]:
    if "@" in user_info:
        raise ValueError("it has two @; write the one in user name or password as %40")
    username, _, password = user_info.partition(":")
    try:
        username, password = unquote(username, errors="strict"), unquote(password, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("its user name or password is not UTF-8") from None
    # RFC 7617 §2.
    if ":" in username:
        raise ValueError("its user name has a colon")
    if re.search(r"[\x00-\x1f\x7f]", username + password):
        raise ValueError("its user name or password has a control character")
    return username, password


def _split_port(host_and_port: str) -> tuple[str, str]:
    if host_and_port.startswith("["):
        host, bracket, rest = host_and_port.partition("]")
        if not bracket or rest[:1] not in ("", ":"):
            raise ValueError("its host has an unmatched bracket")
        return host + bracket, rest[1:]
    host, _, port = host_and_port.partition(":")
    return host, port


def _parse_port(port: str) -> int:
    if _port.fullmatch(port) is None or not 0 < int(port) < 65536:
        raise ValueError("its port is not a number from 1 to 65535")
    return int(port)


def _parse_ipv6(address: str) -> str:
    # In a URI, the % before a zone is itself percent-encoded: RFC 6874 §2.
    address, has_zone, zone = address.partition("%25")
    try:
        if "%" in address:
            raise ValueError
        host = str(ipaddress.IPv6Address(address))
    except ValueError:
        raise ValueError("its host is not an IPv6 address between brackets") from None
    if not has_zone:
        return host
    if re.fullmatch(r"[A-Za-z0-9._~-]+", zone) is None:
        raise ValueError("its IPv6 address has a zone that is not a name")
    return f"{host}%{zone}"


def _parse_host(host: str) -> str:
    if not host:
        raise ValueError("it has no host")
    if len(host) > _MAX_HOST_LENGTH:
        raise ValueError("its host is too long")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("its host is not an internationalized domain name") from None
    host = host.lower()
    # Checked after IDNA, which turns look-alikes of / ? @ into the real ones. Resolvers raise
    # UnicodeError for empty and for long labels, so they are refused here.
    for label in host.removesuffix(".").split("."):
        if _label.fullmatch(label) is None or len(label) > _MAX_LABEL_LENGTH:
            raise ValueError("its host is not a domain name or an IP address")
    return host


def _encode(text: str) -> str:
    """Percent-encode what is not ASCII; the rest is sent as it was written."""
    return _not_visible_ascii.sub(lambda match: quote(match[0]), text)
