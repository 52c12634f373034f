"""The benchmark's command line: one tiny run of every scenario, its outputs, its errors."""

import contextlib
import csv
import html.parser
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastws.bench import contenders
from fastws.bench.__main__ import main
from fastws.bench.export import read
from fastws.bench.scenarios import SCENARIOS

ROOT = Path(__file__).parent.parent
BENCH = [sys.executable, "-m", "fastws.bench"]
posix = pytest.mark.skipif(os.name != "posix", reason="needs process groups")
OWN_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def run(*arguments, **options):
    return subprocess.run(
        [*BENCH, *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env={**OWN_ENVIRONMENT, "PYTHONIOENCODING": "utf-8", **options.pop("env", {})},
        **options,
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The outputs of one run of everything, against one peer."""
    base = tmp_path_factory.getbasetemp()
    # Workers of pytest-xdist have their folders beside each other: one of them runs it for all.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "bench-tiny"
    printed = folder / "printed"
    try:
        folder.mkdir()
    except FileExistsError:
        wait_until(printed.exists, 120)
        return folder
    outputs = [f"--{kind}={folder / f'results.{kind}'}" for kind in ("json", "csv", "html")]
    everything = f"--only={','.join(SCENARIOS)}"
    peers = "--peers=uvicorn,wsproto"
    done = run("--tiny", everything, peers, "--sizes=16,130", "--connections=2", *outputs)
    (folder / "unfinished").write_text(done.stdout, encoding="utf-8")
    (folder / "unfinished").rename(printed)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def document(tiny):
    return json.loads(tiny.joinpath("results.json").read_text(encoding="utf-8"))


# One run of everything


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_runs(tiny, scenario):
    found = document(tiny)
    figures = [figure for figure in found["figures"] if figure["scenario"] == scenario]
    if not figures and scenario in found["notes"]:
        pytest.skip(found["notes"][scenario])
    if scenario == "uvicorn" and "uvicorn" in found["absent"]:
        pytest.skip(found["absent"]["uvicorn"])
    assert all(len(figure["rounds"]) >= 1 for figure in figures)
    assert any(figure["kind"] == "own" for figure in figures)
    positive = (figure for figure in figures if figure["quantity"] != "memory")
    assert all(figure["median"] > 0 for figure in positive)
    assert not [problem for problem in found["problems"] if problem["scenario"] == scenario]


def test_json_has_every_figure_and_the_machine(tiny):
    found = document(tiny)
    assert found["schema"] == 2
    assert found["complete"] is True
    assert {"processor", "python", "fastws", "collector", "cores", "frequency"} <= set(
        found["machine"]
    )
    assert found["command"].startswith("python -m fastws.bench --tiny")
    assert "--json=results.json" in found["command"]
    sizes = {f["size"] for f in found["figures"] if f["work"] == "mask"}
    assert sizes == {16, 130}


def test_what_is_printed_fits_a_terminal_and_has_no_problem(tiny):
    printed = tiny.joinpath("printed").read_text(encoding="utf-8")
    assert max(map(len, printed.splitlines())) <= 100
    assert "! " not in printed
    assert "at a glance" in printed


def test_csv_has_a_line_for_each_figure(tiny):
    with tiny.joinpath("results.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    figures = document(tiny)["figures"]
    assert len(lines) == len(figures)
    assert float(lines[0]["median"]) == figures[0]["median"]
    assert lines[0]["contender"] == figures[0]["contender"]


class Tags(html.parser.HTMLParser):
    """Which tags are open, and whether anything is fetched from elsewhere."""

    VOID = frozenset({"meta"})

    def __init__(self):
        super().__init__()
        self.open = []
        self.fetched = []

    def handle_starttag(self, tag, attributes):
        self.fetched += [value for name, value in attributes if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in {"line", "polyline"}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_nothing_of_the_network(tiny):
    text = tiny.joinpath("results.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.fetched == []
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert "At a glance" in text
    assert "<polyline" in text


def test_a_picture_is_drawn_of_a_run(tiny):
    pytest.importorskip("matplotlib")
    from fastws.bench.plot import plot

    found, results = read(tiny / "results.json")
    for suffix, start in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        picture = tiny / f"picture.{suffix}"
        plot(picture, found, results)
        assert picture.read_bytes().startswith(start)
    again = tiny / "again.svg"
    plot(again, found, results)
    assert again.read_bytes() == (tiny / "picture.svg").read_bytes()


def test_a_file_of_results_shows_what_the_run_showed(tiny, capsys):
    assert main(["--from", str(tiny / "results.json")]) == 0
    again = capsys.readouterr().out
    printed = tiny.joinpath("printed").read_text(encoding="utf-8")
    tables = [part for part in printed.split("\n\n") if "fastws" in part]
    assert all(part.replace("took", "").strip()[:200] in again for part in tables[2:6])


def test_a_run_compared_with_itself_is_neither_better_nor_worse(tiny, capsys):
    path = str(tiny / "results.json")
    assert main(["--from", path, "--compare", path, "--fail-above", "0%"]) == 0
    assert "1.00x" in capsys.readouterr().out


def test_a_run_that_is_worse_than_another_fails(tiny, tmp_path, capsys):
    found = document(tiny)
    for figure in found["figures"]:
        if figure["work"] == "mask":
            figure["rounds"] = [value / 2 for value in figure["rounds"]]
    faster = tmp_path / "faster.json"
    faster.write_text(json.dumps(found), encoding="utf-8")
    path = str(tiny / "results.json")
    assert main(["--from", path, "--compare", str(faster), "--fail-above", "50%"]) == 1
    printed = capsys.readouterr().out
    worse = printed.split("worse by more than 50%")[1]
    assert "mask 16 B, fastws" in worse
    assert "0.50x" in worse
    assert "utf8" not in worse
    assert main(["--from", path, "--compare", str(faster), "--fail-above", "200%"]) == 0


# Contenders


def test_a_missing_peer_is_named_with_its_install_command(monkeypatch, capsys):
    def load_own_only(module):
        if contenders.PACKAGES[module].distribution:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return load(module)

    load = contenders.load
    monkeypatch.setattr(contenders, "load", load_own_only)
    assert main(["--tiny", "--only", "mask", "--sizes", "16"]) == 0
    printed = capsys.readouterr().out
    assert "websockets, not installed: pip install websockets" in printed
    assert "fastws : limit" in printed
    assert "best peer " not in printed.split("noisy figure")[1]


def test_only_the_peers_asked_for_take_part(capsys):
    pytest.importorskip("wsproto")
    assert main(["--tiny", "--only", "mask", "--sizes", "16", "--peers", "wsproto"]) == 0
    printed = capsys.readouterr().out
    assert "\nwsproto " in printed
    assert "\nmemcpy " in printed
    assert "\nwebsockets " not in printed


def test_pure_python_alone_is_measured_too():
    arguments = ("--tiny", "--only", "mask,parse", "--sizes", "16")
    done = run(*arguments, env={"FASTWS_EXTENSIONS": "0"})
    assert done.returncode == 0, done.stderr
    assert "backend python" in done.stdout
    assert "fastws (pure)" in done.stdout


# Bad input


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--only", "masks"], "no scenario 'masks': choose from mask, "),
        (["--only", ""], "no scenario ''"),
        (["--peers", "websocket"], "no peer 'websocket': choose from picows, "),
        (["--sizes", "5x"], "'5x' is not a size"),
        (["--sizes", "-1"], "--sizes"),
        (["--sizes", "1024MiB"], "1024MiB is too large: the limit is"),
        (["--sizes", "99GiB"], "99GiB is too large: the limit is"),
        (["--connections", "0"], "'0' connections: write numbers from 1 to"),
        (["--connections", "1000000"], "'1000000' connections: write numbers from 1 to"),
        (["--rounds", "none"], "'none' rounds: write a number from 1 to"),
        (["--seconds", "0"], "'0' is not a time: write seconds"),
        (["--port", "80"], "no port '80'"),
        (["--json", "no/such/folder/results.json"], "cannot write no/such/folder/results.json"),
        (["--html", "no/such/folder/results.html"], "cannot write no/such/folder/results.html"),
        (["--plot", "results.txt"], "results.txt is no picture"),
        (["--compare", "no-such.json"], "cannot read no-such.json"),
        (["--fail-above", "10%"], "--fail-above needs --compare FILE"),
        (["--compare", __file__, "--fail-above", "ten"], "'ten' is not a percentage"),
        (["--quick", "--full"], "not allowed with argument"),
    ],
)
def test_a_mistake_gets_one_clear_line(arguments, problem, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [("nonsense", "is no file of --json"), ('{"schema": 1}', "has schema 1"), ("[]", "has schema")],
)
def test_a_file_that_json_did_not_write_gets_one_clear_line(text, problem, tmp_path, capsys):
    path = tmp_path / "results.json"
    path.write_text(text, encoding="utf-8")
    assert main(["--from", str(path)]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1


def test_a_picture_without_matplotlib_is_refused_before_the_run(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("fastws.bench.arguments.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["--plot", str(tmp_path / "picture.png")])
    assert "needs matplotlib: pip install matplotlib" in capsys.readouterr().err


@posix
def test_more_connections_than_files_may_be_open_get_one_clear_line():
    done = subprocess.run(
        ["sh", "-c", f"ulimit -n 200 && exec {sys.executable} -m fastws.bench --connections 500"],
        capture_output=True,
        text=True,
        env=OWN_ENVIRONMENT,
    )
    assert done.returncode == 2
    assert "500 connections need 600 open files, and 200 are allowed: run ulimit" in done.stderr
    assert done.stderr.count("\n") == 1


def free_ports(count):
    """The first of so many ports in a row that nobody has now."""
    for first in range(20000, 30000, count):
        with contextlib.ExitStack() as taken, contextlib.suppress(OSError):
            for port in range(first, first + count):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    pytest.skip("no ports in a row are free")


def test_a_port_in_use_is_a_line_about_its_server_and_the_rest_goes_on():
    port = free_ports(4)
    with socket.create_server(("127.0.0.1", port)):
        done = run("--tiny", "--only=large", "--sizes=16", "--peers=wsproto", f"--port={port}")
    assert done.returncode == 1
    assert re.search(rf"^! fastws( pure)? \(asyncio\): port {port} is in use$", done.stdout, re.M)
    assert "\nbare socket (select) " in done.stdout


@posix
@pytest.mark.parametrize("scenario", ["mask", "echo"])
def test_interrupting_prints_what_is_done_and_leaves_no_process(scenario, tmp_path):
    path = tmp_path / "results.json"
    process = subprocess.Popen(
        [*BENCH, "--full", f"--only={scenario}", "--peers=websockets", f"--json={path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=OWN_ENVIRONMENT,
    )
    with process:
        for line in process.stdout:
            if line.startswith("~ "):
                break
        time.sleep(0.3)
        # As a terminal does: to all of the group.
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "interrupted" in rest
    assert errors == ""
    assert json.loads(path.read_text(encoding="utf-8"))["complete"] is False
    wait_until(lambda: is_gone(process.pid))


def test_output_that_is_not_read_to_the_end_is_no_error():
    process = subprocess.Popen(
        [*BENCH, "--tiny", "--only", "mask"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=OWN_ENVIRONMENT,
    )
    with process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin")
@pytest.mark.skipif(shutil.which("taskset") is None, reason="needs taskset")
def test_one_core_only_is_said_and_enough():
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        ["taskset", "-c", str(core), *BENCH, "--tiny", "--only=large,scale", "--sizes=16"]
        + ["--peers=wsproto"],
        capture_output=True,
        encoding="utf-8",
        env={**OWN_ENVIRONMENT, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    assert "one core only: servers and load share what there is" in done.stdout
    assert "1 worker" in done.stdout
