"""The server's handshake: any bytes are incomplete or get one HTTP answer, however they are cut."""

import re

from harness import Input, fuzz, the_same

from fastws.deflate import Deflate
from fastws.errors import InvalidHandshake
from fastws.frames import Role, State
from fastws.handshake import ServerHandshake
from fastws.http11 import Request
from fastws.protocol import Protocol

ANSWER = re.compile(rb"HTTP/1\.1 [1-5][0-9][0-9] [ -~]*\r\n([!-9;-~]+: [\t -~\x80-\xff]*\r\n)*\r\n")


def answer(pieces):
    handshake = ServerHandshake(
        origins=["https://example.com", None],
        subprotocols=["chat", "superchat"],
        deflate=Deflate(),
        select_subprotocol=lambda offered: offered[0] if offered else None,
    )
    server = Protocol(Role.SERVER, handshake=handshake, max_size=1000)
    events = []
    for piece in pieces:
        new = server.receive_data(piece)
        events += new
        if new and isinstance(new[-1], Request):
            server.send_response(server.accept())
            break  # what follows are frames
    if server.state is State.CONNECTING:
        assert events == []
        assert server.data_to_send() == []
        return None
    for event in events:
        assert isinstance(event, (Request, InvalidHandshake))
    (wire, *_) = server.data_to_send()
    assert ANSWER.match(wire)
    assert server.refused is (server.response.status_code != 101)
    assert server.response.status_code in (101, 400, 403, 405, 426, 431)
    return server.response.status_code, str(server.handshake_exc)


def one_input(data):
    pieces = Input(data).pieces()
    one_by_one = [b"".join(pieces)[i : i + 1] for i in range(sum(map(len, pieces)))]
    the_same([answer(pieces), answer([b"".join(pieces)]), answer(one_by_one)])


if __name__ == "__main__":
    fuzz(one_input)
