"""The benchmark of acceleration: it runs, and its table shows both ways."""

import json

import pytest

from fastws._kernels import compiled
from fastws.bench.__main__ import main
from fastws.bench.contenders import Kind
from fastws.bench.figures import Figure, Key
from fastws.bench.scenarios.accelerate import paired_ratio


@pytest.mark.filterwarnings("ignore")  # of the packages themselves
def test_measures_before_and_after(tmp_path, capsys):
    pytest.importorskip("wsproto")
    path = tmp_path / "results.json"
    assert main(["--tiny", "--only", "accelerate", "--sizes", "64", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    assert {figure["scenario"] for figure in figures} <= {"accelerate"}
    if not compiled:
        assert "nothing is replaced" in printed
        return
    assert "wsproto receive, without I/O, text" in printed
    assert max(map(len, printed.splitlines())) <= 100
    wsproto = [f for f in figures if f["work"] == "wsproto receive, without I/O, text"]
    assert {f["contender"] for f in wsproto} == {"before", "after"}
    assert all(f["median"] > 0 and f["size"] == 64 for f in wsproto)


def test_a_ratio_is_that_of_rounds_next_to_each_other():
    def figure(contender, rounds):
        return Figure(Key("accelerate", "x", 64, 0, contender, "time"), Kind.OWN, rounds)

    # The machine was ten times as slow in the second round.
    before, after = figure("before", [2.0, 20.0, 2.0]), figure("after", [1.0, 10.0, 1.0])
    assert paired_ratio(before, after) == 2.0
    assert paired_ratio(before, figure("after", [1.0, 10.0])) == 2.0
