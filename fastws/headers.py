"""HTTP header fields, and the lists of tokens some of them hold (RFC 9110 §5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Optional, Union

from .errors import InvalidHeader, InvalidHeaderFormat

__all__ = [
    "TOKEN",
    "Headers",
    "HeadersLike",
    "MultipleValuesError",
    "check_header",
    "check_tokens",
    "get_single",
    "is_token",
    "parse_fields",
    "parse_tokens",
]

# RFC 9110 §5.6.2. White space is only ever space and tab: str.strip() alone would also take
# \x0b, \x0c, \x85 and \xa0 away.
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"

_token = re.compile(TOKEN)
_tokens = re.compile(rf"{TOKEN}(?:[ \t]*,[ \t]*{TOKEN})*")
# A protocol in Upgrade may have a version: RFC 9110 §7.8.
_PROTOCOL = rf"{TOKEN}(?:/{TOKEN})?"
_protocols = re.compile(rf"{_PROTOCOL}(?:[ \t]*,[ \t]*{_PROTOCOL})*")
# RFC 9110 §5.5: visible characters, space, tab and obs-text.
_value = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# RFC 9112 §5. Only CRLF ends a line, and no control byte but tab is in one (§2.2).
_fields = re.compile(rf"(?:{TOKEN}:{_value.pattern}\r\n)*")
_field = re.compile(rf"({TOKEN}):[\t ]*({_value.pattern})\r\n")  # where there is known to be one


class MultipleValuesError(LookupError):
    """A header has several values where one was asked for."""

    def __str__(self) -> str:
        return f"several values for header {self.args[0]}" if self.args else ""


class Headers(MutableMapping[str, str]):
    """HTTP headers: names in any case, several values for a name, order kept.

    Setting adds a value instead of replacing the others; deleting removes them all. Looking up
    a name that has several values raises MultipleValuesError: ask ``get_all`` for them. Values
    are ISO-8859-1; names and values that would break the syntax of HTTP raise ValueError.
    """

    __slots__ = ("_content", "_index")

    def __init__(self, *args: HeadersLike, **kwargs: str) -> None:
        # Pairs; or lines, which most of the time nobody ever needs to have taken apart.
        self._content: Union[list[tuple[str, str]], str] = []
        self._index: Optional[dict[str, list[str]]] = None
        self.update(*args, **kwargs)

    @classmethod
    def trusted(cls, content: Union[list[tuple[str, str]], str]) -> Headers:
        """Return headers made of pairs, or lines as in ``str(headers)``, known to be valid.

        The list is kept; the lines are without the empty one at the end.
        """
        headers = cls.__new__(cls)
        headers._content = content
        headers._index = None
        return headers

    def compact(self) -> None:
        """Keep only the lines, to be taken apart again when somebody asks."""
        self._content = self.lines()
        self._index = None

    def lines(self) -> str:
        """Return the header lines, without the empty one that ends them."""
        content = self._content
        if isinstance(content, str):
            return content
        return "".join([f"{name}: {value}\r\n" for name, value in content])

    @property
    def _pairs(self) -> list[tuple[str, str]]:
        content = self._content
        if isinstance(content, str):
            pairs = [line.partition(": ") for line in content.split("\r\n")[:-1]]
            content = self._content = [(name, value) for name, _, value in pairs]
        return content

    def index(self) -> dict[str, list[str]]:
        """Return the values of each name in lower case; not to be modified."""
        index = self._index
        if index is None:
            index = self._index = {}
            for name, value in self._pairs:
                # Cheaper than setdefault(), which would make a list for each name twice.
                key = name.lower()
                if key in index:
                    index[key].append(value)
                else:
                    index[key] = [value]
        return index

    def __getitem__(self, name: str) -> str:
        values = self.index()[name.lower()]
        if len(values) > 1:
            raise MultipleValuesError(name)
        return values[0]

    def __setitem__(self, name: str, value: str) -> None:
        check_header(name, value)
        self._pairs.append((name, value))
        self._index = None

    def __delitem__(self, name: str) -> None:
        key = name.lower()
        del self.index()[key]
        self._content = [pair for pair in self._pairs if pair[0].lower() != key]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self.index()

    def __iter__(self) -> Iterator[str]:
        return iter(self.index())

    def __len__(self) -> int:
        return len(self.index())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self.index() == other.index()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __str__(self) -> str:
        return self.lines() + "\r\n"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._pairs!r})"

    def copy(self) -> Headers:
        """Return headers that can be changed without changing these."""
        return self.trusted(self._pairs.copy())

    __copy__ = copy

    def clear(self) -> None:
        """Remove all headers."""
        self._content = []
        self._index = None

    def update(self, *args: HeadersLike, **kwargs: str) -> None:  # type: ignore[override]
        """Add headers from other headers, a mapping or pairs."""
        for arg in args:
            if isinstance(arg, (str, bytes)):
                raise TypeError(f"headers must be a mapping or pairs of name and value: {arg!r}")
            super().update(arg.raw_items() if isinstance(arg, Headers) else arg)
        super().update(**kwargs)

    def get_all(self, name: str) -> list[str]:
        """Return all values of a header, in order; none is an empty list."""
        return self.index().get(name.lower(), [])[:]

    def raw_items(self) -> Iterator[tuple[str, str]]:
        """Iterate over names and values as they were given, several values one by one."""
        return iter(self._pairs)

    def serialize(self) -> bytes:
        """Return the header lines and the empty line that ends them."""
        return str(self).encode("latin-1")


HeadersLike = Union[Headers, Mapping[str, str], Iterable[tuple[str, str]]]


def check_header(name: str, value: str) -> None:
    """Raise ValueError for a header that would break the syntax of HTTP (RFC 9110 §5).

    Raises TypeError unless both are str.
    """
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"header name and value must be str: {name!r}: {value!r}")
    if not is_token(name):
        raise ValueError(f"header name is not a token: {name!r}")
    if _value.fullmatch(value) is None:
        raise ValueError(
            f"header {name} has a control character, or one outside ISO-8859-1: {value!r}"
        )


def is_token(text: str) -> bool:
    """Tell whether text is a token (RFC 9110 §5.6.2)."""
    return _token.fullmatch(text) is not None


def parse_fields(text: str, start: int = 0) -> Optional[list[tuple[str, str]]]:
    """Return the names and values of header lines, from ``start`` on; None unless all are valid."""
    if _fields.fullmatch(text, start) is None:
        return None
    pairs: list[tuple[str, str]] = _field.findall(text, start)
    if " \r" in text or "\t\r" in text:
        pairs = [(name, value.rstrip(" \t")) for name, value in pairs]
    return pairs


def check_tokens(name: str, tokens: Optional[Sequence[str]]) -> None:
    """Raise TypeError for a str where a list of tokens is due, ValueError for one that is none."""
    if tokens is None:
        return
    # A str is a sequence of str: each of its letters would be taken for one.
    if isinstance(tokens, str):
        raise TypeError(f"{name} must be a list of str, not a str")
    for token in tokens:
        if not is_token(token):
            raise ValueError(f"{name.removesuffix('s')} is not a token: {token!r}")


def parse_tokens(name: str, values: Sequence[str]) -> list[str]:
    """Parse every value of a header that holds a list of tokens.

    Empty members are skipped, as RFC 9110 §5.6.1.2 asks; a list without any member is not.
    """
    if not values:
        return []
    header = ", ".join(values)
    pattern = _protocols if name == "Upgrade" else _tokens
    if pattern.fullmatch(header):
        return [member.strip(" \t") for member in header.split(",")]
    # There is an empty member, or something that is not a token.
    tokens = []
    position = 0
    for member in header.split(","):
        token = member.strip(" \t")
        if token:
            if pattern.fullmatch(token) is None:
                raise InvalidHeaderFormat(name, "expected token", header, position)
            tokens.append(token)
        position += len(member) + 1
    if not tokens:
        raise InvalidHeaderFormat(name, "expected token", header, len(header))
    return tokens


def get_single(headers: Headers, name: str) -> str:
    """Return the value of a header; raise InvalidHeader unless it is there exactly once."""
    values = headers.index().get(name.lower())
    if values is None:
        raise InvalidHeader(name)
    if len(values) > 1:
        raise InvalidHeader(name, "multiple values")
    return values[0]
