"""The guard and the coroutine tests of ``connections``."""

from __future__ import annotations

from connections.conftest import guard, no_proxies, quick_collections, thread
from connections.running import pytest_generate_tests, pytest_pyfunc_call

__all__ = [
    "guard",
    "no_proxies",
    "pytest_generate_tests",
    "pytest_pyfunc_call",
    "quick_collections",
    "thread",
]
