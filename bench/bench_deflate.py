"""Compression of messages (RFC 7692) by size, beside zlib alone."""

import pytest


@pytest.mark.workload("compress")
def bench_compress(benchmark, work):
    benchmark(work)


@pytest.mark.workload("decompress")
def bench_decompress(benchmark, work):
    benchmark(work)
