"""Why a connection could not be opened, in one line, with a hint where there is one."""

from __future__ import annotations

import os
import re
import socket
import ssl
from typing import TYPE_CHECKING

from ..errors import InvalidHandshake, InvalidStatus, InvalidURI
from ..uri import parse_uri

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["why_not_connected"]

_SHOWN_BODY = 120


def why_not_connected(error: Exception, options: Namespace) -> str:
    """Return what went wrong between these options and an open connection."""
    if isinstance(error, InvalidURI):
        return _invalid_uri(error)
    where = parse_uri(options.uri).host_header
    if isinstance(error, InvalidStatus):
        return _refused(error)
    if isinstance(error, InvalidHandshake):
        return f"the opening handshake with {where} failed: {error}"
    if isinstance(error, TimeoutError) and not error.errno:
        return f"{where} did not answer within {options.timeout:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {where} is not trusted: {error.verify_message.rstrip('.')}; "
            "--insecure connects without checking it"
        )
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).lower().replace("_", " ")
        return f"TLS with {where} failed: {reason}; a server without TLS has a ws:// address"
    if isinstance(error, socket.gaierror):
        return f"cannot find {where}: {(error.strerror or str(error)).lower()}"
    if isinstance(error, OSError):
        return f"cannot connect to {where}: {_os_reason(error)}"
    return str(error)


def _invalid_uri(error: InvalidURI) -> str:
    scheme, separator, rest = error.uri.partition("://")
    right = {"http": "ws", "https": "wss"}.get(scheme.lower()) if separator else "ws"
    if right is None or (not separator and scheme.startswith(("ws:", "wss:"))):
        return str(error)
    return f"{error}; did you mean {right}://{rest if separator else error.uri}?"


def _refused(error: InvalidStatus) -> str:
    response = error.response
    text = str(error)
    lines = response.body[:4096].decode(errors="replace").strip().splitlines()
    is_text = response.headers.get_all("Content-Type")[:1] != ["text/html"]
    if lines and is_text and not lines[0].startswith("<"):
        text += f": {lines[0][:_SHOWN_BODY]}"
    if response.status_code == 401:
        text += " (give ws://USER:PASSWORD@HOST or --header 'Authorization: ...')"
    return text


def _os_reason(error: OSError) -> str:
    # With several addresses, asyncio joins what each of them said, and gives no number.
    number = error.errno or next(iter(re.findall(r"\[Errno (\d+)\]", str(error))), None)
    reason = os.strerror(int(number)).lower() if number else str(error)
    return f"{reason}; is the server running?" if isinstance(error, ConnectionError) else reason
