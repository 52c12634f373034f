"""Brokers over TLS: certificates that are right, wrong or asked for, and TLS that is taken away."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from types import SimpleNamespace

import pytest
from connections.running import until

from fastws.rooms import Hub, id_first
from rooms.brokers import KINDS
from rooms.conftest import BROKERS, need
from rooms.scenes import new_namespace, processes

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def tls(authority, tmp_path):
    """Files of a certificate for 127.0.0.1, and of the authority that signed it."""
    certificate = authority.issue_cert("127.0.0.1")
    names = {name: tmp_path / f"{name}.pem" for name in ("authority", "certificate", "key")}
    authority.cert_pem.write_to_path(names["authority"])
    certificate.private_key_pem.write_to_path(names["key"])
    names["certificate"].write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    return SimpleNamespace(**names)


@pytest.fixture(params=BROKERS)
def start(request, tls, tmp_path):
    """Start a broker of each kind, which speaks TLS."""
    need(request.param)
    with contextlib.ExitStack() as stack:

        def start(**options):
            return stack.enter_context(KINDS[request.param](tmp_path, tls, **options))

        yield start


async def why_not(url):
    """The reason why a broker is not there."""
    events = []
    async with Hub(url, namespace=new_namespace(), on_health=lambda *event: events.append(event)):
        [(healthy, reason)] = events
        assert not healthy
    return reason


async def test_rooms_over_tls(start):
    broker = start()
    async with processes(broker.url, 2, history=10, stamp=id_first) as [one, other]:
        ws = await other.join("garden")
        first = await one.hub.publish("garden", "1")
        assert await ws.recv() == f"{first}\n1"
        broker.restart()
        await until(lambda: one.hub.stats().connects == other.hub.stats().connects == 2, 10)
        second = await one.hub.publish("garden", "2")
        assert await ws.recv() == f"{second}\n2"
        await ws.close()


async def test_a_certificate_that_nobody_trusts(start):
    broker = start()
    url = broker.url.partition("?")[0]
    reason = await why_not(url)
    assert re.search("certificate.verify.failed", reason, re.IGNORECASE), reason


async def test_a_broker_that_asks_for_a_certificate(start, tls):
    broker = start()
    if KINDS["nats"] is type(broker):
        broker.options |= {"tlscacert": tls.authority}
    else:
        broker.options |= {"tls-auth-clients": "yes"}
    broker.restart()
    await why_not(broker.url)
    url = f"{broker.url}&ssl_certfile={tls.certificate}&ssl_keyfile={tls.key}"
    async with Hub(url, namespace=new_namespace()) as hub:
        assert hub.healthy


async def test_a_nats_server_that_offers_no_tls_is_not_told_the_password(tls):
    pytest.importorskip("nats")
    heard = b""

    async def serve(reader, writer):
        nonlocal heard
        writer.write(b'INFO {"server_id":"x","version":"2.9.0","max_payload":1000}\r\n')
        heard += await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    query = f"?ssl_ca_certs={tls.authority}"
    for scheme in ("tls", "nats"):
        reason = await why_not(f"{scheme}://ann:secret@127.0.0.1:{port}{query}")
        assert "secure connection required" in reason
    server.close()
    await server.wait_closed()
    assert b"secret" not in heard


async def test_tls_towards_a_redis_that_has_none_fails(tls):
    pytest.importorskip("redis")
    heard = b""

    async def serve(reader, writer):
        nonlocal heard
        heard += await reader.read(1000)
        writer.write(b"-ERR\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with contextlib.suppress(ssl.SSLError):
        await why_not(f"rediss://:secret@127.0.0.1:{port}?ssl_ca_certs={tls.authority}")
    server.close()
    await server.wait_closed()
    assert heard
    assert b"secret" not in heard
