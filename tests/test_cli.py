"""The command line: help and arguments, ``serve``, and how messages look."""

import json
import os
import re
import signal
import socket
import time
import urllib.parse
import urllib.request

import pytest
from commands import run, server
from processes import SECONDS

import fastws
from fastws.cli.arguments import parse
from fastws.cli.display import plain, readable, rows
from fastws.sync import connect

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@pytest.fixture(scope="module")
def echo_uri():
    with server() as (_, uri):
        yield uri


# Help and arguments


def test_version():
    code, output, _ = run("--version")
    assert code == 0
    assert output[0].startswith(f"fastws {fastws.__version__} ({fastws.backend}) on ")


@pytest.mark.parametrize("command", [(), ("serve",), ("connect",), ("bench",)])
def test_help_fits_the_screen(command):
    code, output, _ = run(*command, "--help", env={"COLUMNS": "80"})
    assert code == 0
    assert max(map(len, output)) <= 80
    assert sum("%(" in line for line in output) == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "COMMAND"),
        (["fly"], "fly"),
        (["serve", "--port", "70000"], "'70000' is not a port"),
        (["serve", "--max-size", "big"], "'big' is not a size"),
        (["serve", "--echo", "--chat"], "not allowed with"),
        (["serve", "--ping-interval", "-1"], "'-1' is not a number of seconds"),
        (["serve", "--subprotocol", "a b"], "'a b' is not the name of a subprotocol"),
        (["serve", "--origin", "example.com"], "write https://example.com"),
        (["serve", "--origin", "https://example.com/"], "without a path"),
        (["connect"], "URL"),
        (["connect", "ws://h", "--subprotocol", ""], "'' is not the name of a subprotocol"),
        (["connect", "ws://h", "--wait", "nan"], "'nan' is not a number of seconds"),
        (["connect", "ws://h", "--header", "nothing"], "'nothing' has no colon"),
        (["connect", "ws://h", "--header", "a b: c"], "header name is not a token"),
        (["connect", "ws://h", "--header", "a: b\nc: d"], "control character"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, problem, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert problem in captured.err


def test_arguments_that_need_thought():
    options = parse(["serve", "--max-size", "64KiB", "--ping-interval", "0", "--no-compression"])
    assert (options.max_size, options.ping_interval, options.compression) == (65536, None, None)
    options = parse(["connect", "ws://h", "--max-size", "none", "--header", "A:  b:c "])
    assert (options.max_size, options.header) == (None, [("A", "b:c")])
    assert parse(["serve"]).mode == "echo"


def test_bench_is_forwarded():
    code, output, _ = run("bench", "--help")
    assert code == 0
    assert "python -m fastws.bench" in output[0]


# serve


def test_serve_prints_one_line_and_echoes(echo_uri):
    with connect(echo_uri) as ws:
        for message in ("Grüße", b"\x00\xff", "", "x" * 1024 * 1024):
            ws.send(message)
            assert ws.recv(timeout=SECONDS) == message


def test_serve_answers_http(echo_uri):
    http = echo_uri.replace("ws", "http", 1)
    with urllib.request.urlopen(http, timeout=SECONDS) as response:
        page = response.read().decode()
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert 'data-mode="echo"' in page
        assert "{{" not in page
        assert not re.search(r"(src|href)=\"?(https?:)?//", page), "the page needs something else"
    with urllib.request.urlopen(http + "health", timeout=SECONDS) as response:
        assert response.read() == b"ok\n"
    head = urllib.request.Request(http, method="HEAD")
    with urllib.request.urlopen(head, timeout=SECONDS) as response:
        assert response.headers["Content-Length"] == str(len(page.encode()))
        assert response.read() == b""
    for path, status in (("nothing", 404), ("", 405)):
        request = urllib.request.Request(http + path, data=None if path else b"x")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=SECONDS)
        assert refused.value.code == status
        refused.value.close()


@posix
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_serve_says_goodbye(signum, loop):
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    with server("--loop", loop) as (process, uri), connect(uri) as ws:
        ws.send("hello")
        ws.recv(timeout=SECONDS)
        process.signal(signum)
        with pytest.raises(fastws.ConnectionClosedOK) as closed:
            ws.recv(timeout=SECONDS)
        assert closed.value.rcvd == fastws.Close(1001, "the server was stopped")
        assert process.end() == (0, [], [])


