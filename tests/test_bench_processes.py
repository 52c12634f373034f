"""The benchmark's processes: servers that crash, hang or answer wrongly, and what is left."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import ROOT

from fastws.bench import contenders
from fastws.bench import load as load_module
from fastws.bench import run as run_module
from fastws.bench.contenders import Contender, Kind
from fastws.bench.effort import TINY
from fastws.bench.fleet import Fleet, Wanted
from fastws.bench.jobs import Job, Server
from fastws.bench.load import Load, LoadFailed
from fastws.bench.run import Options, Run
from fastws.bench.scenarios import load
from fastws.bench.scenarios.latency import percentile, steady_load
from fastws.bench.scenarios.scale import worker_counts

posix = pytest.mark.skipif(os.name != "posix", reason="needs process groups")

# A server that keeps to the conversation, opens connections, and then does as it is told.
PROGRAM = """
import os, socket, sys, threading
from fastws.bench import definition

def converse():
    while os.read(0, 100):
        print(0.5, flush=True)
    os._exit(0)

threading.Thread(target=converse, daemon=True).start()
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    request = b""
    while not request.endswith(b"\\r\\n\\r\\n"):
        request += connection.recv(4096)
    connection.sendall(definition.response(request))
    connection.recv(4096)
    {then}
"""
THEN = {
    "crashes": "raise SystemExit('out of memory')",
    "is killed": "os.kill(os.getpid(), 9)",
    "hangs": "threading.Event().wait()",
    "hangs up": "connection.close()",
    "answers wrongly": "connection.sendall(b'x' * 100)",
}
REASONS = {
    "crashes": "ended: out of memory",
    "is killed": "killed by signal 9",
    "hangs": "no reply within",
    "hangs up": "connection closed",
    "answers wrongly": "the echo is not what was sent",
}


class Scripted(Contender):
    """A server that is a program."""

    name = "scripted"

    def __init__(self, program, title="scripted"):
        self._program = program
        self._title = title

    def servers(self):
        return [Server(self._title, "test", command=(sys.executable, "-c", self._program))]


@pytest.mark.parametrize("how", THEN)
def test_a_peer_that_fails_is_reported_and_the_rest_goes_on(how, monkeypatch):
    if how == "is killed" and os.name != "posix":
        pytest.skip("needs signals")
    monkeypatch.setattr(load_module, "REPLY_SECONDS", 0.3)
    scripted = Scripted(PROGRAM.replace("{then}", THEN[how]))
    found = {"test": [scripted], "builtin": contenders.load("builtin")}
    run = Run(Options(TINY, sizes=(16,), connections=(1,)), found)
    with run.fleet:
        load("echo").measure(run, "echo")
        load("connect").measure(run, "connect")
    [problem] = [p for p in run.results.problems if p.scenario == "echo"]
    assert problem.contender == "scripted (test)"
    assert problem.kind is Kind.PEER
    assert REASONS[how] in problem.text
    assert not run.results.own_failed
    echoes = {figure.key.contender for figure in run.results.of("echo")}
    assert echoes == {"bare socket (select)"}


def test_a_server_that_does_not_start_is_reported(monkeypatch):
    monkeypatch.setattr("fastws.bench.fleet.START_SECONDS", 0.2)
    slow, broken = Scripted("import time; time.sleep(60)"), Scripted("1/0", "broken")
    run = Run(Options(TINY), {"test": [slow, broken]})
    with run.fleet:
        assert run.servers("echo", Job()) == []
    assert {problem.contender for problem in run.results.problems} == {
        "scripted (test)",
        "broken (test)",
    }
    assert run.results.problems[0].text == "does not start: no answer within 0.2 s"


def test_fastws_failing_fails_the_run(monkeypatch):
    monkeypatch.setattr(Scripted, "kind", Kind.OWN)
    run = Run(Options(TINY), {"test": [Scripted("raise OSError('no room')")]})
    with run.fleet:
        assert run.servers("echo", Job()) == []
    [problem] = run.results.problems
    assert problem.text == "does not start: ended: OSError: no room"
    assert run.results.own_failed


@pytest.fixture(scope="module")
def bare():
    """A bare echo server."""
    [server] = contenders.load("builtin")[-1].servers()
    with Fleet() as fleet:
        [running] = fleet.get([Wanted("builtin", Kind.LIMIT, server, Job())], print, None)
        yield running


def test_an_echo_that_is_not_what_was_sent_is_noticed(bare):
    with Load([bare.port], b"a") as echo:
        echo._reply = echo._reply[:-1] + b"b"
        with pytest.raises(LoadFailed, match="not what was sent"):
            echo.run(0)


def test_a_steady_load_sends_what_it_should_and_times_every_reply(bare):
    waits, _ = steady_load(bare.port, b"hello", 3, 2000, 0.05)
    assert len(waits) == 100
    assert all(wait > 0 for wait in waits)


def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed():
    values = [float(i) for i in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values[::-1], 0.999) == 100
    assert percentile([7.0], 0.5) == 7


def test_workers_are_counted_up_to_the_cores():
    assert worker_counts(1) == [1]
    assert worker_counts(2) == [1, 2]
    assert worker_counts(6) == [1, 2, 4, 6]
    assert worker_counts(200)[-1] == 64


def test_a_load_that_has_no_time_left_says_that_it_was_the_limit():
    run = Run(Options(TINY), {})
    run.load_core = 1
    running = type("Running", (), {"kind": Kind.PEER})()
    key = run_module.Key("echo", "x", 1, 1, "name", "rate")
    run.add_round(key, running, run_module.Round(10, 1.0, 0.99), 0.5)
    assert run.results.figures[key].load_limited
    busy = key._replace(contender="busy")
    run.add_round(busy, running, run_module.Round(10, 1.0, 0.99), 0.99)
    assert not run.results.figures[busy].load_limited


@posix
def test_a_server_ends_when_its_parent_is_killed():
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from fastws.bench import contenders\n"
            "from fastws.bench.contenders import Kind\n"
            "from fastws.bench.fleet import Fleet, Wanted\n"
            "from fastws.bench.jobs import Job\n"
            "[server] = contenders.load('builtin')[-1].servers()\n"
            "wanted = Wanted('builtin', Kind.LIMIT, server, Job())\n"
            "[running] = Fleet().get([wanted], print, None)\n"
            "print(running.child.pid, flush=True)\n"
            "input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with contextlib.closing(parent.stdin), parent.stdout:
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 10
    while is_there(pid):
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.01)


def is_there(pid):
    """Whether a process goes on; one that ended may wait for somebody to take note of it."""
    with contextlib.suppress(FileNotFoundError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return not Path("/proc").is_dir()
    return False
