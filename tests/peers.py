"""Two `Protocol` objects that talk to each other without a network, and what they said."""

from __future__ import annotations

from typing import NamedTuple

from wire import KEY, frame

from fastws.deflate import Deflate
from fastws.frames import Opcode, Role
from fastws.handshake import ClientHandshake, ServerHandshake
from fastws.protocol import Protocol
from fastws.uri import parse_uri

URI = parse_uri("ws://example.com/chat")


class Frame(NamedTuple):
    """A frame as it was on the wire; small ones only need their opcode and payload."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0


def frames(wire):
    """Take apart the frames in these bytes, by the text of RFC 6455 §5.2 alone."""
    found, start = [], 0
    while start < len(wire):
        first, second = wire[start : start + 2]
        start += 2
        length = second & 0x7F
        if length > 125:
            length_bytes = {126: 2, 127: 8}[length]
            length = int.from_bytes(wire[start : start + length_bytes], "big")
            start += length_bytes
        key = bytes(4)
        if second & 0x80:
            key = wire[start : start + 4]
            start += 4
        payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(wire[start : start + length]))
        assert len(payload) == length, "a frame is cut off"
        start += length
        found.append(Frame(first & 0x0F, payload, bool(first & 0x80), first >> 4 & 7))
    return found


def sent(protocol):
    """What a protocol has to send, as frames; they are masked if and only if a client's."""
    wire = b"".join(protocol.data_to_send())
    found = frames(wire)
    if found:
        assert bool(wire[1] & 0x80) is (protocol.role is Role.CLIENT)
    return found


def from_peer(protocol, opcode, payload=b"", **options):
    """The bytes of a frame from the other side of a protocol."""
    key = KEY if protocol.role is Role.SERVER else None
    return frame(opcode, payload, key=key, **options)


def close_frame(protocol, code=None, reason=""):
    payload = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
    return from_peer(protocol, Opcode.CLOSE, payload)


def transfer(source, target, now=None):
    """Carry all bytes one way; return the events."""
    events = []
    for data in source.data_to_send():
        events += target.receive_data(data, now)
    return events


def settle(left, right, now=None):
    """Carry bytes both ways until nobody has any; return the events of each."""
    left_events, right_events = [], []
    while True:
        to_right = left.data_to_send()
        to_left = right.data_to_send()
        if not to_right and not to_left:
            return left_events, right_events
        for data in to_right:
            right_events += right.receive_data(data, now)
        for data in to_left:
            left_events += left.receive_data(data, now)


def open_pair(**options):
    """A client and a server that are OPEN, without compression."""
    return Protocol(Role.CLIENT, **options), Protocol(Role.SERVER, **options)


def negotiated(client=None, server=None):
    """What both sides use after they negotiated compression: the client's, the server's."""
    accepted = (server or Deflate()).server_accept(
        [params for _, params in (client or Deflate()).offers()]
    )
    assert accepted is not None
    answer, server_extension = accepted
    return (client or Deflate()).client_accept(answer), server_extension


def deflate_pair(client=None, server=None, **options):
    """A client and a server that are OPEN and compress."""
    ours, theirs = negotiated(client, server)
    return (
        Protocol(Role.CLIENT, extension=ours, **options),
        Protocol(Role.SERVER, extension=theirs, **options),
    )


def connecting_pair(client_options=None, server_options=None, **options):
    """A client and a server before their handshake."""
    client = Protocol(
        Role.CLIENT, handshake=ClientHandshake(URI, **client_options or {}), **options
    )
    server = Protocol(Role.SERVER, handshake=ServerHandshake(**server_options or {}), **options)
    return client, server


def shake_hands(client, server):
    """Take both sides from CONNECTING to OPEN; return the response."""
    client.send_request()
    transfer(client, server)
    response = server.accept()
    server.send_response(response)
    transfer(server, client)
    return response
