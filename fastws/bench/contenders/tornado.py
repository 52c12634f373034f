"""tornado: its masking; its protocol cannot be had without its streams."""

from __future__ import annotations

import inspect

from tornado.util import _websocket_mask

from . import Call, Contender


class Tornado(Contender):
    """What tornado itself runs: C where it was built."""

    name = "tornado"
    compiled = not inspect.isfunction(_websocket_mask)
    configuration = "C speedups" if compiled else "without its C speedups"

    def mask(self, data: bytes, masking_key: bytes) -> Call:
        names = {"websocket_mask": _websocket_mask, "data": data, "masking_key": masking_key}
        return Call("websocket_mask(masking_key, data)", names)


def contenders() -> list[Contender]:
    return [Tornado()]
