"""Run the code of a page from top to bottom, as one program and the processes beside it."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib.metadata
import importlib.util
import inspect
import os
import re
import socket
import sys
import time
from pathlib import Path

from processes import SECONDS, Process

from pages.blocks import IN_PLACE, IN_THE_BACKGROUND, TO_ITS_END, Block

PAGE_SECONDS = 30

# A page's servers listen on these; here they are replaced by ports that are free.
_port = re.compile(r"\b876\d\b")


class Page:
    """What the blocks of one page share: names, ports, and processes in the background."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._ports: dict[str, int] = {}
        self._exit = contextlib.ExitStack()
        self.names: dict[str, object] = {"__name__": "__page__", "output": ""}
        self.left_out: list[str] = []

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._exit.close()

    def _free_port(self, match: re.Match[str]) -> str:
        if match[0] not in self._ports:
            sock = self._exit.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", 0))
            self._ports[match[0]] = sock.getsockname()[1]
            # Bound and never listening, it keeps the port from all but those that ask for it; other
            # systems than Linux would keep it from these, too.
            if sys.platform != "linux":
                sock.close()
        return str(self._ports[match[0]])

    def here(self, code: str) -> str:
        """Return code with addresses that are free on this machine."""
        return _port.sub(self._free_port, code).replace("localhost", "127.0.0.1")

    async def run(self, blocks: list[Block]) -> None:
        before = asyncio.all_tasks()
        for block in blocks:
            missing = [need for need in block.needs if not _is_here(need)]
            if missing:
                self.left_out.append(f"line {block.line} needs {', '.join(missing)}")
            elif block.run == IN_PLACE:
                await self._run_in_place(block)
            elif block.run in (TO_ITS_END, IN_THE_BACKGROUND):
                self._run_process(block)
            else:
                assert block.reason_not_to_run, f"line {block.line}: run: {block.run}?"
        left = asyncio.all_tasks() - before
        assert not left, f"tasks left behind: {left}"

    async def _run_in_place(self, block: Block) -> None:
        # Tracebacks show the line of the page.
        source = "\n" * block.line + self.here(block.code)
        code = compile(
            source, str(self._path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
        result = eval(code, self.names)
        if code.co_flags & inspect.CO_COROUTINE:
            await result

    def _run_process(self, block: Block) -> None:
        program = self._folder / f"line_{block.line}.py"
        code = self.here(block.code)
        program.write_text(code, encoding="utf-8")
        process = self._exit.enter_context(Process("-W", "error", program, cwd=self._folder))
        if block.run == TO_ITS_END:
            exit_code, output, errors = process.end()
            assert exit_code == 0, "\n".join(errors)
            self.names["output"] = "".join(f"{line}\n" for line in output)
        else:
            self.names["background"] = process
            for port in {self._free_port(match) for match in _port.finditer(block.code)}:
                self._wait_for(process, int(port))

    def _wait_for(self, process: Process, port: int) -> None:
        end = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                assert process.running, f"it has ended: {process.end()}"
                assert time.monotonic() < end, "it does not listen"
                time.sleep(0.01)


def _is_here(need: str) -> bool:
    """Whether a package is installed, and in the release that is needed, as in ``name>=17``."""
    name, _, least = need.partition(">=")
    if importlib.util.find_spec(name) is None:
        return False
    return not least or int(importlib.metadata.version(name).partition(".")[0]) >= int(least)


def run_page(path: Path, blocks: list[Block], folder: Path) -> list[str]:
    """Run the blocks; return what was left out for want of a package."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        with Page(path, folder) as page:
            asyncio.run(asyncio.wait_for(page.run(blocks), PAGE_SECONDS))
            return page.left_out
    finally:
        os.chdir(before)
