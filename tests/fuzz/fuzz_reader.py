"""The reader: any bytes mean the same to both kernels, however they are cut and received."""

from harness import KERNELS, Input, fuzz, the_same

from fastws.deflate import Deflate
from fastws.errors import ProtocolError
from fastws.frames import Close, CloseCode, Fragment, Ping, Pong, Role

MAX_SIZES = [None, 0, 1, 125, 1000, 70_000]


def extension(role):
    """What a side inflates with, after a negotiation with default settings."""
    settings = Deflate()
    answer, server = settings.server_accept([params for _, params in settings.offers()])
    return server if role is Role.SERVER else settings.client_accept(answer)


def noted(event):
    if isinstance(event, ProtocolError):
        return type(event), event.code, str(event)
    assert isinstance(event, (str, bytes, Fragment, Ping, Pong, Close))
    return type(event), event


def receive(reader, piece):
    """Into the buffer that the reader gives out, when it does."""
    events = []
    while piece:
        buffer = reader.get_buffer()
        if buffer is None:
            return events + reader.receive(piece)
        with memoryview(buffer) as view:
            length = min(len(piece), len(view))
            view[:length] = piece[:length]
        events += reader.buffer_updated(length)
        piece = piece[length:]
    return events


def read(kernel, options, pieces):
    role, max_size, deflated, decode, fragments = options
    reader = kernel.MessageReader(
        role, max_size=max_size, max_fragments=20 if max_size == 1000 else None, decode=decode
    )
    reader.fragments = fragments
    if deflated:
        reader.inflate = extension(role).decompress
    events = []
    for piece in pieces:
        new = receive(reader, piece)
        events += new
    assert reader.bytes_received == sum(map(len, pieces))
    if max_size is not None:
        for event in events:
            if isinstance(event, (str, bytes)):
                assert len(event.encode() if isinstance(event, str) else event) <= max_size
    return [noted(event) for event in events]


def one_input(data):
    take = Input(data)
    flags = take.byte()
    max_size = MAX_SIZES[take.byte() % len(MAX_SIZES)]
    role = Role.SERVER if flags & 1 else Role.CLIENT
    options = role, max_size, bool(flags & 2), bool(flags & 4), bool(flags & 8)
    pieces = take.pieces()
    events = the_same(
        read(kernel, options, cut) for kernel in KERNELS for cut in (pieces, [b"".join(pieces)])
    )
    # A violation or a close is the last, and a violation has a code that may be sent.
    for kind, *_ in events[:-1]:
        assert kind is not Close
        assert not issubclass(kind, ProtocolError)
    if events and issubclass(events[-1][0], ProtocolError):
        _, code, reason = events[-1]
        assert code in (
            CloseCode.PROTOCOL_ERROR,
            CloseCode.INVALID_DATA,
            CloseCode.MESSAGE_TOO_BIG,
        )
        assert reason


if __name__ == "__main__":
    fuzz(one_input)
