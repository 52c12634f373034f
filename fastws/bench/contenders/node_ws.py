"""Node's ws package: a server in another language, for comparison."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..jobs import Server
from . import Contender, Missing

_PROGRAM = Path(__file__).with_name("node_ws.js")
_CAN = frozenset({"echo", "tls", "deflate", "broadcast"})
_ASK_SECONDS = 10


class NodeWs(Contender):
    """The server of ws; its own masking addon is used where it is installed."""

    name = "ws"

    def __init__(self, node: str) -> None:
        self._node = node
        versions = installed(node)
        addon = "with bufferutil" if versions["bufferutil"] else "without bufferutil"
        self.configuration = f"Node {versions['node']}, ws {versions['ws']}, {addon}"

    def servers(self) -> Sequence[Server]:
        # It is asked to collect garbage before its memory is read.
        command = (self._node, "--expose-gc", str(_PROGRAM))
        return [Server("ws", "Node", can=_CAN, command=command)]


@functools.lru_cache(maxsize=1)
def installed(node: str) -> dict[str, str]:
    """Return the versions of node and its packages; raises Missing, or what is wrong with them."""
    asked = subprocess.run(
        [node, str(_PROGRAM), "versions"], capture_output=True, text=True, timeout=_ASK_SECONDS
    )
    if asked.returncode:
        raise Missing("npm install ws, here or where NODE_PATH says")
    versions: dict[str, str] = json.loads(asked.stdout)
    return versions


def contenders() -> list[Contender]:
    node = shutil.which("node")
    if node is None:
        raise Missing("node is not here; apt install nodejs, or https://nodejs.org")
    return [NodeWs(node)]
