"""The part of HTTP/1.1 a WebSocket handshake needs: requests and responses (RFC 9112)."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from typing import Optional, Union

from .errors import InvalidMessage, SecurityError
from .headers import TOKEN, Headers, HeadersLike, MultipleValuesError, parse_fields, parse_tokens
from .limits import DEFAULT_LIMITS, Limits, line_too_long

__all__ = [
    "DEFAULT_LIMITS",
    "SERVER",
    "USER_AGENT",
    "Headers",
    "HeadersLike",
    "Limits",
    "MultipleValuesError",
    "Request",
    "RequestParser",
    "Response",
    "ResponseParser",
]

Buffer = Union[bytes, bytearray, memoryview]

SERVER = USER_AGENT = f"Python/{sys.version_info[0]}.{sys.version_info[1]} fastws"

# Only CRLF ends a line, and no control byte but tab is in one: RFC 9112 §2.2.
_request_line = re.compile(rf"({TOKEN}) ([!-~]+) (HTTP/1\.[01])\r\n")
_status_line = re.compile(r"(HTTP/1\.[01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n")
_control_byte = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_digits = re.compile(r"[0-9]{1,18}")
_chunk_size = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")


@dataclass
class Request:
    """A handshake request; ``path`` is its target, query included, as it was sent."""

    path: str
    headers: Headers
    method: str = "GET"
    protocol: str = "HTTP/1.1"

    def serialize(self) -> bytes:
        """Return the bytes of the request."""
        line = f"{self.method} {self.path} {self.protocol}\r\n"
        if _request_line.fullmatch(line) is None:
            raise ValueError(f"not a request line: {line!r}")
        return self.compact()

    def compact(self) -> bytes:
        """Return what ``trusted`` makes the request of again, if it was parsed."""
        return f"{self.method} {self.path} {self.protocol}\r\n{self.headers.lines()}\r\n".encode(
            "latin-1"
        )

    @classmethod
    def trusted(cls, head: bytes) -> Request:
        """Return the request that ``compact`` returned these bytes for."""
        line, lines = _split_head(head)
        method, path, protocol = line.split(" ")
        return cls(path, Headers.trusted(lines), method, protocol)


@dataclass
class Response:
    """A handshake response; of the body of a refusal, at most the first MiB is kept."""

    status_code: int
    reason_phrase: str
    headers: Headers
    body: bytes = b""

    def serialize(self) -> bytes:
        """Return the bytes of the response."""
        line = f"HTTP/1.1 {self.status_code} {self.reason_phrase}\r\n"
        if _status_line.fullmatch(line) is None:
            raise ValueError(f"not a status line: {line!r}")
        return f"{line}{self.headers.lines()}\r\n".encode("latin-1") + self.body

    @classmethod
    def trusted(cls, head: bytes) -> Response:
        """Return the response without a body that was serialized to these bytes."""
        line, lines = _split_head(head)
        _, status, reason = line.split(" ", 2)
        return cls(int(status), reason, Headers.trusted(lines))


def _split_head(head: bytes) -> tuple[str, str]:
    line, _, lines = head.decode("latin-1").partition("\r\n")
    return line, lines[: -len("\r\n")]


class _HeadReader:
    """Read a start line and headers; how the bytes are cut changes neither result nor cost.

    Lines are judged in order, each once it is complete. What is not a whole line yet is only
    searched for control bytes, and measured: no byte is looked at again for each that follows.
    """

    __slots__ = (
        "_buffer", "_limits", "_line_start", "_scanned", "_start_line", "length", "pairs", "start",
    )  # fmt: skip

    def __init__(self, start_line: re.Pattern[str], limits: Limits) -> None:
        self.start: Optional[re.Match[str]] = None
        self.pairs: list[tuple[str, str]] = []
        self.length = 0  # of the complete head
        self._start_line = start_line
        self._limits = limits
        self._buffer = bytearray()
        self._scanned = 0  # up to here there is no end of the head
        self._line_start = 0  # up to here lines are parsed

    def receive_data(self, data: Buffer) -> Optional[bytes]:
        """Take bytes; return those after the head, or None while it is incomplete."""
        buffer = self._buffer
        buffer += data
        limit = self._limits.max_head_length
        end = buffer.find(b"\r\n\r\n", max(self._scanned - 3, 0), limit)
        if end >= 0:
            self._parse_lines(end + 2)
            self.length = end + 4
            return bytes(buffer[self.length :])
        self._parse_lines(buffer.rfind(b"\n", self._scanned, limit) + 1)
        self._check_unfinished_line()
        self._scanned = len(buffer)
        return None

    def _parse_lines(self, stop: int) -> None:
        if stop <= self._line_start:
            return
        text = str(self._buffer[self._line_start : stop], "latin-1")
        start = self.start or self._start_line.match(text)
        if start is not None and len(text) <= self._limits.max_line_length:
            # The quick way: all lines in one go.
            begin = 0 if self.start else start.end()
            pairs = parse_fields(text, begin)
            if pairs is not None and len(self.pairs) + len(pairs) <= self._limits.max_headers:
                self.start = start
                self.pairs += pairs
                self._line_start = stop
                return
        for line in text[:-1].split("\n"):
            self._parse_line(line + "\n")
        self._line_start = stop

    def _parse_line(self, line: str) -> None:
        limits = self._limits
        length = limits.max_line_length + len("\r\n")
        self._check_control_bytes(line[:length].encode("latin-1"))
        if len(line) > length:
            raise line_too_long(limits)
        if self.start is None:
            self.start = self._start_line.fullmatch(line)
            if self.start is None:
                raise InvalidMessage(f"not the first line of HTTP/1.1: {_excerpt(line)}")
            return
        pairs = parse_fields(line)
        if pairs is None:
            raise InvalidMessage(f"{_fault(line)}: {_excerpt(line)}")
        if len(self.pairs) == limits.max_headers:
            raise InvalidMessage(f"more than {limits.max_headers} headers")
        self.pairs += pairs

    def _check_unfinished_line(self) -> None:
        limits = self._limits
        start = max(self._scanned, self._line_start)
        line_limit = self._line_start + limits.max_line_length + len("\r\n")
        stop = min(len(self._buffer), line_limit, limits.max_head_length)
        if start < stop:
            self._check_control_bytes(self._buffer[start:stop])
        if stop == line_limit:
            raise line_too_long(limits)
        if stop == limits.max_head_length:
            raise SecurityError(f"more than {stop} bytes of headers")

    def _check_control_bytes(self, data: Buffer) -> None:
        match = _control_byte.search(data)
        if match is not None:
            raise InvalidMessage(f"control byte 0x{ord(match[0]):02x} where HTTP/1.1 has text")


class RequestParser:
    """Parse one request; ``trailing`` has the bytes that came after it."""

    __slots__ = ("_complete", "_head", "trailing")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.trailing = b""
        self._head = _HeadReader(_request_line, limits)
        self._complete = False

    def receive_data(self, data: Buffer) -> Optional[Request]:
        """Take bytes; return the request once, when its last byte is there."""
        if self._complete:
            self.trailing += data
            return None
        rest = self._head.receive_data(data)
        if rest is None:
            return None
        self._complete = True
        self.trailing = rest
        assert self._head.start is not None
        method, target, protocol = self._head.start.groups()
        return Request(target, Headers.trusted(self._head.pairs), method, protocol)


class ResponseParser:
    """Parse the response to a request with ``method``; ``trailing`` is what came after it.

    A body longer than the limit is cut, so that a refusal is reported all the same.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, method: str = "GET") -> None:
        self.trailing = b""
        self._limits = limits
        self._method = method
        self._head = _HeadReader(_status_line, limits)
        self._response: Optional[Response] = None
        self._body: Union[_PlainBody, _ChunkedBody]
        self._complete = False

    def receive_data(self, data: Buffer) -> Optional[Response]:
        """Take bytes; return the response once, when its last byte is there."""
        if self._complete:
            self.trailing += data
            return None
        while self._response is None:
            rest = self._head.receive_data(data)
            if rest is None:
                return None
            data = rest
            self._end_head()
        if not self._body.receive_data(data):
            return None
        self.trailing = self._body.rest
        return self._finish(self._response)

    def receive_eof(self) -> Optional[Response]:
        """Take the end of the stream; return the response if this completes it.

        A body that is shorter than announced is no reason to hide the rest of the response.
        """
        if self._complete:
            return None
        if self._response is None:
            raise InvalidMessage("connection closed before the end of the HTTP response")
        return self._finish(self._response)

    def _finish(self, response: Response) -> Response:
        self._complete = True
        response.body = bytes(self._body.content)
        return response

    def _end_head(self) -> None:
        head = self._head
        assert head.start is not None
        protocol, status, reason = head.start.groups()
        status_code = int(status)
        if status_code == 101 and protocol != "HTTP/1.1":
            raise InvalidMessage("HTTP/1.0 cannot switch protocols")
        if status_code < 200 and status_code != 101:
            # More responses follow this one (RFC 9110 §15.2), within the limit of one.
            room = self._limits.max_head_length - head.length
            self._limits = replace(self._limits, max_head_length=room)
            self._head = _HeadReader(_status_line, self._limits)
            return
        response = Response(status_code, reason or "", Headers.trusted(head.pairs))
        self._body = self._select_body(response)
        self._response = response

    def _select_body(self, response: Response) -> Union[_PlainBody, _ChunkedBody]:
        """Find out where the body ends: RFC 9112 §6.3."""
        limit = self._limits.max_body_length
        status, headers = response.status_code, response.headers
        if (
            status in (101, 204, 304)
            or self._method == "HEAD"
            or (self._method == "CONNECT" and status < 300)
        ):
            return _PlainBody(0)
        codings = parse_tokens("Transfer-Encoding", headers.get_all("Transfer-Encoding"))
        if codings:
            chunked = codings[-1].lower() == "chunked"
            return _ChunkedBody(self._limits) if chunked else _PlainBody(limit)
        lengths = headers.get_all("Content-Length")
        if not lengths:
            return _PlainBody(limit)
        if len(lengths) > 1 or _digits.fullmatch(lengths[0]) is None:
            raise InvalidMessage(f"HTTP {status} response without a valid Content-Length")
        return _PlainBody(min(int(lengths[0]), limit))


