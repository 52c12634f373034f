"""UTF-8 validation (RFC 3629) by size and kind of text."""

import pytest


@pytest.mark.workload("utf8-ascii")
def bench_validate_ascii(benchmark, work):
    benchmark(work)


@pytest.mark.workload("utf8-cjk")
def bench_validate_mixed_cjk(benchmark, work):
    benchmark(work)
