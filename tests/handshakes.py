"""Valid requests and responses for the tests of the opening handshake, and ways to vary them."""

from __future__ import annotations

from fastws.errors import NegotiationError
from fastws.handshake import ClientHandshake, ServerHandshake
from fastws.http11 import Headers, Request, Response
from fastws.uri import parse_uri

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
REQUEST_HEADERS = {
    "Host": "server.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}
RESPONSE_HEADERS = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": ACCEPT,
}
URI = parse_uri("ws://user:pass@server.example.com/chat?q")


class Deflate:
    """Stands in for a permessage-deflate configuration, and remembers what it is asked."""

    def __init__(self, answer=([("server_max_window_bits", "10")], "extension")):
        self.answer = answer
        self.asked = None

    def offers(self):
        return [("permessage-deflate", [("client_max_window_bits", None)])]

    def client_accept(self, params):
        self.asked = params
        if ("bad", None) in params:
            raise NegotiationError("bad parameter")
        return "extension"

    def server_accept(self, offers):
        self.asked = offers
        return self.answer


def changed(headers, changes):
    """Return headers with changes: None takes one away, a list makes several of it."""
    values = {**headers, **changes}
    return Headers(
        (name, value)
        for name in values
        for value in (values[name] if isinstance(values[name], list) else [values[name]])
        if value is not None
    )


def request(method="GET", protocol="HTTP/1.1", **changes):
    changes = {name.replace("_", "-"): value for name, value in changes.items()}
    return Request("/chat", changed(REQUEST_HEADERS, changes), method, protocol)


def answer(asked, **options):
    """Return the server's response after its bytes went through a parser, and the handshake."""
    server = ServerHandshake(**options)
    parsed = server.receive_data(asked.serialize())
    assert parsed == asked
    return server.accept(parsed), server


def response(**changes):
    changes = {name.replace("_", "-"): value for name, value in changes.items()}
    return Response(101, "Switching Protocols", changed(RESPONSE_HEADERS, changes))


def verified(answered, **options):
    client = ClientHandshake(URI, key=KEY, **options)
    received = client.receive_data(answered.serialize())
    assert received == answered
    client.verify(received)
    return client
