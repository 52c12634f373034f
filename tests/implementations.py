"""One interface over the protocol cores that are compared: ours, websockets', wsproto's.

An implementation takes actions and bytes, and notes what it received: ``("text", str)``,
``("binary", bytes)``, ``("ping", payload)``, ``("pong", payload)``, ``("close", code, reason)``.
"""

from __future__ import annotations

import contextlib
import itertools
from unittest import mock

import pytest
from peers import URI

from fastws.deflate import Deflate
from fastws.frames import Close, Ping, Pong, Role, State
from fastws.handshake import ClientHandshake, ServerHandshake
from fastws.http11 import Request, Response
from fastws.protocol import Protocol

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_PATCHED = {
    "fastws.protocol": ["MessageReader", "serialize_close"],
    "fastws.writer": ["serialize_frame", "new_masking_key", "is_utf8"],
    "fastws.prepared": ["serialize_frame", "new_masking_key", "is_utf8"],
}


@contextlib.contextmanager
def kernel_in_use(kernel):
    """Have `Protocol` use these kernels, and masking keys that are the same each time."""
    keys = itertools.cycle([b"\x01\x02\x03\x04", b"\xff\x80\x7f\x00", b"mask"])
    with contextlib.ExitStack() as stack:
        for module, names in _PATCHED.items():
            for name in names:
                new = getattr(kernel, name)
                if name == "new_masking_key":
                    new = keys.__next__
                stack.enter_context(mock.patch(f"{module}.{name}", new))
        yield


class Ours:
    def __init__(self, role, deflate=None):
        self.role = role
        self.received = []
        if role is Role.CLIENT:
            handshake = ClientHandshake(URI, key=KEY, deflate=deflate)
        else:
            handshake = ServerHandshake(deflate=deflate)
        self.protocol = Protocol(role, handshake=handshake, max_size=None)
        if role is Role.CLIENT:
            self.protocol.send_request()

    @property
    def opened(self):
        return self.protocol.state is State.OPEN

    def take(self):
        return b"".join(self.protocol.data_to_send())

    def receive(self, data):
        self._note(self.protocol.receive_data(data))

    def _note(self, events):
        for event in events:
            if isinstance(event, Request):
                self._note(self.protocol.send_response(self.protocol.accept()))
            elif isinstance(event, Exception):
                raise event
            elif not isinstance(event, Response):
                self.received.append(noted(event))

    def send(self, kind, content):
        if kind in ("text", "binary"):
            self.protocol.send_message(content if len(content) > 1 else content[0])
        elif kind == "ping":
            self.protocol.send_ping(content)
        elif kind == "pong":
            self.protocol.send_pong(content)
        else:
            self.protocol.send_close(*content)


def noted(event):
    if isinstance(event, str):
        return "text", event
    if isinstance(event, bytes):
        return "binary", event
    if isinstance(event, Close):
        return "close", int(event.code), event.reason
    assert isinstance(event, (Ping, Pong))
    return type(event).__name__.lower(), event.payload


