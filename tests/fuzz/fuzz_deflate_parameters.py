"""Sec-WebSocket-Extensions as offer and as answer: judged, never misread; what we answer holds."""

from harness import Input, fuzz

from fastws.deflate import Deflate
from fastws.errors import InvalidHeaderFormat, NegotiationError
from fastws.extensions import parse_extensions, serialize_extensions

SETTINGS = [
    Deflate(),
    Deflate(server_max_window_bits=9, client_max_window_bits=10),
    Deflate(server_no_context_takeover=True, client_no_context_takeover=True),
    Deflate(client_max_window_bits=None),
    Deflate(server_max_window_bits=8, client_max_window_bits=8),
]

FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
WINDOWS = [str(bits) for bits in range(8, 16)]
VALUES = {"server_max_window_bits": WINDOWS, "client_max_window_bits": [None, *WINDOWS]}


def one_input(data):
    take = Input(data)
    settings = SETTINGS[take.byte() % len(SETTINGS)]
    values = take.rest().decode("latin-1").split("\n")
    try:
        extensions = parse_extensions(values)
    except InvalidHeaderFormat:
        return
    assert parse_extensions([serialize_extensions(extensions)]) == extensions
    offers = [params for name, params in extensions if name == "permessage-deflate"]
    accepted = settings.server_accept(offers)
    if accepted is not None:
        answer, server = accepted
        check_answer(answer, server, offers)
    for params in offers:
        try:
            client = settings.client_accept(params)
        except NegotiationError:
            continue
        assert 8 <= client.remote_max_window_bits <= 15
        assert 8 <= client.local_max_window_bits <= 15
        if settings.client_max_window_bits not in (None, True):
            assert client.local_max_window_bits <= settings.client_max_window_bits
        limit = dict(params).get("client_max_window_bits")
        assert limit is None or client.local_max_window_bits <= int(limit)


def check_answer(answer, server, offers):
    """The answer fits one of the offers (RFC 7692 §7.1), and says what the server then does."""
    said = dict(answer)
    assert len(said) == len(answer)
    assert 8 <= server.local_max_window_bits <= int(said.get("server_max_window_bits", 15))
    assert server.remote_max_window_bits == int(said.get("client_max_window_bits", 15))
    assert server.local_no_context_takeover == ("server_no_context_takeover" in said)
    assert any(fits(said, dict(offer)) for offer in offers if valid(offer))


def valid(offer):
    """RFC 7692 §7.1: no name twice, flags without a value, windows from 8 to 15."""
    return len(dict(offer)) == len(offer) and all(
        value is None if name in FLAGS else value in VALUES.get(name, ()) for name, value in offer
    )


def fits(said, offer):
    if "client_max_window_bits" in said:
        if "client_max_window_bits" not in offer:
            return False
        if int(said["client_max_window_bits"]) > int(offer["client_max_window_bits"] or 15):
            return False
    wanted = offer.get("server_max_window_bits")
    if wanted is not None and int(said.get("server_max_window_bits", 16)) > int(wanted):
        return False
    return "server_no_context_takeover" in said or "server_no_context_takeover" not in offer


if __name__ == "__main__":
    fuzz(one_input)
