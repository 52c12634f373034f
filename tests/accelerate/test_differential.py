"""A connection, a parser or a reader makes the same of any stream, accelerated or not."""

import pytest

from .streams import streams

COUNT = 60


def compare(observe, kinds, switch_on):
    """Observe each kind of stream without and with acceleration."""
    before = [[observe(pieces, *kind) for pieces in made()] for kind, made in kinds]
    switch_on()
    for (kind, made), expected in zip(kinds, before, strict=True):
        for i, (pieces, one) in enumerate(zip(made(), expected, strict=True)):
            assert observe(pieces, *kind) == one, f"stream {i} of {kind}"


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_websockets_protocol(accelerated, deflate):
    protocol = pytest.importorskip("websockets.protocol")
    from websockets.extensions.permessage_deflate import PerMessageDeflate

    from fastws.accelerate.websockets.observing import observe_stream

    def observe(pieces, side, max_size):
        extensions = [PerMessageDeflate(False, False, 15, 15)] if deflate else []
        return observe_stream(protocol, side, pieces, max_size, extensions)

    kinds = [
        ((side, max_size), lambda side=side: streams(COUNT, side is protocol.SERVER, deflate))
        for side in (protocol.SERVER, protocol.CLIENT)
        for max_size in (None, 2**20, 20_000, (50_000, 10_000))
    ]
    compare(observe, kinds, lambda: accelerated("websockets"))


def test_websockets_connection(accelerated):
    connection = pytest.importorskip("websockets.asyncio.connection")
    import asyncio

    from fastws.accelerate.websockets.observing import observe_exchange

    async def observe_in_a_loop(pieces, decode):
        return observe_exchange(connection, pieces, decode)

    def observe(pieces, decode):
        return asyncio.run(observe_in_a_loop(pieces, decode))

    kinds = [((decode,), lambda: streams(40, True)) for decode in (None, True, False)]
    compare(observe, kinds, lambda: accelerated("websockets"))


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_wsproto(accelerated, deflate):
    connection = pytest.importorskip("wsproto.connection")
    from wsproto.extensions import PerMessageDeflate

    from fastws.accelerate.wsproto.observing import observe_stream

    def observe(pieces, kind):
        extensions = [PerMessageDeflate()] if deflate else []
        for extension in extensions:
            extension.finalize("permessage-deflate")
        return observe_stream(connection, kind, pieces, extensions)

    kinds = [
        ((kind,), lambda kind=kind: streams(COUNT, kind.name == "SERVER", deflate))
        for kind in connection.ConnectionType
    ]
    compare(observe, kinds, lambda: accelerated("wsproto"))


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_aiohttp(accelerated, deflate):
    reader = pytest.importorskip("aiohttp._websocket.reader")
    pytest.importorskip("aiohttp.web")
    from fastws.accelerate.aiohttp.observing import observe_stream

    def observe(pieces, masked, max_size, decode, limit):
        # The one that is bound now.
        return observe_stream(reader.WebSocketReader, pieces, max_size, decode, deflate, limit)

    kinds = [
        ((masked, *options), lambda masked=masked: streams(COUNT, masked, deflate))
        for masked in (True, False)
        for options in ((0, True, 200), (30_000, True, 20_000), (2**20, False, 2**20))
    ]
    compare(observe, kinds, lambda: accelerated("aiohttp"))
    assert reader.WebSocketReader.__module__.startswith("fastws.")


def test_tornado(accelerated):
    module = pytest.importorskip("tornado.websocket")
    from fastws.accelerate.tornado.observing import observe_stream

    kinds = [
        ((max_size,), lambda masked=masked: streams(COUNT, masked))
        for masked in (True, False)
        for max_size in (2**20, 20_000)
    ]
    compare(
        lambda pieces, max_size: observe_stream(module, pieces, max_size),
        kinds,
        lambda: accelerated("tornado"),
    )


def test_websocket_client(accelerated):
    module = pytest.importorskip("websocket._abnf")
    from fastws.accelerate.websocket_client import observe_stream

    # What it receives is not masked; it takes masked frames too.
    kinds = [((), lambda masked=masked: streams(COUNT, masked)) for masked in (True, False)]
    compare(
        lambda pieces: observe_stream(module, pieces),
        kinds,
        lambda: accelerated("websocket-client"),
    )
