"""Every exception: its place in the hierarchy, its words, and that it survives pickle and copy."""

from __future__ import annotations

import builtins
import copy
import inspect
import pickle

import pytest

import fastws
from fastws import errors
from fastws.errors import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    DuplicateParameter,
    InvalidHandshake,
    InvalidHeader,
    InvalidHeaderFormat,
    InvalidHeaderValue,
    InvalidMessage,
    InvalidMethod,
    InvalidOrigin,
    InvalidParameterName,
    InvalidParameterValue,
    InvalidProxy,
    InvalidProxyMessage,
    InvalidProxyStatus,
    InvalidState,
    InvalidStatus,
    InvalidUpgrade,
    InvalidURI,
    NegotiationError,
    PayloadTooBig,
    ProtocolError,
    ProxyError,
    SecurityError,
    WebSocketException,
)
from fastws.frames import Close, CloseCode
from fastws.http11 import Headers, Response

REFUSED = Response(403, "Forbidden", Headers({"Server": "x"}), b"go away")
NAMELESS = Response(599, "", Headers())

# One of each, and what it says.
EXAMPLES = [
    (WebSocketException("words"), "words"),
    (ConnectionClosed(), "no close frame received or sent"),
    (
        ConnectionClosedOK(Close(1000, ""), Close(1000, ""), True),
        "received 1000 (normal closure); then sent 1000 (normal closure)",
    ),
    (
        ConnectionClosedOK(Close(1001, "bye"), Close(1000, ""), False),
        "sent 1000 (normal closure); then received 1001 (going away) bye",
    ),
    (
        ConnectionClosedError(Close(4000, "private"), None),
        "received 4000 (private use) private; no close frame sent",
    ),
    (
        ConnectionClosedError(None, Close(3000, ""), None, "keepalive"),
        "sent 3000 (registered); no close frame received (keepalive)",
    ),
    (InvalidURI("http://a", "bad scheme"), "http://a is not a WebSocket URI: bad scheme"),
    (InvalidHandshake("words"), "words"),
    (SecurityError("too many redirects"), "too many redirects"),
    (InvalidMessage("not HTTP"), "not HTTP"),
    (InvalidMethod("POST"), "method is POST instead of GET"),
    (
        InvalidStatus(REFUSED),
        "server answered HTTP 403 Forbidden instead of 101 Switching Protocols",
    ),
    (InvalidStatus(NAMELESS), "server answered HTTP 599 instead of 101 Switching Protocols"),
    (InvalidHeader("Host"), "missing Host header"),
    (InvalidHeader("Host", ""), "empty Host header"),
    (InvalidHeader("Host", "a b"), "invalid Host header: a b"),
    (
        InvalidHeaderFormat("Upgrade", "expected token", "a b", 1),
        "invalid Upgrade header: expected token at 1 in a b",
    ),
    (
        InvalidHeaderValue("Sec-WebSocket-Key", "short"),
        "invalid Sec-WebSocket-Key header: short",
    ),
    (InvalidOrigin("https://evil"), "invalid Origin header: https://evil"),
    (InvalidOrigin(None), "missing Origin header"),
    (InvalidUpgrade("Connection", "close"), "invalid Connection header: close"),
    (NegotiationError("no common subprotocol"), "no common subprotocol"),
    (DuplicateParameter("a"), "duplicate extension parameter: a"),
    (InvalidParameterName("a"), "unknown extension parameter: a"),
    (InvalidParameterValue("a", None), "extension parameter a needs a value"),
    (InvalidParameterValue("a", ""), "extension parameter a has an empty value"),
    (InvalidParameterValue("a", "7"), "extension parameter a cannot be 7"),
    (ProxyError("words"), "words"),
    (InvalidProxy("ftp://a", "bad scheme"), "ftp://a is not a usable proxy: bad scheme"),
    (InvalidProxyMessage("not HTTP"), "not HTTP"),
    (InvalidProxyStatus(REFUSED), "proxy answered HTTP 403 Forbidden"),
    (ProtocolError("reserved opcode"), "reserved opcode"),
    (ProtocolError("not UTF-8", CloseCode.INVALID_DATA), "not UTF-8"),
    (PayloadTooBig("message over 10 bytes"), "message over 10 bytes"),
    (InvalidState("not open"), "not open"),
    (ConcurrencyError("recv is running"), "recv is running"),
]
each_example = pytest.mark.parametrize(
    ("error", "text"), EXAMPLES, ids=[f"{type(error).__name__}: {text}" for error, text in EXAMPLES]
)


