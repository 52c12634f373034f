"""Python itself: a plain copy, zlib and a bare socket as the limits, and ``bytes.decode``."""

from __future__ import annotations

import socket
import threading
import zlib
from collections.abc import Callable, Mapping

from .. import definition
from . import Call, Contender, Kind, Serve


class Memcpy(Contender):
    """The machine's own copy: the least that any new object costs."""

    name = "memcpy"
    kind = Kind.LIMIT
    configuration = "a slice of bytes, a slice assignment: the copy without the work"

    def mask(self, data: bytes, masking_key: bytes) -> Call:
        # A slice of all would be the same object, not a copy.
        length, longer = len(data), data + b"\0"
        names = {"longer": longer, "length": length}
        return Call("longer[:length]", names, lambda copy: definition.apply_mask(copy, masking_key))

    def mask_inplace(self, buffer: bytearray, masking_key: bytes) -> Call:
        # From a bytearray it is one copy; bytes would be made a bytearray first.
        masked = bytearray(definition.apply_mask(buffer, masking_key))
        return Call("buffer", {"buffer": buffer, "masked": masked}, before="buffer[:] = masked")


class Decode(Contender):
    """What Python offers to validate a text: make it."""

    name = "bytes.decode"
    configuration = "the str is made and dropped"

    def utf8(self, data: bytes) -> Call:
        return Call("data.decode()", {"data": data}, lambda text: isinstance(text, str))


class Zlib(Contender):
    """The streams alone, with nothing around them."""

    name = "zlib"
    kind = Kind.LIMIT
    configuration = "called directly; parameters as for everyone"

    def compress(self, messages: list[bytes]) -> Call:
        compressor = definition.new_compressor()
        names = {
            "compress": compressor.compress,
            "flush": compressor.flush,
            "SYNC_FLUSH": zlib.Z_SYNC_FLUSH,
            "messages": messages,
        }
        # RFC 7692 §7.2.3.6: zlib has nothing to flush after an empty message.
        payload = r"(compress(message) + flush(SYNC_FLUSH))[:-4] or b'\0'"
        return Call(f"[{payload} for message in messages]", names, count=len(messages))

    def decompress(self, payloads: list[bytes], max_length: int) -> Call:
        decompressor = zlib.decompressobj(wbits=-definition.WINDOW_BITS)
        names = {
            "decompress": decompressor.decompress,
            "TAIL": definition.DEFLATE_TAIL,
            "max_length": max_length,
            "payloads": payloads,
        }
        message = "decompress(payload + TAIL, max_length)"
        return Call(f"[{message} for payload in payloads]", names, count=len(payloads))


class BareSocket(Contender):
    """An echo without WebSocket: what the sockets alone cost."""

    name = "bare socket"
    kind = Kind.LIMIT
    configuration = "recv and sendall, a thread per connection; nothing is parsed"

    def echo_servers(self) -> Mapping[str, Serve]:
        return {self.name: serve_replies}


def serve_replies(ready: Callable[[int], None]) -> None:
    """Answer every frame as the first one of its connection, by counting bytes only."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready(listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _reply(connection)


def _reply(connection: socket.socket) -> None:
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += connection.recv(65536)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    frame = b""
    while True:
        frame += connection.recv(1 << 20)
        try:
            opcode, payload = definition.parse_frame(frame)
            break
        except (ValueError, IndexError):  # not whole yet
            continue
    reply = definition.serialize_frame(opcode, payload)
    received = len(frame)
    buffer = bytearray(1 << 20)
    while True:
        whole, received = divmod(received, len(frame))
        if whole:
            connection.sendall(reply * whole)
        nbytes = connection.recv_into(buffer)
        if nbytes == 0:
            return
        received += nbytes


def contenders() -> list[Contender]:
    return [Decode(), Memcpy(), Zlib(), BareSocket()]