class _PlainBody:
    """A body of a known length; one that lasts until the end of the stream has the limit's."""

    def __init__(self, length: int) -> None:
        self.content = bytearray()
        self.rest = b""
        self._length = length

    def receive_data(self, data: Buffer) -> bool:
        """Take bytes; tell whether the body is complete."""
        room = self._length - len(self.content)
        self.content += data[:room]
        self.rest = bytes(data[room:])
        return len(self.content) == self._length


class _ChunkedBody:
    """A body in chunks (RFC 9112 §7.1); the trailer is of no use here and not read."""

    def __init__(self, limits: Limits) -> None:
        self.content = bytearray()
        self.rest = b""
        self._limits = limits
        self._buffer = bytearray()
        self._scanned = 0
        self._remaining = 0  # of the chunk, with its CRLF

    def receive_data(self, data: Buffer) -> bool:
        """Take bytes; tell whether the body is complete."""
        self._buffer += data
        complete = self._take_chunks()
        if complete:
            self.rest = bytes(self._buffer)
        return complete

    def _take_chunks(self) -> bool:
        while len(self.content) < self._limits.max_body_length:
            if self._remaining:
                if not self._take_chunk():
                    return False
                continue
            size = self._take_size()
            if not size:
                return size == 0
            self._remaining = size + len("\r\n")
        return True

    def _take_chunk(self) -> bool:
        buffer = self._buffer
        room = self._limits.max_body_length - len(self.content)
        length = min(self._remaining - len("\r\n"), len(buffer), room)
        self.content += buffer[:length]
        del buffer[:length]
        self._remaining -= length
        if length == room:
            return True
        if self._remaining > len("\r\n") or len(buffer) < len("\r\n"):
            return False
        if not buffer.startswith(b"\r\n"):
            raise InvalidMessage("chunk of the response body does not end with CRLF")
        del buffer[: len("\r\n")]
        self._remaining = 0
        return True

    def _take_size(self) -> Optional[int]:
        buffer = self._buffer
        limit = self._limits.max_line_length + len("\r\n")
        end = buffer.find(b"\n", self._scanned, limit) + 1
        if not end:
            if len(buffer) >= limit:
                raise line_too_long(self._limits)
            self._scanned = len(buffer)
            return None
        match = _chunk_size.fullmatch(bytes(buffer[:end]))
        if match is None:
            raise InvalidMessage("chunk of the response body has no valid size")
        del buffer[:end]
        self._scanned = 0
        return int(match[1], 16)


def _fault(line: str) -> str:
    """Say what is wrong with a header line."""
    if not line.endswith("\r\n"):
        return "header line ends with LF instead of CRLF"
    if "\r" in line[:-2]:
        return "header line has a CR that does not end it"
    if line[0] in " \t":
        return "folded header line"  # RFC 9112 §5.2
    name, colon, _ = line.partition(":")
    if not colon:
        return "header line without a colon"
    if name[-1:] in (" ", "\t"):
        return "white space before the colon of a header"  # RFC 9112 §5.1
    return "header name is not a token"


def _excerpt(line: str) -> str:
    return ascii(line if len(line) <= 80 else line[:80] + "...")
