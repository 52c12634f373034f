"""Echo without asyncio: a thread for each client, every message comes back to its sender.

Run it, then connect with a client of your choice:

    python examples/echo_blocking.py [PORT]
    python -m fastws connect ws://127.0.0.1:8765/
"""

import contextlib
import sys

from fastws.sync import serve


def echo(ws):
    for message in ws:
        ws.send(message)


def main(port=8765):
    with serve(echo, "127.0.0.1", port) as server:
        host, port = server.socket.getsockname()
        print(f"echo at ws://{host}:{port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(*map(int, sys.argv[1:]))
