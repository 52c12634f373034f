"""The functions that are replaced give what the originals gave, for random arguments."""

import random
from importlib import import_module

import pytest

SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 63, 125, 126, 1000, 4099)


def arguments():
    source = random.Random(6455)
    for length in SIZES:
        for _ in range(8):
            yield source.randbytes(4), source.randbytes(length)


def result(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error), str(error)


def gevent_websocket(module, key, data):
    header = module.Header(length=len(data))
    header.mask = key
    return header.unmask_payload(data)


def ws4py(module, key, data):
    frame = module.Frame(masking_key=key)
    return frame.mask(data), frame.unmask(data)


def in_place(name):
    def call(module, key, data):
        buffer = bytearray(data)
        getattr(module, name)(key, buffer)
        return buffer

    return call


def autobahn(module, key, data):
    masker = module.create_xor_masker(key, len(data))
    return masker.process(data), masker.process(data[:7]), masker.pointer(), masker.process(data)


def wsproto(module, key, data):
    masker = module.XorMaskerSimple(key)
    return [masker.process(data[at : at + 5]) for at in range(0, len(data), 5)]


def slack(module, key, data):
    random.seed(key)
    return module._build_data_frame_for_sending(data, 1)


CALLS = {
    ("websockets", "websockets.frames"): lambda m, key, data: m.apply_mask(data, key),
    ("websockets", "websockets.legacy.framing"): lambda m, key, data: m.apply_mask(data, key),
    ("wsproto", "wsproto.frame_protocol"): wsproto,
    ("aiohttp", "aiohttp._websocket.helpers"): in_place("websocket_mask"),
    ("aiohttp", "aiohttp._websocket.writer"): in_place("websocket_mask"),
    ("tornado", "tornado.util"): lambda m, key, data: m._websocket_mask(key, data),
    ("tornado", "tornado.websocket"): lambda m, key, data: m._websocket_mask(key, data),
    ("gunicorn", "gunicorn.asgi.websocket"): lambda m, key, data: m.WebSocketProtocol._unmask(
        None, data, key
    ),
    ("websocket-client", "websocket._abnf"): lambda m, key, data: m.ABNF.mask(key, data),
    ("autobahn", "autobahn.websocket.xormasker"): autobahn,
    ("autobahn", "autobahn.websocket.protocol"): autobahn,
    ("gevent-websocket", "geventwebsocket.websocket"): gevent_websocket,
    ("ws4py", "ws4py.framing"): ws4py,
    ("eventlet", "eventlet.websocket"): lambda m, key, data: m.RFC6455WebSocket._apply_mask(
        data, tuple(key), len(data), 3
    ),
    ("websockify", "websockify.websocket"): lambda m, key, data: m.WebSocket._unmask(
        None, data, key
    ),
    ("lomond", "lomond.frame"): in_place("mask_payload"),
    ("slack_sdk", "slack_sdk.socket_mode.builtin.internals"): slack,
    ("slack_sdk", "slack_sdk.socket_mode.builtin.connection"): slack,
}


@pytest.mark.filterwarnings("ignore")  # of the packages themselves
@pytest.mark.parametrize(("target", "name"), CALLS, ids=[name for _, name in CALLS])
def test_masks_as_the_original_did(accelerated, target, name):
    pytest.importorskip(name, exc_type=ImportError)
    module = import_module(name)
    before = [result(CALLS[target, name], module, *args) for args in arguments()]
    accelerated(target, level="mask")
    assert [result(CALLS[target, name], module, *args) for args in arguments()] == before


VALIDATORS = {
    ("autobahn", "autobahn.websocket.protocol"): lambda m: m.Utf8Validator,
    ("ws4py", "ws4py.utf8validator"): lambda m: m.Utf8Validator,
}


@pytest.mark.parametrize(("target", "name"), VALIDATORS, ids=[name for _, name in VALIDATORS])
def test_validates_utf8_as_the_original_did(accelerated, target, name):
    pytest.importorskip(name, exc_type=ImportError)
    module = import_module(name)

    def observe():
        source = random.Random(3629)
        seen = []
        for _ in range(300):
            text = "".join(map(chr, source.choices((0x41, 0xE9, 0x4E16, 0x1F30D), k=30))).encode()
            if source.random() < 0.5:
                at = source.randrange(len(text))
                text = text[:at] + source.randbytes(1) + text[at + 1 :]
            validator = VALIDATORS[target, name](module)()
            while text:
                cut = source.randrange(1, 20)
                seen.append(validator.validate(text[:cut]))
                text = text[cut:] if seen[-1][0] else b""
        return seen

    before = observe()
    accelerated(target, level="mask")
    assert observe() == before


def test_websocket_client_validates_utf8_as_it_did(accelerated):
    abnf = pytest.importorskip("websocket._abnf")
    source = random.Random(3629)
    texts = [source.randbytes(source.randrange(5)) for _ in range(3000)]
    texts += ["Grüße 🌍".encode()[:end] for end in range(11)]
    before = [abnf.validate_utf8(text) for text in texts]
    accelerated("websocket-client")
    assert [abnf.validate_utf8(text) for text in texts] == before
