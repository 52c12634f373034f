"""The gate on instruction counts: what it lets pass, and what not; the counting needs valgrind."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastws._kernels import compiled

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "bench" / "instructions.py"


@pytest.fixture(scope="module")
def gate():
    spec = importlib.util.spec_from_file_location("instructions", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_takes_no_more_than_stored_passes(gate, capsys):
    assert gate.compare({"mask": 100.0, "parse": 50.0}, {"mask": 101.9, "parse": 10.0})
    assert "more than stored" not in capsys.readouterr().out


def test_what_takes_more_than_stored_fails(gate, capsys):
    assert not gate.compare({"mask": 100.0, "parse": 50.0}, {"mask": 102.1, "parse": 50.0})
    [line] = [line for line in capsys.readouterr().out.splitlines() if "more than" in line]
    assert line.startswith("mask")


@pytest.mark.parametrize(
    ("stored", "found"), [({}, {"mask": 1.0}), ({"mask": 1.0}, {"parse": 1.0, "mask": 1.0})]
)
def test_work_that_is_not_stored_fails(gate, stored, found, capsys):
    assert not gate.compare(stored, found)
    assert "new: run with --update" in capsys.readouterr().out


def test_work_that_is_not_counted_any_more_fails(gate, capsys):
    assert not gate.compare({"mask": 1.0, "gone": 1.0}, {"mask": 1.0})
    assert "is stored, and was not counted" in capsys.readouterr().out


@pytest.mark.skipif(not compiled, reason="counts compiled kernels")
def test_every_work_that_is_counted_runs_and_is_stored():
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FASTWS_EXTENSIONS": "1"}
    command = [sys.executable, str(PROGRAM), "--inside"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    names = {json.loads(line)[0] for line in done.stdout.splitlines()}
    for stored in json.loads(PROGRAM.with_suffix(".json").read_text(encoding="utf-8")).values():
        assert names == stored.keys()
