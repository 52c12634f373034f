"""The benchmark of acceleration: it runs, and its table shows both ways."""

import json

import pytest

from fastws._kernels import compiled
from fastws.bench.__main__ import main


@pytest.mark.filterwarnings("ignore")  # of the packages themselves
def test_measures_before_and_after(tmp_path, capsys):
    pytest.importorskip("wsproto")
    path = tmp_path / "results.json"
    assert main(["--tiny", "--only", "accelerate", "--sizes", "64", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "wsproto receive, without I/O" in printed
    assert max(map(len, printed.splitlines())) <= 100
    results = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert {record["scenario"] for record in results} == {"accelerate"}
    assert {record["message"] for record in results} >= {"64 B text", "64 B binary"}
    assert "1 MiB text" not in {record["message"] for record in results}
    if compiled:
        [record] = [
            r
            for r in results
            if r["workload"].startswith("wsproto") and r["message"] == "64 B text"
        ]
        assert record["after"] > 0
        assert record["before"] > 0
