"""Every coroutine test runs on each event loop and leaves nothing behind."""

import logging

import pytest
from connections.conftest import (
    authority,
    client_tls,
    guard,
    no_proxies,
    pytest_generate_tests,
    pytest_pyfunc_call,
    quick_collections,
    server_tls,
)

__all__ = [
    "authority",
    "client_tls",
    "guard",
    "no_proxies",
    "pytest_generate_tests",
    "pytest_pyfunc_call",
    "quick_collections",
    "server_tls",
]


@pytest.fixture
def lines(caplog):
    """What uvicorn logged so far, as a function."""
    caplog.set_level(logging.INFO, "uvicorn.error")
    return lambda: [r.getMessage() for r in caplog.records if r.name.startswith("uvicorn")]
