"""Starlette's echo under uvicorn, ours against its own: ``python -m fastws.bench.uvicorn_echo``."""

from __future__ import annotations

import sys
from importlib import metadata

from . import contenders
from .echo import Echo, measure_echo
from .measure import FULL, QUICK, TINY, Effort
from .tables import echo_table

__all__ = ["main"]

_EFFORTS = {"--full": FULL, "--tiny": TINY}
_BYTES = 64


def main(arguments: list[str]) -> int:
    """Measure and print; ``--full`` takes longer, ``--tiny`` only shows that it works."""
    effort: Effort = _EFFORTS[arguments[0]] if arguments else QUICK
    try:
        found = contenders.load("uvicorn")
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: pip install uvicorn starlette", file=sys.stderr)
        return 1
    echo = Echo(_BYTES)
    measure_echo(echo, {"uvicorn": found}, effort, _progress)
    print(f"uvicorn {metadata.version('uvicorn')}, websockets {contenders.version('websockets')}")
    print(echo_table(echo))
    return 1 if echo.problems else 0


def _progress(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
