"""The soak itself: a short one is clean, and each thing it looks for is found."""

import os
import subprocess
import sys
from argparse import Namespace
from collections import Counter

import pytest
from processes import ROOT

from soak.messages import Sequence, Violation, numbered
from soak.report import Report

SECONDS = 100  # far more than it takes on a loaded machine


@pytest.mark.skipif(
    sys.platform != "linux" or sys.implementation.name != "cpython",
    reason="the soak runs on Linux and CPython only",
)
def test_a_short_soak_finds_nothing():
    options = "--minutes 0.05 --idle 100 --holders 1 --actors 8 --keepalive 1 20 --seed 1"
    done = subprocess.run(
        [sys.executable, "-m", "soak", *options.split()],
        cwd=ROOT / "tests",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout
    assert "100 good at the end, 100 closed cleanly" in done.stdout
    assert done.stdout.endswith("violations      0\n")


@pytest.mark.parametrize("kind", "awb")
def test_messages_in_order_are_accepted(kind):
    sequence = Sequence("test")
    for number in range(10):
        sequence.check(numbered(number, 10**number % 5000, kind))
    sequence.expect(10)


@pytest.mark.parametrize("kind", "awb")
@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([0, 2], "message 2 came instead of 1"),  # lost
        ([0, 0], "message 0 came instead of 1"),  # doubled
        ([1, 0], "message 1 came instead of 0"),  # out of order
    ],
)
def test_messages_lost_doubled_or_out_of_order_are_told(kind, numbers, told):
    sequence = Sequence("test")
    *good, bad = numbers if numbers[0] == 0 else numbers[:1]
    for number in good:
        sequence.check(numbered(number, 100, kind))
    with pytest.raises(Violation, match=told):
        sequence.check(numbered(bad, 100, kind))


@pytest.mark.parametrize("kind", "awb")
def test_messages_that_changed_are_told(kind):
    message = numbered(0, 100, kind)
    other = b"?" if kind == "b" else "?"
    for changed in (
        message[:-1],
        message + other,
        message[:50] + other + message[51:],
        message[5:],
    ):
        with pytest.raises(Violation):
            Sequence("test").check(changed)


def test_messages_that_never_came_are_told():
    with pytest.raises(Violation, match="0 messages of 3"):
        Sequence("test").expect(3)


def clean_report():
    """What a soak of 10 idle connections finds when all is well."""
    report = Report()
    report.settings(
        Namespace(loop="asyncio", minutes=1, idle=10, loaders=1, actors=1, keepalive=[1, 1], seed=1)
    )
    held = {"connections": 10, "tasks": 10, "files": 10, "blocks": 1000, "resident": 40 << 20}
    none = {**held, "connections": 0, "tasks": 0, "files": 0}
    report.idle, report.seconds, report.samples = 10, 90, [50 << 20]
    report.holding, report.start, report.end = dict(held), dict(held), dict(held)
    report.fresh, report.left = dict(none), dict(none)
    report.idle_end = Counter(good=10, clean=10)
    report.keepalive = {"answered": 10, "worst": 0.1}
    report.latencies = {"count": 1, "median": 0.1, "p99": 0.1, "worst": 0.1}
    report.counts = Counter(connections=1000)
    report.behaviours = Counter(echo=1)
    return report


def test_a_clean_report_has_no_violations(capsys):
    report = clean_report()
    report.print()
    assert not report.violations
    assert capsys.readouterr().out.endswith("violations      0\n")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda it: it.end.update(resident=50 << 20), "memory grew by 10.5 MB under load"),
        (lambda it: it.left.update(blocks=1_000_000), "999000 blocks of memory were left over"),
        (lambda it: it.left.update(connections=1), "1 connections at the end, not 0"),
        (lambda it: it.left.update(tasks=2), "2 tasks at the end, not 0"),
        (lambda it: it.left.update(files=3), "3 files at the end, not 0"),
        (lambda it: it.end.update(connections=9), "9 connections after the load, not 10"),
        (lambda it: it.idle_end.update(good=-1), "9 of 10 idle connections were good"),
        (lambda it: it.idle_end.update(clean=-1), "9 of 10 idle connections were clean"),
        (lambda it: it.keepalive.update(answered=9), "9 of 10 idle connections answered a ping"),
        (lambda it: it.behaviours.update(echo=-1), "no client came to echo"),
        (lambda it: it.note_end(1, []), "a process ended with exit code 1"),
        (lambda it: it.note_end(0, ["oh"]), "a process wrote to its standard error:\noh"),
        (lambda it: it.violations.append("told by a client"), "told by a client"),
    ],
)
def test_each_fault_is_a_violation_and_printed(change, told, capsys):
    report = clean_report()
    change(report)
    report.print()
    assert report.violations == [told]
    assert told in capsys.readouterr().out
