"""Acceleration on for a test, and off after it, with compiled and with pure kernels."""

import pytest

import fastws
from fastws.accelerate import restore, switch


@pytest.fixture(autouse=True)
def _off_in_the_end(monkeypatch):
    # Pure kernels are refused, as nothing would be faster; here they are to be compared.
    monkeypatch.setattr(switch, "compiled", True)
    yield
    restore()


@pytest.fixture
def accelerated():
    """Switch on targets that must take it."""

    def switch_on(*names, **options):
        report = fastws.accelerate(names, **options)
        assert {row.status.value for row in report} == {"applied"}, str(report)
        return report

    return switch_on