@posix
def test_a_second_ctrl_c_does_not_wait_for_anyone():
    with server() as (process, uri):
        host, port = re.search(r"//(.*):(\d+)", uri).groups()
        with socket.create_connection((host, int(port)), timeout=SECONDS) as silent:
            request = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
            request += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            request += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            silent.sendall(request.encode())
            assert silent.recv(4096).startswith(b"HTTP/1.1 101")
            process.signal(signal.SIGINT)
            assert silent.recv(4096)  # the goodbye, which nobody answers
            process.signal(signal.SIGINT)
            start = time.monotonic()
            assert process.end() == (130, [], [])
            assert time.monotonic() - start < 2


def test_port_in_use_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output, errors = run("serve", "--port", str(port))
    assert (code, output) == (1, [])
    assert errors == [
        f"fastws serve: 127.0.0.1 port {port} is in use: "
        "choose another with --port, or --port 0 for any"
    ]


def test_wrong_certificate_is_one_line(tmp_path):
    missing = tmp_path / "missing.pem"
    code, _, errors = run("serve", "--tls", missing, missing)
    assert (code, errors) == (
        1,
        [f"fastws serve: cannot read {missing}: No such file or directory"],
    )
    empty = tmp_path / "empty.pem"
    empty.touch()
    code, _, errors = run("serve", "--tls", empty, empty)
    assert (code, len(errors)) == (1, 1)
    assert "are not a certificate and its key" in errors[0]


def test_serve_limits_size_and_origin_and_agrees_on_subprotocols():
    arguments = ["--max-size", "1k", "--origin", "https://a.example", "--subprotocol", "two"]
    with server(*arguments, "--no-compression") as (_, uri):
        with pytest.raises(fastws.InvalidStatus) as refused:
            connect(uri, origin="https://b.example")
        assert refused.value.response.status_code == 403
        with connect(uri, origin="https://a.example", subprotocols=["one"]) as ws:
            assert ws.subprotocol is None
        with connect(uri, origin="https://a.example", subprotocols=["one", "two"]) as ws:
            assert ws.subprotocol == "two"
            assert "Sec-WebSocket-Extensions" not in ws.response.headers
            ws.send(bytes(1025))
            with pytest.raises(fastws.ConnectionClosedError) as closed:
                ws.recv(timeout=SECONDS)
        assert closed.value.rcvd.code == 1009


class Guest:
    """Someone in a chat, who looks for events of one kind at a time."""

    def __init__(self, uri, **query):
        self.ws = connect(f"{uri}?{urllib.parse.urlencode(query)}")
        self.name = self.next("welcome")["name"]

    def next(self, kind):
        while True:
            event = json.loads(self.ws.recv(timeout=SECONDS))
            if event["kind"] == kind:
                return event


def test_chat_has_rooms_and_names():
    with server("--chat") as (_, uri):
        ann, other_ann = Guest(uri, name="Ann"), Guest(uri, name="Ann")
        gardener = Guest(uri, name="  Jo\x1b  \x00 G" + 40 * "x", room="garden")
        assert (ann.name, other_ann.name) == ("Ann", "Ann 2")
        assert gardener.name == ("Jo G" + 40 * "x")[:24]
        gardener.ws.send("green")
        ann.ws.send("hello")
        assert gardener.next("message")["text"] == "green"
        expected = {"kind": "message", "name": "Ann", "text": "hello"}
        assert other_ann.next("message") == expected
        assert ann.next("message") == expected
        other_ann.ws.send(b"\x00")
        with pytest.raises(fastws.ConnectionClosedError) as closed:
            other_ann.next("nothing")
        assert closed.value.rcvd.code == 1003
        assert ann.next("left") == {"kind": "left", "name": "Ann 2", "people": ["Ann"]}
        assert ann.next("rooms")["rooms"] == {"garden": 1, "lobby": 1}
        gardener.ws.close()
        assert ann.next("rooms")["rooms"] == {"lobby": 1}
        ann.ws.close()


# How things look


def test_nothing_a_server_sends_moves_the_cursor():
    hostile = "a\x1b[2J\r\x07\x9b\u202e\tb\nc"
    assert plain(hostile) == r"a\x1b[2J\r\x07\x9b\u202e" + "\tb\nc"


def test_binary_is_a_dump_of_the_first_bytes():
    assert readable(b"") == "binary, 0 bytes"
    assert readable(b"a") == "binary, 1 byte: 61 |a|"
    assert readable(bytes(2000)).startswith("binary, 2,000 bytes: 00 00")
    assert readable(bytes(2000)).endswith("| ...")


def test_rows_are_as_wide_as_the_terminal():
    assert list(rows("", 4)) == [""]
    assert list(rows("abcdef\ng", 4)) == ["abcd", "ef", "g"]
    assert list(rows("日本語", 5)) == ["日本", "語"]
