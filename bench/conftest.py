"""Time the workloads of fastws.bench with pytest-benchmark: one parameter per axis."""

from collections.abc import Callable
from typing import Any

import pytest

from fastws.bench.contenders import Contender, load_all
from fastws.bench.machine import facts
from fastws.bench.sizes import format_size
from fastws.bench.workloads import WORKLOADS, Workload

CONTENDERS = [contender for found in load_all()[0].values() for contender in found]
PROBE_SIZE = 16


def identifier(name: str) -> str:
    """Return a contender's name without what -k would take for an expression."""
    return name.replace(" (", "-").replace(")", "").replace(" ", "-")


def takes_part(workload: Workload, contender: Contender) -> bool:
    """Whether a contender does this work, or tries to."""
    try:
        return workload.prepare(contender, PROBE_SIZE) is not None
    except Exception:
        # An error here would end the collection of everyone; `work` prepares again, and raises it
        # as the failure of this contender's benchmark.
        return True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Spread a function marked with a workload over its contenders and sizes."""
    marker = metafunc.definition.get_closest_marker("workload")
    if marker is None:
        return
    workload = WORKLOADS[marker.args[0]]
    kernels = [contender for contender in CONTENDERS if takes_part(workload, contender)]
    metafunc.parametrize("size", workload.sizes, ids=format_size)
    metafunc.parametrize("kernel", kernels, ids=[identifier(kernel.name) for kernel in kernels])


@pytest.fixture
def work(
    request: pytest.FixtureRequest, benchmark: Any, kernel: Contender, size: int
) -> Callable[[], object]:
    """The work as a function without arguments, its result already checked."""
    workload = WORKLOADS[request.node.get_closest_marker("workload").args[0]]
    call = workload.prepare(kernel, size)
    assert call is not None
    of_many = f", {call.count} per call" if call.count > 1 else ""
    benchmark.group = f"{workload.title}: {format_size(size)}{of_many}"
    benchmark.extra_info.update(
        contender=kernel.name, configuration=kernel.configuration, units_per_call=call.count
    )
    return call.function()


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: Any) -> None:
    """Put what fastws.bench prints about the machine into the json."""
    machine_info["fastws"] = facts()
