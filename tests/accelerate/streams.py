"""Random streams of frames, most of them good, cut at random places."""

import random
import zlib

from fastws import apply_mask

TEXTS = ("", "x", "hello", "Grüße, 世界 🌍", "long text " * 30, "日本語" * 4000)
LENGTHS = (0, 1, 5, 60, 125, 126, 127, 300, 5000, 16_384, 20_000, 65_535, 65_536, 90_000)
GOOD_CLOSES = (b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0f\xa0private")
CLOSES = (*GOOD_CLOSES, b"\x03", b"\x03\xed", b"\x03\xe8\xff", b"\x00\x00", b"\x13\x88")


class Stream:
    """What one peer sends."""

    def __init__(self, seed, masked, deflate=False):
        self.random = random.Random(seed)
        self.masked = masked
        self.compressor = zlib.compressobj(wbits=-15) if deflate else None
        self.frames = []
        for _ in range(self.random.randrange(1, 9)):
            kinds = (self.message, self.fragments, self.control, self.fault)
            self.random.choices(kinds, weights=(12, 3, 3, 1))[0]()

    def pieces(self):
        """The stream, cut: between its frames, or anywhere; sometimes its end is missing."""
        frames = self.frames
        if self.random.random() < 0.3:
            last = frames[-1]
            frames = [*frames[:-1], last[: self.random.randrange(1, len(last) + 1)]]
        if self.random.random() < 0.3:
            return frames
        data = b"".join(frames)
        most = self.random.choice((1, 7, 300, 10_000, 70_000, 1_000_000))
        if len(data) / most > 400:
            most = len(data) // 400
        pieces = []
        while data:
            length = self.random.randrange(1, most + 1)
            pieces.append(data[:length])
            data = data[length:]
        return pieces

    def payload(self):
        """The opcode and the bytes of a message."""
        if self.random.random() < 0.5:
            return 1, self.random.choice(TEXTS).encode()
        return 2, self.random.randbytes(self.random.choice(LENGTHS))

    def frame(self, first, payload, length=None, masked=None):
        length = len(payload) if length is None else length
        masked = self.masked if masked is None else masked
        bit = 0x80 if masked else 0
        if length < 126:
            head = bytes([first, bit | length])
        elif length < 65536:
            head = bytes([first, bit | 126]) + length.to_bytes(2, "big")
        else:
            head = bytes([first, bit | 127]) + length.to_bytes(8, "big")
        if masked:
            key = self.random.randbytes(4)
            head += key
            payload = apply_mask(payload, key)
        self.frames.append(head + payload)

    def message(self):
        opcode, payload = self.payload()
        if self.compressor is not None and self.random.random() < 0.6:
            payload = self.deflated(payload)
            opcode |= 0x40
        self.frame(0x80 | opcode, payload)

    def deflated(self, payload):
        payload = self.compressor.compress(payload)
        return (payload + self.compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def fragments(self):
        opcode, payload = self.payload()
        while self.random.random() < 0.7:
            cut = self.random.randrange(len(payload) + 1)
            self.frame(opcode, payload[:cut])
            payload, opcode = payload[cut:], 0
            if self.random.random() < 0.3:
                self.control()
        self.frame(0x80 | opcode, payload)

    def control(self):
        opcode = self.random.choices((9, 10, 8), weights=(8, 8, 1))[0]
        payload = self.random.choice(CLOSES) if opcode == 8 else self.random.randbytes(5)
        self.frame(0x80 | opcode, payload)

    def fault(self):
        """Something a peer must not send."""
        faults = (
            lambda: self.frame(0x81, b"\xff\xfe" + b"x" * self.random.choice((0, 30_000))),
            lambda: self.frame(0x81, b"x" * 20_000 + b"\xc3"),
            lambda: self.frame(0x80 | self.random.randrange(3, 8), b"reserved"),
            lambda: self.frame(0xC1, b"compressed?"),
            lambda: self.frame(0xA2, b"reserved bit"),
            lambda: self.frame(0x80, b"nothing to continue"),
            lambda: self.frame(0x01, b"never continued"),
            lambda: self.frame(0x09, b"fragmented ping"),
            lambda: self.frame(0x89, b"p" * 126),
            lambda: self.frame(0x81, b"masked?", masked=not self.masked),
            lambda: self.frame(0x82, b"x", length=1 << 40),
            lambda: self.frame(0x82, b"x", length=(1 << 63) + 5),
        )
        self.random.choice(faults)()


def streams(count, masked, deflate=False):
    """Streams in pieces, the same ones each time."""
    for seed in range(count):
        yield Stream(seed, masked, deflate).pieces()
