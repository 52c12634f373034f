"""``python -m fastws connect`` in a terminal, with every kind of line editing."""

import contextlib
import os
import re
import select
import struct
import subprocess
import sys
import threading
import time

import pytest
from commands import handler_server, server
from processes import ROOT, SECONDS

pty = pytest.importorskip("pty")
fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")


@pytest.fixture(scope="module")
def echo_uri():
    with server() as (_, uri):
        yield uri


class Screen:
    """``connect`` in a pseudo-terminal; ``text`` is all it wrote, colours left out."""

    def __init__(self, uri, *, hide=(), term="xterm"):
        hidden = "".join(f"sys.modules[{name!r}] = None; " for name in hide)
        program = (
            "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
            f"{hidden}from fastws.cli.command import main; sys.exit(main())"
        )
        self.text = ""
        self._fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, "connect", uri],
            **dict.fromkeys(["stdin", "stdout", "stderr"], theirs),
            env={**os.environ, "TERM": term, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        os.close(theirs)

    def type(self, text):
        os.write(self._fd, text.encode())

    def wait_for(self, text):
        deadline = time.monotonic() + SECONDS
        while text not in self.text:
            assert time.monotonic() < deadline, f"waited in vain for {text!r}:\n{self.text}"
            self._read()

    def _read(self):
        """Take what it wrote meanwhile; False once it has closed the terminal."""
        if select.select([self._fd], [], [], 0.1)[0]:
            try:
                data = os.read(self._fd, 65536)
            except OSError:  # how Linux says that nobody has it open any more
                data = b""
            if not data:
                return False
            if b"\x1b[6n" in data:
                os.write(self._fd, b"\x1b[1;1R")  # it asks where the cursor is
            self.text += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", data.decode(errors="replace"))
        return True

    def end(self):
        """Wait until it ends; return its exit code."""
        deadline = time.monotonic() + SECONDS
        while self._read():
            assert time.monotonic() < deadline, f"it did not end:\n{self.text}"
        return self._process.wait(SECONDS)

    def is_as_before(self):
        """Whether the terminal echoes and edits lines, as shells expect."""
        flags = termios.tcgetattr(self._fd)[3]
        return bool(flags & termios.ECHO and flags & termios.ICANON)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._process.kill()
        self._process.wait()
        os.close(self._fd)


EDITORS = {
    "prompt_toolkit": {},
    "readline": {"hide": ("prompt_toolkit",)},
    "plain": {"hide": ("prompt_toolkit", "readline")},
    "dumb": {"term": "dumb"},
}


@pytest.fixture(params=EDITORS)
def screen(request):
    if request.param in ("prompt_toolkit", "readline"):
        pytest.importorskip(request.param)
    with contextlib.ExitStack() as stack:

        def opened(uri):
            return stack.enter_context(Screen(uri, **EDITORS[request.param]))

        yield opened


def test_lines_and_commands_in_a_terminal(echo_uri, screen, tmp_path):
    terminal = screen(echo_uri)
    terminal.wait_for("Connected (permessage-deflate).")
    steps = [
        ("hello", "< hello"),
        ("//slash", "< /slash"),
        ("/hex 00 41", "< binary, 2 bytes: 00 41 |.A|"),
        ("/hex 0", "/hex: write two hexadecimal digits"),
        ("/ping", "pong after "),
        ("/nothing", "there is no /nothing"),
        (f"/file {tmp_path}/none", "none: No such file"),
        ("/close 12", "/close: "),
        ("/help", "send a message that starts with a slash"),
    ]
    for line, answer in steps:
        terminal.wait_for(">")
        terminal.type(line + "\r")
        terminal.wait_for(answer)
    terminal.type("/close 4000 enough\r")
    terminal.wait_for("Closed: 4000 (private use) enough")
    assert terminal.end() == 0


def test_ctrl_d_closes(echo_uri, screen):
    terminal = screen(echo_uri)
    terminal.wait_for(">")
    terminal.type("\x04")
    terminal.wait_for("Closed: 1000 (normal closure)")
    assert terminal.end() == 0


def test_ctrl_c_leaves_the_terminal_as_it_was(echo_uri, screen):
    terminal = screen(echo_uri)
    terminal.wait_for(">")
    terminal.type("half a li")
    terminal.wait_for("half a li")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "Traceback" not in terminal.text
    assert terminal.is_as_before()


def test_messages_arrive_while_a_line_is_typed_and_the_server_ends_it(screen):
    go_on, close = threading.Event(), threading.Event()

    def handler(ws):
        assert go_on.wait(SECONDS)
        ws.send("tick\nand a second line")
        assert close.wait(SECONDS)
        ws.close(1001, "enough")

    with handler_server(handler) as uri:
        terminal = screen(uri)
        terminal.wait_for(">")
        terminal.type("half a line")
        terminal.wait_for("half a line")
        go_on.set()
        terminal.wait_for("< tick")
        terminal.wait_for("  and a second line")
        close.set()
        terminal.wait_for("Closed by the server: 1001 (going away) enough")
        assert terminal.end() == 0
        assert terminal.is_as_before()
