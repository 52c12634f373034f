"""The opening handshake of a server (RFC 6455 §4.2), without sockets."""

import pytest


@pytest.mark.workload("handshake")
def bench_open_as_a_server(benchmark, work):
    benchmark(work)
