"""wsproto: the sans-I/O implementation below uvicorn and hypercorn."""

from __future__ import annotations

from wsproto import WSConnection
from wsproto.connection import Connection, ConnectionType
from wsproto.events import AcceptConnection, BytesMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import XorMaskerSimple

from . import Call, Contender


class Wsproto(Contender):
    """Pure Python, all of it."""

    name = "wsproto"
    compiled = False
    configuration = "pure Python"

    def mask(self, data: bytes, masking_key: bytes) -> Call:
        names = {"XorMaskerSimple": XorMaskerSimple, "data": data, "masking_key": masking_key}
        return Call("XorMaskerSimple(masking_key).process(data)", names)

    def serialize(self, payload: bytes, *, masked: bool) -> Call:
        role = ConnectionType.CLIENT if masked else ConnectionType.SERVER
        names = {"send": Connection(role).send, "BytesMessage": BytesMessage, "payload": payload}
        return Call("send(BytesMessage(payload))", names)

    def parse(self, stream: bytes, *, text: bool, count: int) -> Call:
        names = {"connection": Connection(ConnectionType.SERVER), "stream": stream}
        return Call(
            "[event.data for event in connection.events()]",
            names,
            before="connection.receive_data(stream)",
            count=count,
        )

    def handshake(self, request: bytes) -> Call:
        names = {
            "WSConnection": WSConnection,
            "SERVER": ConnectionType.SERVER,
            "AcceptConnection": AcceptConnection,
            "PerMessageDeflate": PerMessageDeflate,
            "received": request,
        }
        return Call(
            "connection.send(AcceptConnection(extensions=[PerMessageDeflate()]))",
            names,
            before="connection = WSConnection(SERVER); connection.receive_data(received); "
            "[request] = connection.events()",
        )


def contenders() -> list[Contender]:
    return [Wsproto()]
