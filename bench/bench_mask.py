"""Masking (RFC 6455 §5.3) by size, and by where the bytes begin."""

import pytest


@pytest.mark.workload("mask")
def bench_mask_into_new_bytes(benchmark, work):
    benchmark(work)


@pytest.mark.workload("mask-inplace")
def bench_mask_in_place(benchmark, work):
    benchmark(work)


@pytest.mark.workload("mask-inplace-1")
def bench_mask_in_place_unaligned(benchmark, work):
    benchmark(work)
