"""The WebSocket tests of the packages that are accelerated, from their source distributions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["SUITES", "Suite"]

_PYTEST = ("pytest", "-v", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".")


@dataclass(frozen=True)
class Suite:
    """Which tests of which distribution; ``differs`` are tests of what must differ, and why."""

    target: str
    source: str  # what is downloaded for its tests; "" if the installed package has them
    command: Sequence[str]
    needs: Sequence[str] = ()
    stand_ins: str = ""  # a directory of the tests that gets ours for what is left out
    environment: dict[str, str] = field(default_factory=dict)
    differs: dict[str, str] = field(default_factory=dict)


def _files(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/test_{name}.py" for name in names)


_INSIDE = "looks into the frames on their way through aiohttp's own reader"
_STALLED = "asks which reader is stalled: it is aiohttp's own, inside ours"

_PARSED = (
    "test_parse_frame",
    *(f"test_parse_compress_frame_{kind}" for kind in ("single", "multi")),
    *(f"test_parse_frame_{kind}" for kind in ("length0", "length2", "length4", "mask")),
    *(f"test_parse_frame_length2_{kind}" for kind in ("multi_byte", "multi_byte_multi_packet")),
)

SUITES = (
    Suite(
        "websockets",
        "websockets==16.1.1",  # the last that has tests in it, and only those of the core
        (*_PYTEST, *_files("tests", "frames", "protocol")),
        stand_ins="tests",
    ),
    Suite("wsproto", "wsproto", (*_PYTEST, "tests")),
    Suite(
        "aiohttp",
        "aiohttp",
        (
            *_PYTEST,
            *("-p", "pytest_asyncio"),
            *_files("tests", "websocket_parser", "websocket_writer", "websocket_data_queue"),
            *_files("tests", "websocket_handshake", "client_ws", "client_ws_functional"),
            *_files("tests", "web_websocket", "web_websocket_functional"),
        ),
        needs=(
            *("blockbuster", "freezegun", "isal", "proxy.py", "pytest-asyncio", "pytest-codspeed"),
            *("pytest-mock", "pytest-timeout", "python-on-whales", "re-assert", "trustme"),
            *("zlib-ng",),
        ),
        differs={
            **dict.fromkeys(_PARSED, _INSIDE),
            "test_websocket_mask_cython": "asks whether the mask is aiohttp's own",
            "test_stalled_reader_reference_released_after_drain": _STALLED,
            "test_parse_error_abandons_the_stash": _STALLED,
        },
    ),
    Suite("tornado", "", ("tornado.test", "--verbose", "tornado.test.websocket_test")),
    Suite(
        "gunicorn",
        "gunicorn",
        (
            *_PYTEST,
            *_files("tests", "asgi_websocket_enhanced", "asgi_websocket_handshake"),
            "tests/test_asgi_websocket_protocol.py",
        ),
        needs=("pytest-asyncio",),
    ),
    Suite(
        "autobahn",
        "",
        (*_PYTEST, "--pyargs", "autobahn.websocket.test"),
        needs=("twisted",),
        environment={"USE_TWISTED": "1"},
    ),
    Suite("websocket-client", "", (*_PYTEST, "--pyargs", "websocket.tests")),
    Suite(
        "ws4py",
        "ws4py",
        (*_PYTEST, *_files("test", "websocket", "frame", "stream", "messaging", "manager")),
        needs=("mock",),
    ),
    Suite(
        "eventlet",
        "eventlet",
        (*_PYTEST, "tests/websocket_test.py", "tests/websocket_new_test.py"),
    ),
    Suite(
        "websockify",
        "websockify",
        (*_PYTEST, *_files("tests", "websocket", "websocketserver", "websocketproxy")),
    ),
    Suite(
        "lomond",
        "lomond",
        (*_PYTEST, "tests", "--ignore=tests/test_live.py", "--ignore=tests/test_proxy.py"),
        needs=("mock", "freezegun", "tornado"),
    ),
)
