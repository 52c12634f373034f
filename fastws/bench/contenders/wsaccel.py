"""wsaccel: the accelerator of autobahn and websocket-client."""

from __future__ import annotations

from wsaccel.utf8validator import Utf8Validator
from wsaccel.xormask import XorMaskerSimple

from . import Call, Contender


class Wsaccel(Contender):
    """Its masker and validator keep state, so every payload takes a new one."""

    name = "wsaccel"
    configuration = "Cython"

    def mask(self, data: bytes, masking_key: bytes) -> Call:
        names = {"XorMaskerSimple": XorMaskerSimple, "data": data, "masking_key": masking_key}
        return Call("XorMaskerSimple(masking_key).process(data)", names)

    def utf8(self, data: bytes) -> Call:
        names = {"Utf8Validator": Utf8Validator, "data": data}
        return Call("Utf8Validator().validate(data)", names, lambda verdict: verdict[0])


def contenders() -> list[Contender]:
    return [Wsaccel()]
