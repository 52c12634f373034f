"""Networks to run scenarios on, certificates, and a guard around every test."""

from __future__ import annotations

import faulthandler
import gc
import ssl
import threading

import pytest

from connections.networks import NETWORKS, Network
from connections.running import (
    TEST_SECONDS,
    nothing_left,
    patience,
    pytest_generate_tests,
    pytest_pyfunc_call,
)

__all__ = ["pytest_generate_tests", "pytest_pyfunc_call"]


@pytest.fixture(autouse=True)
def guard(request):
    """Fail for what a test leaves behind; end the whole run if a test hangs."""
    faulthandler.dump_traceback_later(3 * patience(request.node), exit=True)
    with nothing_left():
        yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="session", autouse=True)
def quick_collections():
    """Collect only what tests make: every test ends with a collection."""
    gc.collect()
    if hasattr(gc, "freeze"):  # PyPy has none
        gc.freeze()
    yield
    if hasattr(gc, "freeze"):
        gc.unfreeze()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http", "https", "ws", "wss", "socks", "all", "no"):
        for variable in (f"{name}_proxy", f"{name}_proxy".upper()):
            monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="session")
def authority():
    return pytest.importorskip("trustme").CA()


@pytest.fixture(scope="session")
def server_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(params=NETWORKS, ids=lambda row: "-".join(row))
def network(request, tmp_path):
    """What carries the scenario: either layer on either side, over each kind of socket."""
    client, server, kind, loop_name = request.param
    if loop_name == "uvloop":
        pytest.importorskip("uvloop")
    contexts = (None, None)
    if kind == "tls":
        contexts = (request.getfixturevalue("server_tls"), request.getfixturevalue("client_tls"))
    network = Network(client, server, kind, loop_name, contexts, tmp_path / "socket")
    yield network
    network.end()


@pytest.fixture
def thread():
    """Start threads that are waited for, and whose exceptions are errors."""
    started = []

    def start(function, *args):
        failures = []

        def body():
            try:
                function(*args)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        started.append((thread, failures))
        return thread

    yield start
    for thread, failures in started:
        thread.join(TEST_SECONDS)
        assert not thread.is_alive(), "a thread is left behind"
        assert not failures, failures
