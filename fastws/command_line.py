"""What the commands have in common: how they refuse, how they are interrupted, broken pipes."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

__all__ = ["INTERRUPTED", "OneLineParser", "drop_output"]

INTERRUPTED = 130  # the exit code of shells for SIGINT


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong, and where to read more."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def drop_output() -> None:
    """Let what is still to be written go nowhere: whoever read it has enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
