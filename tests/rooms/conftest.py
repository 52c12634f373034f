"""Hubs on each engine, and a guard around every test as around those of connections."""

from __future__ import annotations

import inspect
import os

import pytest
from connections.conftest import authority, guard, no_proxies, quick_collections  # noqa: F401
from connections.running import LOOPS, pytest_pyfunc_call

from rooms.brokers import KINDS
from rooms.scenes import MEMORY

__all__ = ["pytest_pyfunc_call"]

# Rooms ask nothing of an event loop that connections do not; .ci/rooms has them on both.
ALL_LOOPS = os.environ.get("FASTWS_ALL_LOOPS") == "1"

# Valkey does what Redis does, in fewer places.
BROKERS = ["nats", "redis", pytest.param("valkey", marks=pytest.mark.slow)]


def pytest_generate_tests(metafunc):
    if inspect.iscoroutinefunction(metafunc.function):
        metafunc.fixturenames.append("loop_name")
        loops = LOOPS if ALL_LOOPS else LOOPS[:1]
        metafunc.parametrize("loop_name", getattr(metafunc.module, "LOOPS", loops))


def need(kind):
    """Skip unless a broker and its client are installed."""
    pytest.importorskip(KINDS[kind].client)
    if KINDS[kind].path() is None:
        pytest.skip(f"{KINDS[kind].program} is not installed")


@pytest.fixture(scope="session")
def shared_brokers(tmp_path_factory):
    """One broker of each kind for all tests that do it no harm; started when first asked for."""
    started = {}

    def url(kind):
        if kind not in started:
            need(kind)
            started[kind] = KINDS[kind](tmp_path_factory.mktemp(kind)).start()
        return started[kind].url

    yield url
    for broker in started.values():
        broker.__exit__()


@pytest.fixture(params=BROKERS)
def broker_url(request, shared_brokers):
    return shared_brokers(request.param)


@pytest.fixture(params=["memory", *BROKERS])
def url(request, shared_brokers):
    return MEMORY if request.param == "memory" else shared_brokers(request.param)


@pytest.fixture(params=BROKERS)
def own_broker(request, tmp_path):
    """A broker of one test alone."""
    need(request.param)
    with KINDS[request.param](tmp_path) as broker:
        yield broker


@pytest.fixture
def impatient(monkeypatch):
    """Links that find out soon that a broker is away, and soon that it is back."""
    from fastws.rooms import link

    for name, seconds in {
        "CHECK_SECONDS": 0.05,
        "ANSWER_SECONDS": 2.0,
        "CONNECT_SECONDS": 2.0,
        "EXPIRE_SECONDS": 0.02,
        "_FIRST_DELAY": 0.01,
        "_MAX_DELAY": 0.05,
    }.items():
        monkeypatch.setattr(link, name, seconds)
