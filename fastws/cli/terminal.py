"""Where ``connect`` gets lines from, and where it shows what arrives meanwhile."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib
import os
import queue
import shutil
import sys
import threading

from .display import plain, readable, rows
from .errors import CommandError, Interrupted

__all__ = ["Editor", "InputEditor", "Pipe", "Terminal", "open_terminal"]

PROMPT = "> "
CHUNK_BYTES = 64 * 1024
CHUNKS_AHEAD = 16


class Terminal:
    """Lines in, messages and notes out."""

    interactive = True

    async def line(self) -> str:
        """Return the next line; raise EOFError after the last, Interrupted for Ctrl-C."""
        raise NotImplementedError

    def show(self, message: str | bytes) -> None:
        """Show a message that arrived."""
        raise NotImplementedError

    def note(self, text: str) -> None:
        """Say something about the connection."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave the terminal as it was."""


class Pipe(Terminal):
    """Input and output of a script: every line is a message, every message a line."""

    interactive = False

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = threading.Semaphore(CHUNKS_AHEAD)
        self._lines: list[bytes] = []
        self._rest = b""
        self._number = 0
        # Event loops cannot wait for regular files, so a thread does. It reads the descriptor
        # itself: a lock of sys.stdin, held while it blocks, would break the end of the process.
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        chunk = b"more"
        while chunk:
            self._room.acquire()
            try:
                chunk = os.read(0, CHUNK_BYTES)
            except OSError:  # there is no input
                chunk = b""
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody needs it
                self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)

    async def line(self) -> str:
        while not self._lines:
            chunk = await self._chunks.get()
            if not chunk:
                if not self._rest:
                    raise EOFError
                self._lines, self._rest = [self._rest], b""
                self._chunks.put_nowait(chunk)
                break
            self._room.release()
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self._lines = lines[::-1]
        self._number += 1
        try:
            return self._lines.pop().removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            raise CommandError(f"line {self._number} of the input is not UTF-8") from None

    def show(self, message: str | bytes) -> None:
        # Only a terminal can be harmed; another program may want every character.
        text = message if isinstance(message, str) and not sys.stdout.isatty() else None
        print(readable(message) if text is None else text, flush=True)

    def note(self, text: str) -> None:
        pass


class _Screen(Terminal):
    """What both kinds of line editing have in common: how things look."""

    def __init__(self) -> None:
        self._colors = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def show(self, message: str | bytes) -> None:
        first, *others = readable(message).split("\n")
        self._print("\n".join([f"< {first}", *(f"  {line}" for line in others)]), "36")

    def note(self, text: str) -> None:
        self._print(plain(text), "2")

    def _print(self, text: str, color: str) -> None:
        raise NotImplementedError

    def _color(self, text: str, color: str) -> str:
        return f"\x1b[{color}m{text}\x1b[m" if self._colors and os.name == "posix" else text


class Editor(_Screen):
    """A terminal with prompt_toolkit, which redraws the line being typed by itself."""

    def __init__(self) -> None:
        super().__init__()
        patch_stdout = importlib.import_module("prompt_toolkit.patch_stdout").patch_stdout
        self._session = importlib.import_module("prompt_toolkit").PromptSession()
        self._patched = contextlib.ExitStack()
        self._patched.enter_context(patch_stdout(raw=True))

    async def line(self) -> str:
        try:
            # SIGINT from elsewhere is the command's to handle; Ctrl-C is a key here.
            line: str = await self._session.prompt_async(PROMPT, handle_sigint=False)
        except KeyboardInterrupt:
            raise Interrupted from None
        return line

    def _print(self, text: str, color: str) -> None:
        print(self._color(text, color))

    def close(self) -> None:
        self._patched.close()


def _read_line() -> str:
    """Do what ``input`` does, with the editing that terminals have themselves.

    ``input`` would hold the lock of C's stdin while it waits, and newer C libraries wait for that
    lock at the end of the process.
    """
    print(PROMPT, end="", flush=True)
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(0, CHUNK_BYTES)
        if not chunk:
            if not line:
                raise EOFError
            break
        line += chunk
    return line.rstrip(b"\r\n").decode()


class InputEditor(_Screen):
    """A terminal with ``input()`` in a thread; readline gives it arrow keys and history."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._has_readline = _can_import("readline") and os.environ.get("TERM") != "dumb"
        self._has_input = self._has_readline or os.name == "nt"
        self._asked: queue.SimpleQueue[asyncio.Future[str]] = queue.SimpleQueue()
        self._typing = False
        _restore_terminal_at_exit()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            future = self._asked.get()
            result: str | BaseException
            try:
                result = input(PROMPT) if self._has_input else _read_line()
            except (EOFError, OSError, UnicodeDecodeError) as error:
                result = error if isinstance(error, EOFError) else EOFError()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody needs it
                self._loop.call_soon_threadsafe(self._answer, future, result)

    def _answer(self, future: asyncio.Future[str], result: str | BaseException) -> None:
        self._typing = False
        if future.cancelled():
            return
        if isinstance(result, str):
            future.set_result(result)
        else:
            print()  # Ctrl-D leaves the cursor behind the prompt
            future.set_exception(result)

    async def line(self) -> str:
        future: asyncio.Future[str] = self._loop.create_future()
        self._typing = True
        self._asked.put(future)
        return await future

    def _print(self, text: str, color: str) -> None:
        if not self._typing:
            print(self._color(text, color))
        elif not self._has_readline:
            print(f"\r{text}\n{PROMPT}", end="", flush=True)
        else:
            width = shutil.get_terminal_size().columns
            for row in rows(text, width):
                _insert_above(self._color(row, color))

    def close(self) -> None:
        if self._typing:
            print()


def _insert_above(row: str) -> None:
    """Print a row above the cursor's line, which moves down unchanged with the cursor in it."""
    # Save the cursor; make room below, even at the end of the screen; insert a row; restore.
    sys.stdout.write(f"\x1b7\n\x1b[A\x1b[L\r{row}\x1b8\x1b[B")
    sys.stdout.flush()


def _restore_terminal_at_exit() -> None:
    """Undo what a line editor leaves behind that still waits when the process ends."""
    try:
        import termios
    except ImportError:
        return
    atexit.register(termios.tcsetattr, 0, termios.TCSADRAIN, termios.tcgetattr(0))


def _can_import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def open_terminal() -> Terminal:
    """Return the best way there is to talk to whoever started this."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if not (os.isatty(0) and sys.stdout.isatty()):
        return Pipe()
    if os.environ.get("TERM") != "dumb" and _can_import("prompt_toolkit"):
        return Editor()
    return InputEditor()
