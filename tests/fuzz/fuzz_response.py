"""The client's handshake: any answer opens the connection, is refused, or is not complete."""

from harness import Input, fuzz, the_same

from fastws.deflate import Deflate
from fastws.errors import InvalidHandshake, InvalidURI
from fastws.frames import Role, State
from fastws.handshake import ClientHandshake, accept_key
from fastws.http11 import Response
from fastws.protocol import Protocol
from fastws.uri import parse_uri

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
URI = parse_uri("wss://user:secret@example.com/chat?a=b")


def outcome(pieces):
    handshake = ClientHandshake(URI, key=KEY, subprotocols=["chat"], deflate=Deflate())
    client = Protocol(Role.CLIENT, handshake=handshake, max_size=1000)
    client.send_request()
    events = []
    for piece in pieces:
        events += client.receive_data(piece)
        if client.state is not State.CONNECTING:
            break  # what follows are frames
    opened = client.state is State.OPEN
    events += client.receive_eof()
    assert client.state is State.CLOSED
    if opened or (events and client.handshake_exc is None):
        check_opened(client)
        return "open", client.subprotocol
    assert isinstance(client.handshake_exc, InvalidHandshake)
    assert isinstance(events[-1], InvalidHandshake)
    for event in events[:-1]:
        assert isinstance(event, Response)
        check_redirect(handshake, event)
    return type(client.handshake_exc), str(client.handshake_exc)


def check_opened(client):
    """RFC 6455 §4.1: never without the answer to our key, never with what we did not offer."""
    headers = client.response.headers
    assert client.response.status_code == 101
    assert headers["Sec-WebSocket-Accept"] == accept_key(KEY)
    assert client.subprotocol in (None, "chat")


def check_redirect(handshake, response):
    try:
        target = handshake.redirect(response)
    except (InvalidHandshake, InvalidURI):
        return
    if target is not None:
        assert target.secure
        if target.origin != URI.origin:
            assert target.password != "secret"


def one_input(data):
    pieces = Input(data).pieces()
    one_by_one = [b"".join(pieces)[i : i + 1] for i in range(sum(map(len, pieces)))]
    the_same([outcome(pieces), outcome([b"".join(pieces)]), outcome(one_by_one)])


if __name__ == "__main__":
    fuzz(one_input)
