"""``python -m fastws connect`` in scripts: pipes, exit codes, one line for what went wrong."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from commands import handler_server, run, server
from processes import SECONDS, Process

from fastws import ConnectionClosed
from fastws.sync import connect

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and pipes")


@pytest.fixture(scope="module")
def echo_uri():
    with server() as (_, uri):
        yield uri


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", "key.pem"]
        + ["-out", "cert.pem", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    return directory / "cert.pem", directory / "key.pem"


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_each_line_is_sent_and_answers_are_printed(echo_uri):
    lines = ["one", "", "  drei \tÄ ", "/help", "no end of line"]
    code, output, errors = run("connect", echo_uri, "--wait", "0.5", stdin="\n".join(lines))
    assert (code, output, errors) == (0, lines, [])


def test_more_than_all_buffers_hold_goes_through():
    lines = [str(i) * 50 for i in range(20_000)]

    def echo_all(ws):
        for _ in lines:
            ws.send(ws.recv())

    with handler_server(echo_all) as uri:
        code, output, errors = run("connect", uri, "--wait", "inf", stdin="\n".join(lines))
    assert (code, len(output), errors) == (0, len(lines), [])
    assert output == lines


def test_late_answers_are_waited_for_as_long_as_told():
    def answer(ws, message):
        with contextlib.suppress(ConnectionClosed):
            ws.send(message)

    def late(ws):
        for message in ws:
            threading.Timer(0.3, answer, (ws, message)).start()

    with handler_server(late) as uri:
        start = time.monotonic()
        assert run("connect", uri, "--wait", "0", stdin="a\n")[1] == []
        assert run("connect", uri, "--wait", "2", stdin="a\n")[1] == ["a"]
        assert time.monotonic() - start > 2


def test_binary_messages_are_readable():
    with handler_server(lambda ws: ws.send(b"\x00\xffAB\x1b")) as uri:
        code, output, _ = run("connect", uri, "--wait", "inf")
    assert (code, output) == (0, ["binary, 5 bytes: 00 ff 41 42 1b |..AB.|"])


def test_what_connect_sends_with_its_request():
    seen = []

    def note(ws):
        seen.append((ws.request.headers, ws.subprotocol))

    with handler_server(note, subprotocols=["b"]) as uri:
        code, _, errors = run(
            *("connect", uri, "--header", "X-One: 1", "--header", "X-One:2"),
            *("--subprotocol", "a", "--subprotocol", "b", "--origin", "https://x.example"),
            "--no-compression",
        )
    assert (code, errors) == (0, [])
    ((headers, subprotocol),) = seen
    assert headers.get_all("X-One") == ["1", "2"]
    assert headers["Origin"] == "https://x.example"
    assert "Sec-WebSocket-Extensions" not in headers
    assert subprotocol == "b"


def test_a_server_that_closes_with_an_error_is_an_error():
    with handler_server(lambda ws: ws.close(4321, "no \x1b[31mmore")) as uri:
        code, _, errors = run("connect", uri, "--wait", "inf")
    assert code == 1
    assert errors == [r"fastws connect: closed by the server: 4321 (private use) no \x1b[31mmore"]


def test_a_server_that_closes_ends_a_command_whose_input_is_still_open():
    with (
        handler_server(lambda ws: ws.send("bye")) as uri,
        Process("-m", "fastws", "connect", uri) as process,
    ):
        assert process.line() == "bye"
        assert process.end() == (0, [], [])


@posix
def test_ctrl_c_closes_and_tells(echo_uri):
    with Process("-m", "fastws", "connect", echo_uri) as process:
        process.write("one\n")
        assert process.line() == "one"
        process.signal(signal.SIGINT)
        assert process.end() == (130, [], [])


@posix
def test_a_reader_that_has_enough_is_no_error(echo_uri):
    command = [sys.executable, "-m", "fastws", "connect", echo_uri]
    read, write = os.pipe()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=write, stderr=subprocess.PIPE
    ) as process:
        os.close(read)
        os.close(write)
        _, errors = process.communicate(b"one\ntwo\n", timeout=SECONDS)
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("http://h/p", "it must start with ws:// or wss://; did you mean ws://h/p?"),
        ("https://h", "did you mean wss://h?"),
        ("h:80", "did you mean ws://h:80?"),
        ("ftp://h", "it must start with ws:// or wss://"),
        ("ws://h/#x", "it has a fragment; write # as %23"),
        ("ws://h:99999/", "its port is not a number from 1 to 65535"),
        ("ws://no-such-host.invalid/", "cannot find no-such-host.invalid: "),
        ("ws://127.0.0.1:{port}/", "cannot connect to 127.0.0.1:{port}: connection refused"),
        ("ws://localhost:{port}/", "cannot connect to localhost:{port}: connection refused"),
    ],
)
def test_why_there_is_no_connection_is_one_line(uri, problem):
    port = unused_port()
    code, output, errors = run("connect", uri.format(port=port))
    assert (code, output, len(errors)) == (1, [], 1)
    assert problem.format(port=port) in errors[0]


def test_a_refusal_is_told_with_status_and_reason():
    def refuse(ws, request):
        return ws.respond(401, "Who are you?\x1b[31m\nmore")

    with handler_server(lambda ws: None, process_request=refuse) as uri:
        code, _, errors = run("connect", uri)
    assert (code, len(errors)) == (1, 1)
    assert r"server answered HTTP 401 Unauthorized" in errors[0]
    assert r"Who are you?\x1b[31m (give" in errors[0]


def test_a_server_that_is_silent_or_speaks_something_else():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        code, _, errors = run("connect", f"ws://127.0.0.1:{port}/", "--timeout", "0.3")
        assert code == 1
        assert errors == [f"fastws connect: 127.0.0.1:{port} did not answer within 0.3 s"]


def test_input_that_is_not_text_is_one_line(echo_uri):
    code, _, errors = run("connect", echo_uri, "--wait", "0.2", stdin=b"good\n\xff\n")
    assert code == 1
    assert errors == ["fastws connect: line 2 of the input is not UTF-8"]


def test_tls_and_its_failures(certificate, echo_uri):
    with server("--tls", *certificate) as (_, uri):
        assert uri.startswith("wss://")
        code, _, errors = run("connect", uri)
        assert (code, len(errors)) == (1, 1)
        assert "is not trusted" in errors[0]
        assert "--insecure" in errors[0]
        code, output, errors = run("connect", uri, "--insecure", "--wait", "0.5", stdin="hello\n")
        assert (code, output, errors) == (0, ["hello"], [])
        context = ssl.create_default_context(cafile=certificate[0])
        with connect(uri, ssl=context) as ws:
            ws.send("checked")
            assert ws.recv(timeout=SECONDS) == "checked"
    code, _, errors = run("connect", echo_uri.replace("ws", "wss", 1))
    assert (code, len(errors)) == (1, 1)
    assert "a server without TLS has a ws:// address" in errors[0]
    code, _, errors = run("connect", echo_uri, "--insecure")
    assert (code, len(errors)) == (1, 1)
    assert "--insecure is for wss://" in errors[0]
