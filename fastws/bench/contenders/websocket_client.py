"""websocket-client: its masking, its frames, and the client itself."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import websocket
from websocket import ABNF
from websocket._utils import validate_utf8

from ..clients import time_blocking
from ..jobs import Client, Round
from . import Call, Contender


class WebsocketClient(Contender):
    """A blocking client; with wsaccel installed it masks and validates in C."""

    name = "websocket-client"
    compiled = find_spec("wsaccel") is not None
    configuration = "with wsaccel" if compiled else "pure Python: wsaccel is not installed"

    def mask(self, data: bytes, masking_key: bytes) -> Call:
        names = {"mask": ABNF.mask, "data": data, "masking_key": masking_key}
        return Call("mask(masking_key, data)", names)

    def utf8(self, data: bytes) -> Call:
        return Call("validate_utf8(data)", {"validate_utf8": validate_utf8, "data": data}, bool)

    def serialize(self, payload: bytes, *, masked: bool) -> Call | None:
        if not masked:
            return None
        names = {"create_frame": ABNF.create_frame, "payload": payload}
        return Call("create_frame(payload, 2).format()", names)

    def clients(self) -> Sequence[Client]:
        return [Client("websocket-client", "blocking", run)]


def run(uri: str, message: bytes, seconds: float) -> Round:
    """Send and receive with ``websocket.WebSocket``."""
    connection = websocket.create_connection(uri, skip_utf8_validation=True)
    try:
        return time_blocking(connection.send_binary, connection.recv, message, seconds)
    finally:
        connection.close()


def contenders() -> list[Contender]:
    return [WebsocketClient()]
