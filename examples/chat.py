"""A chat with rooms, server and page in one file.

Run it, open the address in two windows, and talk; the part after # is the room:

    python examples/chat.py [PORT]
    http://127.0.0.1:8765/#garden

Several of them are one chat if they share a broker:

    python examples/chat.py 8765 redis://127.0.0.1
    python examples/chat.py 8766 redis://127.0.0.1
"""

import asyncio
import contextlib
import sys

from fastws.aio import serve
from fastws.rooms import BrokerUnavailable, Hub

PAGE = """<!DOCTYPE html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Chat</title>
<link rel="icon" href="data:,">
<style>
  body { font: 16px system-ui; max-width: 30rem; margin: 2rem auto; padding: 0 1rem }
  :root { color-scheme: light dark }
  form { display: flex; gap: .5rem }
  [name=text] { flex: 1; min-width: 0 }
</style>
<h1></h1>
<form><input name="name" size="8" placeholder="Name"><input name="text" placeholder="Message">
<button>Send</button></form>
<div id="log"></div>
<script>
  const room = location.hash.slice(1) || "lobby";
  const ws = new WebSocket(location.origin.replace("http", "ws") + "/" + room);
  const form = document.forms[0];
  const show = (line) => document.getElementById("log").prepend(
    Object.assign(document.createElement("p"), {textContent: line}));
  document.querySelector("h1").textContent = decodeURI(room);
  ws.onmessage = (event) => show(event.data);
  ws.onclose = (event) => show("closed: " + event.code + " " + event.reason);
  form.onsubmit = (event) => {
    event.preventDefault();
    ws.send((form.name.value || "someone") + ": " + form.text.value);
    form.text.value = "";
  };
  onhashchange = () => location.reload();
</script>
"""


def page(ws, request):
    """Answer a browser that asks for the page; let WebSocket requests through."""
    if "Upgrade" in request.headers:
        return None
    if request.path != "/":
        return ws.respond(404, "There is only one page: /\n")
    response = ws.respond(200, PAGE)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "text/html; charset=utf-8"
    return response


async def main(port="8765", url="memory://"):
    async def chat(ws):
        room = ws.request.path
        async with hub.join(ws, room):
            async for message in ws:
                # Without the broker, those of this process hear each other.
                with contextlib.suppress(BrokerUnavailable):
                    await hub.publish(room, message)

    async with (
        Hub(url) as hub,
        serve(chat, "127.0.0.1", int(port), process_request=page) as server,
    ):
        host, port = server.sockets[0].getsockname()
        print(f"chat at http://{host}:{port}/", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
