"""Serializing one frame, and receiving a piece of a stream of messages, by message size."""

import pytest


@pytest.mark.workload("serialize-server")
def bench_serialize_as_a_server(benchmark, work):
    benchmark(work)


@pytest.mark.workload("serialize-client")
def bench_serialize_as_a_client(benchmark, work):
    benchmark(work)


@pytest.mark.workload("parse-binary")
def bench_receive_binary(benchmark, work):
    benchmark(work)


@pytest.mark.workload("parse-text")
def bench_receive_text(benchmark, work):
    benchmark(work)