class Websockets:
    """The protocol core of the websockets package."""

    def __init__(self, role, deflate=None):
        pytest.importorskip("websockets", "14")
        from websockets.client import ClientProtocol
        from websockets.extensions import permessage_deflate
        from websockets.server import ServerProtocol
        from websockets.uri import parse_uri

        self.received = []
        self._fragments = []
        if role is Role.CLIENT:
            factory = permessage_deflate.ClientPerMessageDeflateFactory(client_max_window_bits=True)
            extensions = [factory] if deflate else None
            self.protocol = ClientProtocol(
                parse_uri(str(URI)), extensions=extensions, max_size=None
            )
            self.protocol.send_request(self.protocol.connect())
        else:
            factory = permessage_deflate.ServerPerMessageDeflateFactory()
            extensions = [factory] if deflate else None
            self.protocol = ServerProtocol(extensions=extensions, max_size=None)

    @property
    def opened(self):
        return self.protocol.state.name == "OPEN"

    def take(self):
        return b"".join(self.protocol.data_to_send())

    def receive(self, data):
        from websockets.http11 import Request as TheirRequest
        from websockets.http11 import Response as TheirResponse

        self.protocol.receive_data(bytes(data))
        assert self.protocol.parser_exc is None
        assert self.protocol.handshake_exc is None
        for event in self.protocol.events_received():
            if isinstance(event, TheirRequest):
                self.protocol.send_response(self.protocol.accept(event))
            elif not isinstance(event, TheirResponse):
                self._note(event)

    def _note(self, frame):
        kind = frame.opcode.name.lower()
        if kind == "close":
            close = self.protocol.close_rcvd
            self.received.append((kind, int(close.code), close.reason))
        elif kind in ("ping", "pong"):
            self.received.append((kind, bytes(frame.data)))
        else:
            self._fragments.append((kind, bytes(frame.data)))
            if frame.fin:
                kind = self._fragments[0][0]
                data = b"".join(data for _, data in self._fragments)
                self._fragments.clear()
                self.received.append((kind, data.decode() if kind == "text" else data))

    def send(self, kind, content):
        if kind == "ping":
            self.protocol.send_ping(content)
        elif kind == "pong":
            self.protocol.send_pong(content)
        elif kind == "close":
            self.protocol.send_close(*content)
        else:
            start = self.protocol.send_text if kind == "text" else self.protocol.send_binary
            for number, part in enumerate(content, 1):
                send = start if number == 1 else self.protocol.send_continuation
                data = part.encode() if kind == "text" else part
                send(data, fin=number == len(content))


class Wsproto:
    """The wsproto package."""

    def __init__(self, role, deflate=None):
        pytest.importorskip("wsproto")
        from wsproto import ConnectionType, WSConnection, events
        from wsproto.extensions import PerMessageDeflate

        self.events = events
        self.received = []
        self.opened = False
        self._out = b""
        self._text, self._binary = [], []
        self._extensions = [PerMessageDeflate()] if deflate else []
        self.connection = WSConnection(ConnectionType[role.name])
        if role is Role.CLIENT:
            request = events.Request("example.com", "/chat", extensions=self._extensions)
            self._out += self.connection.send(request)

    def take(self):
        out, self._out = self._out, b""
        return out

    def receive(self, data):
        self.connection.receive_data(bytes(data))
        for event in self.connection.events():
            self._note(event)

    def _note(self, event):
        events = self.events
        if isinstance(event, events.Request):
            accept = events.AcceptConnection(extensions=self._extensions)
            self._out += self.connection.send(accept)
            self.opened = True
        elif isinstance(event, events.AcceptConnection):
            self.opened = True
        elif isinstance(event, events.TextMessage):
            self._gather(self._text, "text", "", event)
        elif isinstance(event, events.BytesMessage):
            self._gather(self._binary, "binary", b"", event)
        elif isinstance(event, events.Ping):
            self.received.append(("ping", bytes(event.payload)))
            self._out += self.connection.send(event.response())
        elif isinstance(event, events.Pong):
            self.received.append(("pong", bytes(event.payload)))
        else:
            assert isinstance(event, events.CloseConnection)
            self.received.append(("close", int(event.code), event.reason or ""))
            if self.connection.state.name == "REMOTE_CLOSING":
                self._out += self.connection.send(event.response())

    def _gather(self, parts, kind, empty, event):
        parts.append(event.data)
        if event.message_finished:
            self.received.append((kind, empty.join(parts)))
            parts.clear()

    def send(self, kind, content):
        events = self.events
        if kind == "ping":
            message = [events.Ping(content)]
        elif kind == "pong":
            message = [events.Pong(content)]
        elif kind == "close":
            message = [events.CloseConnection(*content)]
        else:
            make = events.TextMessage if kind == "text" else events.BytesMessage
            message = [
                make(part, message_finished=number == len(content))
                for number, part in enumerate(content, 1)
            ]
        for event in message:
            self._out += self.connection.send(event)


DEFLATES = [
    None,
    Deflate(),
    Deflate(threshold=0, server_no_context_takeover=True),
    Deflate(threshold=0, client_no_context_takeover=True),
    Deflate(server_max_window_bits=15, client_max_window_bits=15),
]
