"""A client without asyncio: send a few messages, print the answers and how long they took.

Run a server first, one of the echo examples:

    python examples/echo_blocking.py
    python examples/client_blocking.py [URL]
"""

import sys
import time

from fastws.sync import connect


def main(uri="ws://127.0.0.1:8765/"):
    with connect(uri) as ws:
        for message in ("Hello", "Grüß dich", "こんにちは", bytes(100_000)):
            start = time.perf_counter()
            ws.send(message)
            answer = ws.recv(timeout=10)
            milliseconds = (time.perf_counter() - start) * 1000
            assert answer == message
            shown = answer if isinstance(answer, str) else f"{len(answer)} bytes"
            print(f"{shown} came back after {milliseconds:.1f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
