"""Stands in for `tests/extensions/utils.py` of websockets: an extension that sets a bit."""

import dataclasses


class Rsv2Extension:
    """Sets RSV2 on what it sends, and wants it on what it receives."""

    name = "x-rsv2"

    def decode(self, frame, *, max_size=None):
        assert frame.rsv2
        return dataclasses.replace(frame, rsv2=False)

    def encode(self, frame):
        assert not frame.rsv2
        return dataclasses.replace(frame, rsv2=True)

    def __eq__(self, other):
        return isinstance(other, Rsv2Extension)
