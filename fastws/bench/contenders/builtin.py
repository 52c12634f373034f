"""Python itself: a plain copy, zlib and a bare socket as the limits, and ``bytes.decode``."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Sequence
from typing import Any

from .. import definition
from ..jobs import Job, Server
from ..readiness import Readiness
from . import Call, Contender, Kind


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

    def mask_inplace(self, buffer: bytearray, masking_key: bytes, start: int) -> Call:
        masked = bytearray(start) + definition.apply_mask(buffer[start:], masking_key)
        names: dict[str, Any] = {"buffer": buffer, "masked": masked}
        if start:
            names = {"buffer": memoryview(buffer)[start:], "masked": memoryview(masked)[start:]}
        # From a bytearray it is one copy; bytes would be made a bytearray first.
        return Call("buffer", names, before="buffer[:] = masked")


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
    configuration = "recv and send in one epoll loop; nothing is parsed after the first frame"

    def servers(self) -> Sequence[Server]:
        return [Server("bare socket", "select", serve_replies)]


def serve_replies(job: Job) -> None:
    """Answer every frame as the first one of its connection, by counting bytes only."""
    with socket.create_server(("127.0.0.1", job.port), backlog=1024) as listener:
        # The selector is as short as the system allows: epoll itself where there is one.
        ready = Readiness()
        ready.add(listener.fileno())
        connections: dict[int, _Replies] = {}
        job.ready(listener.getsockname()[1])
        while True:
            for descriptor in ready.wait(None):
                connection = connections.get(descriptor)
                if connection is None:
                    accepted, _ = listener.accept()
                    connections[accepted.fileno()] = _Replies(accepted)
                    ready.add(accepted.fileno())
                elif not connection.serve():
                    ready.remove(descriptor)
                    connections.pop(descriptor).sock.close()


# The first byte of a closing frame; clients wait for its echo before they go.
CLOSE = 0x88


class _Replies:
    """One connection: a handshake, a first frame that is parsed, then bytes that are counted."""

    BUFFER = bytearray(1 << 20)

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self._opened = False
        self._start = bytearray()
        self._length = 0
        self._received = 0
        self._reply = b""

    def serve(self) -> bool:
        """Take what has arrived; return whether the connection goes on."""
        try:
            nbytes = self.sock.recv_into(self.BUFFER)
            between_frames = self._received == 0 and not self._start
            if between_frames and nbytes and self.BUFFER[0] == CLOSE:
                self.sock.sendall(definition.serialize_frame(CLOSE & 0xF, b""))
                return False
            if self._reply:
                self._received += nbytes
            else:
                self._start += self.BUFFER[:nbytes]
                self._begin()
            if self._received >= self._length > 0:
                whole, self._received = divmod(self._received, self._length)
                self.sock.sendall(self._reply * whole)
        except OSError:
            return False
        return nbytes > 0

    def _begin(self) -> None:
        """Answer the handshake; prepare the reply from the first frame."""
        start = self._start
        if not self._opened:
            if start.endswith(b"\r\n\r\n"):
                self.sock.sendall(definition.response(bytes(start)))
                self._opened = True
                start.clear()
        elif len(start) >= 2 and len(start) >= definition.frame_length(start):
            self._length = definition.frame_length(start)
            opcode, payload = definition.parse_frame(bytes(start[: self._length]))
            self._reply = definition.serialize_frame(opcode, payload)
            self._received = len(start)
            start.clear()


def contenders() -> list[Contender]:
    return [Decode(), Memcpy(), Zlib(), BareSocket()]
