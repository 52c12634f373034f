"""TLS in memory: what arrived goes in, what is to be sent comes out."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Records"]


class Records:
    """Both directions of one TLS connection, whose bytes somebody else moves."""

    def __init__(
        self, context: ssl.SSLContext, server_side: bool, server_hostname: Optional[str]
    ) -> None:
        self.context = context
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.ssl_object = context.wrap_bio(
            self._incoming, self._outgoing, server_side, server_hostname
        )
        # Without the Python of SSLObject in between, where there is such a thing.
        direct: Any = getattr(self.ssl_object, "_sslobj", self.ssl_object)
        self._read = direct.read
        self._write = direct.write
        self._pending = direct.pending
        self._put = self._incoming.write
        self._take = self._outgoing.read
        self._ended = False

    def receive(self, data: Any, nbytes: int) -> None:
        """Take what arrived: so many bytes from the start of ``data``; none is the end."""
        if nbytes:
            self._put(data[:nbytes])
        else:
            self._incoming.write_eof()

    def shake_hands(self) -> bool:
        """Go on with the handshake; True when it is done. Raises SSLError."""
        try:
            self.ssl_object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def decrypt(self, buffer: Any) -> int:
        """Fill a buffer; return how many bytes, 0 at the end, -1 when there are none yet."""
        if self._incoming.pending == 0 and self._pending() == 0 and not self._incoming.eof:
            return -1
        try:
            nbytes: int = self._read(len(buffer), buffer)
        except ssl.SSLWantReadError:
            return -1
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return 0
        return nbytes

    def encrypt(self, data: Buffer) -> bytes:
        """Return what to send for this, and for whatever else there is to say."""
        rest: Any = memoryview(data)
        left = len(rest)
        while left:
            # One record at a time.
            taken: int = self._write(rest)
            if taken == left:
                break
            rest = rest[taken:]
            left -= taken
        return self._take()

    def data_to_send(self) -> bytes:
        """Return what the handshake, or TLS itself, has to say."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def goodbye(self) -> bytes:
        """Return the alert that nothing more comes from us (RFC 8446 §6.1); b"" if it was sent."""
        if self._ended:
            return b""
        self._ended = True
        # It would go on to wait for the peer's.
        with contextlib.suppress(OSError, ValueError):
            self.ssl_object.unwrap()
        return self._outgoing.read()

    def get_extra_info(self, name: str) -> Any:
        """Return what a transport of asyncio over TLS tells under this name, else None."""
        if name == "ssl_object":
            return self.ssl_object
        if name == "sslcontext":
            return self.context
        if name == "peercert":
            return self.ssl_object.getpeercert()
        if name == "cipher":
            return self.ssl_object.cipher()
        if name == "compression":
            return self.ssl_object.compression()
        return None
