"""The leak test in its short form, and that it finds a leak; `.ci/leaks` is the long one."""

from __future__ import annotations

import os
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or sys.implementation.name != "cpython",
    reason="Linux tells what memory a process has, and CPython how many objects",
)


@pytest.fixture
def leaks():
    pytest.importorskip("resource")
    from leaks import __main__

    return __main__


def test_what_stays_is_found(leaks, capsys):
    kept = []
    assert leaks.look(
        "objects", lambda rounds: kept.extend(map(object.__new__, [object] * rounds)), 5000
    )
    assert leaks.look("memory", lambda rounds: kept.append(bytearray(b"x" * 1024 * rounds)), 5000)
    files = []
    assert leaks.look("files", lambda rounds: files.append(os.open(os.devnull, os.O_RDONLY)), 500)
    for file in files:
        os.close(file)


def test_what_goes_again_is_not(leaks, capsys):
    assert leaks.look("nothing", lambda rounds: [object() for _ in range(rounds)], 5000) == []


@pytest.mark.parametrize("name", ["readers", "refusals", "handshakes", "broken handshakes"])
def test_nothing_is_kept(leaks, name, capsys):
    do, rounds = leaks.SCENARIOS[name]
    assert leaks.look(name, do, rounds // 20) == []
