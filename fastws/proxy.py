"""Which proxy to connect through; python-socks does the talking, if it is installed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Union
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import InvalidProxy, InvalidProxyStatus, ProxyError
from .headers import Headers
from .http11 import Response
from .uri import without_credentials

if TYPE_CHECKING:
    from .uri import URI

__all__ = ["find_proxy", "open_proxy", "raise_proxy_error"]

_TYPES = {"http": "HTTP", "socks5": "SOCKS5", "socks5h": "SOCKS5", "socks4": "SOCKS4"}
_TYPES["socks4a"] = "SOCKS4"


def find_proxy(uri: URI, proxy: Union[str, Literal[True], None]) -> Union[str, None]:
    """Return the address of the proxy to use; True asks the environment and the system."""
    if proxy is not True:
        return proxy
    if proxy_bypass(f"{uri.host}:{uri.port}"):
        return None
    configured = getproxies()
    # RFC 6455 §4.1: a SOCKS proxy before one for HTTPS before one for HTTP.
    for kind in ("wss", "socks", "https") if uri.secure else ("ws", "socks", "https", "http"):
        address = configured.get(kind)
        if address:
            # macOS and Windows report SOCKS proxies with the wrong scheme.
            if kind == "socks" and address.startswith("http:"):
                address = "socks5h:" + address[5:]
            return address
    return None


def open_proxy(address: str, package: Literal["sync", "async_.asyncio"]) -> Any:
    """Return the ``Proxy`` of python-socks for an address: call its ``connect(host, port)``."""
    shown = without_credentials(address)
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Its text may have a part of a password in it that was not escaped.
        raise InvalidProxy(shown, "its host or its port (0 to 65535) is not one") from None
    if parts.scheme not in _TYPES:
        raise InvalidProxy(shown, f"its scheme must be one of {', '.join(_TYPES)}")
    if not host:
        raise InvalidProxy(shown, "it has no host")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise InvalidProxy(shown, "it must have no path, query or fragment")
    try:
        socks = importlib.import_module("python_socks")
        proxy = importlib.import_module(f"python_socks.{package}").Proxy
    except ImportError:
        raise ImportError(
            f"connecting through the proxy {parts.scheme}://{host} needs a package: "
            "run pip install python-socks[asyncio], or pass proxy=None"
        ) from None
    return proxy(
        proxy_type=getattr(socks.ProxyType, _TYPES[parts.scheme]),
        host=host,
        port=port or (80 if parts.scheme == "http" else 1080),
        username=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password) if parts.password is not None else None,
        # The h and the a stand for names that the proxy resolves.
        rdns=parts.scheme in ("socks5h", "socks4a", "http"),
    )


def raise_proxy_error(error: Exception) -> NoReturn:
    """Raise our exception for one of python-socks."""
    status = getattr(error, "error_code", None)
    if status is not None and 300 <= status <= 599:
        raise InvalidProxyStatus(Response(status, str(error), Headers())) from error
    if type(error).__name__ == "ProxyTimeoutError":
        raise TimeoutError("timed out while connecting through the proxy") from error
    if type(error).__module__.startswith("python_socks"):
        raise ProxyError(f"cannot connect through the proxy: {error}") from error
    raise error
