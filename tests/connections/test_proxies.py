"""Connecting through proxies, as told or as the environment says."""

from __future__ import annotations

import pytest

from connections.networks import Network
from connections.proxy_servers import Proxy
from fastws.errors import InvalidProxy, InvalidProxyStatus, ProxyError

pytest.importorskip("python_socks")

KINDS = ["http", "socks5"]


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@pytest.fixture(params=[("aio", "tcp", "asyncio"), ("aio", "tls", "asyncio"),
                        ("aio", "tcp", "uvloop"), ("sync", "tcp", "asyncio"),
                        ("sync", "tls", "asyncio")], ids="-".join)  # fmt: skip
def network(request, tmp_path):
    client, kind, loop_name = request.param
    if loop_name == "uvloop":
        pytest.importorskip("uvloop")
    contexts = (None, None)
    if kind == "tls":
        contexts = (request.getfixturevalue("server_tls"), request.getfixturevalue("client_tls"))
    network = Network(client, "aio", kind, loop_name, contexts, tmp_path / "socket")
    yield network
    network.end()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_is_asked_for_the_server(network, kind):
    async with network.serve(echo), Proxy(kind) as proxy:
        async with network.connect(proxy=proxy.uri) as ws:
            await ws.send("through the proxy")
            assert await ws.recv() == "through the proxy"
        assert proxy.asked == [("127.0.0.1", network.address[1])]


@pytest.mark.parametrize("kind", KINDS)
async def test_credentials_go_to_the_proxy(network, kind):
    user = ("user", "secret")
    requests = []

    def process_request(ws, request):
        requests.append(request)

    async with (
        network.serve(echo, process_request=process_request),
        Proxy(kind, user=user) as proxy,
    ):
        async with network.connect(proxy=proxy.uri):
            pass
        assert proxy.users == [user]
    [request] = requests
    assert not {"authorization", "proxy-authorization"} & {name.lower() for name in request.headers}


async def test_the_environment_names_the_proxy(network, monkeypatch):
    async with network.serve(echo), Proxy("http") as proxy:
        name = "wss_proxy" if network.kind == "tls" else "ws_proxy"
        monkeypatch.setenv(name, proxy.uri)
        async with network.connect():
            pass
        assert len(proxy.asked) == 1
        async with network.connect(proxy=None):
            pass
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with network.connect():
            pass
        assert len(proxy.asked) == 1


async def test_a_proxy_that_refuses_is_an_error_that_tells(network):
    async with network.serve(echo), Proxy("http", answer=407) as proxy:
        with pytest.raises(InvalidProxyStatus) as caught:
            await network.open(proxy=proxy.uri)
        assert caught.value.response.status_code == 407


async def test_a_socks_proxy_that_refuses_is_an_error(network):
    async with network.serve(echo), Proxy("socks5", answer=500) as proxy:
        with pytest.raises(ProxyError):
            await network.open(proxy=proxy.uri)


@pytest.mark.parametrize(
    "address", ["ftp://proxy", "http://", "http://proxy/path", "http://proxy:port", "proxy"]
)
async def test_addresses_that_are_no_proxy_are_refused(network, address):
    async with network.serve(echo):
        with pytest.raises(InvalidProxy):
            await network.open(proxy=address)


async def test_a_proxy_that_never_answers_makes_connect_time_out(network):
    async def silent(raw):
        await raw.reader.read()

    other = Network("aio", "aio", "tcp", network.loop_name, (None, None), "")
    async with network.serve(echo), other.listen(silent):
        with pytest.raises(TimeoutError):
            await network.open(proxy=f"http://127.0.0.1:{other.address[1]}", open_timeout=0.2)
    other.end()
