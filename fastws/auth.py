"""HTTP Basic authentication of clients (RFC 7617), for asyncio and blocking servers."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING, Optional, TypeVar, Union

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .headers import Headers

    Credentials = Union[tuple[str, str], Iterable[tuple[str, str]]]

Result = TypeVar("Result")

__all__ = ["challenge", "credentials_checker", "parse_authorization"]


def challenge(realm: str) -> str:
    """Return the value of WWW-Authenticate that asks for a user name and password."""
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    return f'Basic realm="{quoted}", charset="UTF-8"'


def parse_authorization(headers: Headers) -> Optional[tuple[str, str]]:
    """Return the user name and password of a request, or None if it has none that can be read."""
    values = headers.get_all("Authorization")
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, colon, password = (
            base64.b64decode(token.strip(), validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (username, password) if colon else None


def credentials_checker(
    credentials: Optional[Credentials], check: Optional[Callable[[str, str], Result]]
) -> Callable[[str, str], Union[bool, Result]]:
    """Return what tells whether a user name and password are right.

    Raises TypeError unless one of the two arguments is given, and has the right form.
    """
    if (credentials is None) == (check is None):
        raise TypeError("give either credentials or check_credentials")
    if check is not None:
        return check
    assert credentials is not None
    pairs = [credentials] if _is_pair(credentials) else list(credentials)
    for pair in pairs:
        if not _is_pair(pair):
            raise TypeError(f"credentials must be (username, password) pairs, not {pair!r}")
    passwords: dict[str, str] = dict(pairs)  # type: ignore[arg-type]

    def compare(username: str, password: str) -> bool:
        expected = passwords.get(username)
        # The time tells neither how much of the password is right nor whether the user exists.
        right = hmac.compare_digest((expected or "").encode(), password.encode())
        return right and expected is not None

    return compare


def _is_pair(pair: object) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(x, str) for x in pair)
