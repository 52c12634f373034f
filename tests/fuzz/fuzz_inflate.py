"""Inflation: never a byte past the limit, only declared errors, and what we deflate comes back."""

import zlib

from harness import Input, fuzz

from fastws.deflate import Deflate, PerMessageDeflate
from fastws.errors import PayloadTooBig, ProtocolError
from fastws.frames import CloseCode

LIMITS = [None, 0, 1, 2, 100, 5000]


def state(bits, no_context_takeover):
    return PerMessageDeflate(
        Deflate(),
        local_max_window_bits=bits,
        remote_max_window_bits=bits,
        local_no_context_takeover=no_context_takeover,
        remote_no_context_takeover=no_context_takeover,
    )


def one_input(data):
    take = Input(data)
    flags = take.byte()
    bits, no_context_takeover = 8 + flags % 8, bool(flags & 8)
    limit = LIMITS[take.byte() % len(LIMITS)]
    pieces = take.pieces()
    check_hostile(state(bits, no_context_takeover), pieces, limit)
    check_round_trip(state(bits, no_context_takeover), pieces)


def check_hostile(receiver, pieces, limit):
    """The pieces are the payloads of fragments, whatever they are."""
    left = limit
    inflated = b""
    for number, piece in enumerate(pieces, 1):
        try:
            plain = receiver.decompress(piece, left, number == len(pieces))
        except PayloadTooBig:
            assert limit is not None
            return
        except ProtocolError as error:
            if error.code != CloseCode.INVALID_DATA:
                raise
            return
        inflated += plain
        if left is not None:
            assert len(plain) <= left
            left -= len(plain)
    compare_with_zlib(inflated, b"".join(pieces))


def compare_with_zlib(inflated, compressed):
    """Up to the first final block, where zlib stops and RFC 7692 §7.2.1 goes on."""
    inflater = zlib.decompressobj(-15)
    try:
        plain = inflater.decompress(compressed + b"\x00\x00\xff\xff", len(inflated) + 1)
    except zlib.error:
        return  # of a window smaller than this one's, or after a final block
    assert inflated.startswith(plain) if inflater.eof else inflated == plain


def check_round_trip(sender, pieces):
    """The pieces are what is sent; another side inflates to exactly that."""
    receiver = state(15, sender.remote_no_context_takeover)
    for number, piece in enumerate(pieces, 1):
        fin = number == len(pieces)
        assert receiver.decompress(sender.compress(piece, fin), len(piece), fin) == piece
    for piece in pieces:
        sender.note_shared()
        assert receiver.decompress(sender.compress_shared(piece), len(piece), True) == piece
        assert receiver.decompress(sender.compress(piece), len(piece), True) == piece


if __name__ == "__main__":
    fuzz(one_input)
