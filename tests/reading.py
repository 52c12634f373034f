"""How the reader tests feed a `MessageReader` and write down what comes out."""

from itertools import pairwise

from wire import KEY

from fastws.errors import ProtocolError
from fastws.frames import Fragment, Role

# What a peer of each role has to do with its frames.
KEYS = {Role.SERVER: KEY, Role.CLIENT: None}


def seen(events):
    """Events as values that compare: errors do not."""
    return [
        (type(event), event.code, str(event))
        if isinstance(event, ProtocolError)
        else (type(event), event)
        for event in events
    ]


def has_control(events):
    return any(not isinstance(event, (str, bytes, Fragment)) for event in events)


def in_pieces(wire, cuts):
    borders = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    return [wire[start:end] for start, end in pairwise(borders)]


def read(reader, pieces):
    """All events of these pieces; ``has_control`` and ``bytes_received`` are checked on the way."""
    events = []
    for piece in pieces:
        before = reader.bytes_received
        new = reader.receive(piece)
        assert reader.has_control is has_control(new)
        assert reader.bytes_received == before + len(piece)
        events += new
    return events


def read_into_buffers(reader, wire, most):
    """As a transport does: into the reader's own buffer when it has one, ``most`` bytes a time."""
    events, start = [], 0
    while start < len(wire):
        buffer = reader.get_buffer()
        if buffer is None:
            piece = wire[start : start + most]
            new = reader.receive(piece)
        else:
            with memoryview(buffer) as view:
                piece = wire[start : start + min(most, len(view))]
                view[: len(piece)] = piece
            new = reader.buffer_updated(len(piece))
        assert reader.has_control is has_control(new)
        events += new
        start += len(piece)
    return events