def test_there_is_an_example_of_every_exception_and_all_are_public():
    defined = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert {type(error).__name__ for error, _ in EXAMPLES} == defined == set(errors.__all__)
    for name in defined:
        assert getattr(fastws, name) is getattr(errors, name)
        assert getattr(errors, name).__doc__


@each_example
def test_it_says_what_was_wrong(error, text):
    assert str(error) == text
    assert type(error).__name__ in repr(error)
    assert isinstance(error, WebSocketException)


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    # Older protocols cannot pickle what has slots, such as the headers of a response.
    "pickle 2": lambda error: pickle.loads(pickle.dumps(error, 2)),
    "newest pickle": lambda error: pickle.loads(pickle.dumps(error, pickle.HIGHEST_PROTOCOL)),
}


@each_example
@pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)
def test_it_survives_copying_and_pickling(error, text, again):
    same = again(error)
    assert type(same) is type(error)
    assert str(same) == text
    assert vars(same) == vars(error)


@each_example
def test_it_can_be_raised_and_caught_by_every_base(error, text):
    for base in type(error).__mro__[:-1]:
        with pytest.raises(base) as caught:
            raise error
        assert caught.value is error


def test_a_closed_connection_tells_the_peers_code_and_reason():
    both = ConnectionClosedOK(Close(1001, "bye"), Close(1001, ""), True)
    assert (both.code, both.reason) == (1001, "bye")
    lost = ConnectionClosedError(None, Close(1000, "ours"))
    assert (lost.code, lost.reason) == (1006, "")


def test_refusals_keep_the_whole_answer():
    assert InvalidStatus(REFUSED).response is REFUSED
    assert InvalidProxyStatus(REFUSED).response is REFUSED


@pytest.mark.parametrize("code", [1000, 1005, 1006, 2999, 3000, 4999])
def test_every_close_code_has_words(code):
    assert str(Close(code, "")).startswith(f"{code} (")
    assert str(Close(code, "why")).endswith(") why")


def test_the_codes_for_a_violation_travel_with_it():
    assert ProtocolError("x").code == 1002
    assert PayloadTooBig("x").code == 1009
    assert isinstance(PayloadTooBig("x"), ProtocolError)


def test_except_clauses_written_for_websockets_carry_over():
    """Every base that a name has there, and that we have too, it has here."""
    theirs = pytest.importorskip("websockets.exceptions")
    shared = {name for name in errors.__all__ if inspect.isclass(getattr(theirs, name, None))}
    assert {
        "ConnectionClosed",
        "ConnectionClosedError",
        "ConnectionClosedOK",
        "InvalidHandshake",
        "InvalidStatus",
        "InvalidURI",
        "InvalidState",
        "ConcurrencyError",
        "NegotiationError",
        "PayloadTooBig",
        "ProtocolError",
        "SecurityError",
        "InvalidOrigin",
        "InvalidUpgrade",
    } <= shared
    for name in sorted(shared):
        for base in getattr(theirs, name).__mro__[1:]:
            name_of_base = base.__name__
            ours = getattr(errors, name_of_base, getattr(builtins, name_of_base, None))
            if ours is not None:
                assert issubclass(getattr(errors, name), ours), f"{name} is no {name_of_base}"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ConnectionClosedOK", (None, None)),
        ("InvalidHeader", ("Host", "a")),
        ("InvalidOrigin", ("a",)),
        ("InvalidStatus", (None,)),
        ("InvalidParameterName", ("a",)),
        ("InvalidParameterValue", ("a", "b")),
        ("DuplicateParameter", ("a",)),
    ],
)
def test_the_attributes_that_programs_for_websockets_read_are_here(name, arguments):
    theirs = pytest.importorskip("websockets.exceptions")
    ours = next(error for error, _ in EXAMPLES if type(error).__name__ == name)
    assert vars(getattr(theirs, name)(*arguments)).keys() <= vars(ours).keys()
