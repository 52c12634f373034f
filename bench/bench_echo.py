"""Messages over loopback to an echo server in a process of its own."""

import pytest

from fastws.bench.contenders import load_all
from fastws.bench.effort import QUICK
from fastws.bench.fleet import Fleet, servers_of
from fastws.bench.jobs import Job
from fastws.bench.load import Load
from fastws.bench.scenarios.echo import CONNECTIONS, modes
from fastws.bench.sizes import format_size
from fastws.bench.workloads import payload

SIZE = 64
SERVERS = list(servers_of(load_all()[0], Job(), "echo", QUICK))
MODES = [mode for connections in CONNECTIONS for mode in modes(SIZE, connections)]


@pytest.fixture(params=SERVERS, ids=lambda wanted: wanted.name, scope="module")
def port(request):
    def failed(_, why):
        pytest.fail(why)

    with Fleet() as fleet:
        [running] = fleet.get([request.param], failed, None)
        yield running.port


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: f"{mode.title}, {format_size(SIZE)}")
def bench_echo(benchmark, port, mode):
    benchmark.group = f"echo: {format_size(SIZE)}, {mode.title}"
    # Of several in flight, half goes out and comes back at once.
    at_once = max(1, mode.in_flight // 2)
    benchmark.extra_info["units_per_call"] = at_once * mode.connections
    with Load(
        [port], payload(SIZE), in_flight=mode.in_flight, connections=mode.connections
    ) as load:
        benchmark(load.batch)
