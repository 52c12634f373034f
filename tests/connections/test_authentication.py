"""HTTP Basic authentication: right, wrong, missing and malformed credentials."""

from __future__ import annotations

import base64

import pytest

from fastws import aio, sync
from fastws.errors import InvalidStatus


async def whoami(ws):
    await ws.send(ws.username)


def guard(network, **options):
    layer = aio if network.server == "aio" else sync
    process_request = layer.basic_auth(realm='the "realm"', **options)
    if layer is aio:
        return process_request
    return lambda ws, request: process_request(ws.connection, request)


def basic(text):
    token = base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()
    return {"additional_headers": {"Authorization": f"Basic {token}"}}


async def refused(network, **options):
    with pytest.raises(InvalidStatus) as caught:
        await network.open(**options)
    response = caught.value.response
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith('Basic realm="the \\"realm\\""')
    return response


async def test_the_right_password_opens(network):
    users = [("ann", "secret"), ("bob", "pässwörd:x")]
    async with network.serve(whoami, process_request=guard(network, credentials=users)):
        for name, password in users:
            async with network.connect(**basic(f"{name}:{password}")) as ws:
                assert await ws.recv() == name


async def test_credentials_in_the_address_are_sent(network):
    if network.kind == "unix":
        pytest.skip("the address of a Unix socket has no host to put them before")
    credentials = ("ann", "p@ss")
    async with network.serve(whoami, process_request=guard(network, credentials=credentials)):
        scheme, _, rest = network.uri.partition("://")
        address = f"{scheme}://ann:p%40ss@{rest}/"
        type(network).uri, kept = property(lambda self: address), type(network).uri
        try:
            async with network.connect("") as ws:
                assert await ws.recv() == "ann"
        finally:
            type(network).uri = kept


@pytest.mark.parametrize(
    "options",
    [
        {},
        basic("ann:wrong"),
        basic("ann:secre"),
        basic("ann:secrets"),
        basic("ann:"),
        basic("bob:secret"),
        basic("no colon"),
        basic(b"ann:\xff"),
        {"additional_headers": {"Authorization": "Basic ?!"}},
        {"additional_headers": {"Authorization": "Bearer secret"}},
        {"additional_headers": [("Authorization", "Basic YW5uOnNlY3JldA==")] * 2},
    ],
)
async def test_anything_else_gets_401(network, options):
    async with network.serve(whoami, process_request=guard(network, credentials=("ann", "secret"))):
        await refused(network, **options)


async def test_a_function_may_check(network):
    def check(name, password):
        asked.append((name, password))
        return name == "ann"

    asked = []
    async with network.serve(whoami, process_request=guard(network, check_credentials=check)):
        async with network.connect(**basic("ann:x:y")) as ws:
            assert await ws.recv() == "ann"
        await refused(network, **basic("bob:z"))
        await refused(network)
    assert asked == [("ann", "x:y"), ("bob", "z")]


async def test_a_coroutine_function_may_check():
    async def check(name, password):
        return password == "secret"

    guard = aio.basic_auth(check_credentials=check)
    async with aio.serve(whoami, "127.0.0.1", 0, process_request=guard) as server:
        host, port = server.sockets[0].getsockname()
        async with aio.connect(f"ws://ann:secret@{host}:{port}") as ws:
            assert await ws.recv() == "ann"
        with pytest.raises(InvalidStatus):
            await aio.connect(f"ws://ann:wrong@{host}:{port}")


async def test_passwords_are_compared_in_constant_time(monkeypatch):
    """Known and unknown users take the same way."""
    import hmac

    from fastws import auth

    compared = []
    real = hmac.compare_digest

    def compare(a, b):
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(auth.hmac, "compare_digest", compare)
    check = auth.credentials_checker(("ann", "secret"), None)
    assert [check("ann", "secret"), check("ann", "no"), check("bob", "no"), check("bob", "")] == [
        True, False, False, False
    ]  # fmt: skip
    assert len(compared) == 4


@pytest.mark.parametrize("layer", [aio, sync], ids=["aio", "sync"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"credentials": ("a", "b"), "check_credentials": lambda a, b: True},
        {"credentials": "ab"},
        {"credentials": ("a", 1)},
        {"credentials": [("a", "b"), "c"]},
    ],
)
def test_wrong_arguments_are_refused_at_once(layer, options):
    with pytest.raises(TypeError):
        layer.basic_auth("realm", **options)
