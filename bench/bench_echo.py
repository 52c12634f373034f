"""A round trip over loopback to an echo server in a process of its own."""

import pytest

from fastws.bench.contenders import load_all
from fastws.bench.echo import modes
from fastws.bench.load import Load
from fastws.bench.server_process import ServerProcess
from fastws.bench.workloads import payload

SIZE = 64
SERVERS = [
    (module, name)
    for module, found in load_all()[0].items()
    for contender in found
    for name in contender.echo_servers()
]


@pytest.fixture(params=SERVERS, ids=[name for _, name in SERVERS], scope="module")
def port(request):
    with ServerProcess(*request.param) as server:
        yield server.port()


@pytest.mark.parametrize("mode", modes(SIZE), ids=lambda mode: mode.title)
def bench_echo(benchmark, port, mode):
    benchmark.group = f"echo: {SIZE} B, {mode.title}"
    benchmark.extra_info["units_per_call"] = mode.in_flight * mode.connections
    with Load(port, payload(SIZE), mode.in_flight, mode.connections) as load:
        benchmark(load.batch)
