"""The arguments of the command line, and what ``--help`` says."""

from __future__ import annotations

import argparse
import math
import platform
import re
from typing import TYPE_CHECKING

from .. import __version__, backend
from ..command_line import OneLineParser
from ..headers import check_header, is_token

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["parse"]

PROGRAM = "python -m fastws"

SERVE_EXAMPLES = """\
examples:
  python -m fastws serve
  python -m fastws serve --chat --host 0.0.0.0
  python -m fastws serve --tls cert.pem key.pem
  python -m fastws serve --chat --workers 4 --hub redis://127.0.0.1

Ctrl-C and SIGTERM say goodbye to every client (close code 1001) and end the
server; a second one does not wait for their answers. With --workers, SIGHUP
starts new workers, one after the other, and ends the old ones (code 1012).
"""

CONNECT_EXAMPLES = """\
examples:
  python -m fastws connect ws://127.0.0.1:8765/
  python -m fastws connect wss://example.com/ --header "Authorization: Bearer X"
  printf 'one\\ntwo\\n' | python -m fastws connect ws://127.0.0.1:8765/

In a terminal, each line you type is a message; /help lists the commands;
Ctrl-D closes. With a pipe, each line of the input is a message, and answers
are printed as they are, binary ones as a dump of their first bytes.

exit code: 0 after a normal closing, 1 after an error, 2 for wrong arguments,
130 after Ctrl-C.
"""

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; exit with help or with what is wrong."""
    parser = OneLineParser(
        prog=PROGRAM,
        description="A WebSocket server and client for trying things out, and the benchmark.",
        epilog=f"'{PROGRAM} COMMAND --help' says more about a command.",
    )
    python = f"{platform.python_implementation()} {platform.python_version()}"
    parser.add_argument(
        "--version", action="version", version=f"fastws {__version__} ({backend}) on {python}"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_serve(commands)
    _add_connect(commands)
    # Only for --help: its arguments are parsed in its own package.
    commands.add_parser("bench", help="compare fastws with the WebSocket packages installed here")
    return parser.parse_args(arguments)


def _add_serve(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    parser = commands.add_parser(
        "serve",
        help="run an echo or chat server, with a page for browsers",
        description="Run an echo or chat server. A browser that opens its address gets a page\n"
        "that is a client; GET /health answers ok.",
        epilog=SERVE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--echo",
        action="store_const",
        dest="mode",
        const="echo",
        help="send every message back to its sender (default)",
    )
    modes.add_argument(
        "--chat",
        action="store_const",
        dest="mode",
        const="chat",
        help="pass text on to everyone in the room: ws://.../?room=ROOM&name=NAME",
    )
    parser.set_defaults(mode="echo")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=_port, default=8765, help="port to listen on (%(default)s); 0 takes any"
    )
    parser.add_argument(
        "--tls",
        nargs=2,
        metavar=("CERT", "KEY"),
        help="serve https and wss with this certificate chain and private key (PEM files)",
    )
    parser.add_argument(
        "--origin",
        action="append",
        type=_origin,
        metavar="ORIGIN",
        help="accept only pages from here, as in https://example.com; may be repeated (any)",
    )
    parser.add_argument(
        "--subprotocol",
        action="append",
        type=_subprotocol,
        default=[],
        metavar="NAME",
        help="subprotocol to agree on with clients that offer it, best first; may be repeated",
    )
    _add_limits(parser)
    _add_processes(parser)
    parser.add_argument(
        "--loop",
        choices=("asyncio", "uvloop"),
        default="asyncio",
        help="the event loop (%(default)s)",
    )
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="warning",
        help="what to report on stderr; info has each connection (%(default)s)",
    )


def _add_connect(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    parser = commands.add_parser(
        "connect",
        help="talk to a WebSocket server, from a terminal or a script",
        description="Talk to a WebSocket server, from a terminal or a script.",
        epilog=CONNECT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("uri", metavar="URL", help="ws://HOST[:PORT][/PATH], or wss:// for TLS")
    parser.add_argument(
        "--header",
        action="append",
        type=_header,
        default=[],
        metavar="NAME:VALUE",
        help="send this header with the request; may be repeated",
    )
    parser.add_argument(
        "--subprotocol",
        action="append",
        type=_subprotocol,
        metavar="NAME",
        help="offer this subprotocol, best first; may be repeated",
    )
    parser.add_argument("--origin", help="send this Origin header, as a browser would")
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="do not check the server's certificate: anyone may be at the other end",
    )
    _add_limits(parser)
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=10,
        metavar="SECONDS",
        help="for opening the connection; 0 waits forever (%(default)s)",
    )
    parser.add_argument(
        "--wait",
        type=_wait,
        default=1.0,
        metavar="SECONDS",
        help="with a pipe: how long to wait for answers after the end of the input; "
        "'inf' waits until the server closes (1)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-size",
        type=_size,
        default=1024**2,
        metavar="SIZE",
        help="largest message to accept, as in 64KiB or 16MiB; 'none' for no limit (1MiB)",
    )
    parser.add_argument(
        "--no-compression",
        action="store_const",
        dest="compression",
        const=None,
        default="deflate",
        help="do not agree on permessage-deflate",
    )
    parser.add_argument(
        "--ping-interval",
        type=_seconds,
        default=20,
        metavar="SECONDS",
        help="ping the peer this often to see that it is there; 0 never does (%(default)s)",
    )


def _add_processes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=_workers,
        default=None,
        metavar="N",
        help="serve with so many processes on the same port; one that dies is replaced",
    )
    parser.add_argument(
        "--hub",
        metavar="URL",
        help="how processes share the rooms of --chat: redis://HOST, nats://HOST or others",
    )
    parser.add_argument(
        "--drain",
        type=_wait,
        default=0.0,
        metavar="SECONDS",
        help="say goodbye to one client after the other, over so long (0: to all at once)",
    )
    parser.add_argument(
        "--metrics",
        type=_path,
        metavar="PATH",
        help="answer a GET of this path with OpenMetrics text, as in /metrics",
    )
    parser.add_argument(
        "--metrics-port",
        type=_port,
        metavar="PORT",
        help="answer it on a port of its own: this one, and the next for each further worker",
    )


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of workers: write 1 or more, about one for each core"
        )
    return int(text)


def _path(text: str) -> str:
    if re.fullmatch(r"/[!-~]*", text) is None or "?" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a path: write /metrics")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: write a number up to 65535")
    return int(text)


def _size(text: str) -> int | None:
    if text.lower() == "none":
        return None
    match = re.fullmatch(r"([0-9]+) ?([kmg]?)(?:i?b)?", text.lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write 125, 64KiB or 16MiB")
    return int(match[1]) * _UNITS[match[2]]


def _wait(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds: write 0, 2.5 or more"
        )
    return seconds


def _seconds(text: str) -> float | None:
    seconds = _wait(text)
    return None if seconds in (0, math.inf) else seconds


def _subprotocol(text: str) -> str:
    if not is_token(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the name of a subprotocol: write letters, digits and .-_ only"
        )
    return text


def _origin(text: str) -> str:
    # What a browser never sends would keep every page out (RFC 6454 §6.2).
    if text != "null" and re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+", text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not what browsers send: write https://example.com, without a path"
        )
    return text


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} has no colon: write NAME:VALUE")
    name, value = name.strip(), value.strip()
    try:
        check_header(name, value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name, value
