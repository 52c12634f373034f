"""Hubs on each engine, and a guard around every test as around those of connections."""

from __future__ import annotations

import importlib

import pytest

from connections.conftest import guard, no_proxies, quick_collections  # noqa: F401 (fixtures)
from connections.running import pytest_generate_tests, pytest_pyfunc_call
from rooms.brokers import KINDS

__all__ = ["pytest_generate_tests", "pytest_pyfunc_call"]


def need(kind):
    """Skip unless a broker and its client are installed."""
    pytest.importorskip(kind)
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


@pytest.fixture
def own_broker(request, tmp_path):
    """A broker of one test alone."""
    kind = request.param
    need(kind)
    importlib.import_module(f"fastws.rooms.{kind}")
    with KINDS[kind](tmp_path) as broker:
        yield broker
