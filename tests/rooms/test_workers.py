"""``serve --workers``: processes on one port that are replaced, restarted and ended in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import time
import urllib.parse
import urllib.request

import pytest
from commands import run, server
from processes import SECONDS, Process

import fastws
import fastws.aio
from fastws.cli.arguments import parse
from fastws.sync import connect
from rooms.conftest import need

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def pid_of(http):
    """Which process answers a new connection."""
    with urllib.request.urlopen(http + "figures", timeout=SECONDS) as response:
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        text = response.read().decode()
    assert text.endswith("# EOF\n")
    return int(re.search(r'fastws_connections\{process="(\d+)"\}', text)[1])


def pids(http, count):
    """All processes that answer: the system chooses one for each connection."""
    found = set()
    deadline = time.monotonic() + SECONDS
    while len(found) < count:
        assert time.monotonic() < deadline, found
        with contextlib.suppress(OSError):
            found.add(pid_of(http))
    return found


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@contextlib.contextmanager
def workers(*arguments, count=2):
    with server("--workers", count, "--metrics", "/figures", *arguments) as (process, uri):
        yield process, uri, uri.replace("ws", "http", 1)


def test_workers_serve_and_say_goodbye():
    with workers() as (process, uri, http):
        found = pids(http, 2)
        assert process.pid not in found
        clients = [connect(uri) for _ in range(10)]
        for ws in clients:
            ws.send("hello")
            assert ws.recv(timeout=SECONDS) == "hello"
        process.signal(signal.SIGTERM)
        for ws in clients:
            with pytest.raises(fastws.ConnectionClosedOK) as closed:
                ws.recv(timeout=SECONDS)
            assert closed.value.rcvd == fastws.Close(1001, "the server was stopped")
        assert process.end() == (0, [], [])
        assert all(map(gone, found))


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced():
    with workers() as (process, uri, http):
        first, second = sorted(pids(http, 2))
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: gone(first))
        wait_until(lambda: pids(http, 2) - {first, second})
        with connect(uri) as ws:
            ws.send("hello")
            assert ws.recv(timeout=SECONDS) == "hello"
        process.signal(signal.SIGTERM)
        code, _, errors = process.end()
        assert code == 0
        assert re.search(rf"process {first}\) ended with signal 9: starting it again", errors[0])


async def stay(uri):
    """Be closed, come back at once, and tell how and when."""
    ws = await fastws.aio.connect(uri)
    await ws.wait_closed()
    when = asyncio.get_running_loop().time()
    async with fastws.aio.connect(uri) as again:  # somebody always listens
        await again.send("hello")
        assert await again.recv() == "hello"
    return when, ws.close_code, ws.close_reason


@pytest.mark.slow
async def test_sighup_replaces_all_workers_without_an_interruption():
    with workers("--drain", "0.3") as (process, uri, http):
        before = pids(http, 2)
        clients = [asyncio.ensure_future(stay(uri)) for _ in range(20)]
        await asyncio.sleep(0.1)
        process.signal(signal.SIGHUP)
        ends = await asyncio.gather(*clients)
        assert {end[1:] for end in ends} == {(1012, "the server restarts")}
        assert max(ends)[0] - min(ends)[0] > 0.15  # one after the other
        wait_until(lambda: all(map(gone, before)))
        assert not pids(http, 2) & before
        wait_until(lambda: process.errors)
        process.signal(signal.SIGTERM)
        code, _, errors = process.end()
        assert (code, errors) == (0, ["fastws serve: all workers were replaced"])


@pytest.mark.slow
def test_workers_end_with_their_supervisor():
    with workers() as (process, _, http):
        found = pids(http, 2)
        process.kill()
        wait_until(lambda: all(map(gone, found)))


@pytest.mark.slow
def test_a_second_ctrl_c_does_not_wait_for_anyone():
    with workers("--drain", "60") as (process, uri, http):
        found = pids(http, 2)
        with contextlib.suppress(fastws.ConnectionClosed), connect(uri):
            process.signal(signal.SIGINT)
            time.sleep(0.3)
            process.signal(signal.SIGINT)
            assert process.end()[0] == 130
            wait_until(lambda: all(map(gone, found)))


def test_a_worker_that_cannot_start_ends_it_all(tmp_path):
    missing = tmp_path / "missing.pem"
    code, output, errors = run("serve", "--workers", "2", "--port", 0, "--tls", missing, missing)
    assert (code, output) == (1, [])
    assert errors == [f"fastws serve: cannot read {missing}: No such file or directory"]


def test_figures_have_ports_of_their_own():
    arguments = ["-m", "fastws", "serve", "--port", 0, "--metrics-port", 0]
    with Process(*arguments) as process:
        uri = re.search(r"ws://\S+", process.line())[0]
        wait_until(lambda: process.errors)
        figures = process.errors[0].split()[-1]
        with connect(uri) as ws:
            ws.send("hello")
            ws.recv(timeout=SECONDS)
            with urllib.request.urlopen(figures, timeout=SECONDS) as response:
                text = response.read().decode()
        for name in ("connections", "messages_received_total", "messages_sent_total"):
            assert re.search(rf"^fastws_{name}{{process=\"\d+\"}} 1$", text, re.MULTILINE)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(uri.replace("ws", "http") + "metrics", timeout=SECONDS)
        refused.value.close()


class Guest:
    """Someone in the chat, at whichever worker the system chose."""

    def __init__(self, uri, **query):
        self.ws = connect(f"{uri}?{urllib.parse.urlencode(query)}")
        self.name = self.next("welcome")["name"]

    def next(self, kind, **wanted):
        while True:
            event = json.loads(self.ws.recv(timeout=SECONDS))
            if event["kind"] == kind and wanted.items() <= event.items():
                return event


@pytest.mark.parametrize("kind", ["redis", pytest.param("nats", marks=pytest.mark.slow)])
def test_the_chat_across_workers(kind, shared_brokers):
    need(kind)
    with workers("--chat", "--hub", shared_brokers(kind)) as (process, uri, http):
        pids(http, 2)
        guests = [Guest(uri, name="Ann", room="garden")]
        guests += [Guest(uri, name="Ann", room="garden") for _ in range(5)]
        names = {guest.name for guest in guests}
        assert names == {"Ann", *(f"Ann {number}" for number in range(2, 7))}
        guests[0].next("joined", people=sorted(names))
        for guest in guests:
            guest.ws.send(f"I am {guest.name}")
        for guest in guests:
            # In which order different people are heard may differ from worker to worker.
            heard = {guest.next("message")["text"] for _ in names}
            assert heard == {f"I am {name}" for name in names}
        guests[0].ws.close()
        guests[1].next("rooms", rooms={"garden": 5})
        for guest in guests[1:]:
            guest.ws.close()
        process.signal(signal.SIGTERM)
        assert process.end() == (0, [], [])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--workers", "2", "--chat"], "workers share their rooms through a broker: add --hub"),
        (["--hub", "redis://h"], "--hub is for --chat"),
        (["--chat", "--hub", "amqp://h"], "a hub cannot use amqp://"),
    ],
)
def test_options_that_make_no_sense_together(arguments, problem):
    code, output, [error] = run("serve", "--port", 0, *arguments)
    assert (code, output) == (1, [])
    assert problem in error


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--workers", "0"], "'0' is not a number of workers"),
        (["--metrics", "x"], "'x' is not a path"),
        (["--drain", "-1"], "'-1' is not a number of seconds"),
    ],
)
def test_wrong_arguments_of_workers(arguments, problem, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(["serve", *arguments])
    assert problem in capsys.readouterr().err
