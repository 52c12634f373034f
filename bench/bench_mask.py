"""Masking (RFC 6455 §5.3) by size."""

import pytest


@pytest.mark.workload("mask")
def bench_mask_into_new_bytes(benchmark, work):
    benchmark(work)


@pytest.mark.workload("mask-inplace")
def bench_mask_in_place(benchmark, work):
    benchmark(work)
