"""A headless Chromium, driven through its DevTools socket by our own client."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from fastws.sync import connect

START_SECONDS = 20
ANSWER_SECONDS = 20

BROWSER = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "chrome"])), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
]


class Page:
    """One tab; ``errors`` are what its console and its exceptions said."""

    def __init__(self, ws):
        self._ws = ws
        self._ids = itertools.count(1)
        self._session = None
        self.errors = []
        self.responses = []  # of WebSocket handshakes
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Call a method of DevTools; take note of the events that come before its answer."""
        command = {"id": next(self._ids), "method": method, "params": params}
        if self._session is not None:
            command["sessionId"] = self._session
        self._ws.send(json.dumps(command))
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            event = json.loads(self._ws.recv(timeout=deadline - time.monotonic()))
            if event.get("id") == command["id"]:
                assert "error" not in event, event["error"]
                return event["result"]
            self._note(event)

    def _note(self, event):
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"]["exception"].get("description"))
        elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.errors.append(params["args"])
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif event.get("method") == "Network.webSocketHandshakeResponseReceived":
            self.responses.append(params["response"])

    def run(self, script):
        """Return what an expression, or the promise it makes, comes to."""
        result = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def open(self, url):
        """Go to an address and wait until the page is there."""
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def wait_for(self, condition):
        """Wait until an expression is true."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self.run(condition):
            assert time.monotonic() < deadline, f"waited in vain for {condition}"
            time.sleep(0.02)

    def type(self, text):
        """Type into what has the focus, as a keyboard does, and press Enter."""
        self.call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r")

    def resize(self, width, height):
        """Show the page as a screen of this size does; a narrow one is a phone's."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def screenshot(self, path, *, dark):
        """Write what the screen shows, as PNG."""
        scheme = "dark" if dark else "light"
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextlib.contextmanager
def browser(directory):
    """Start a Chromium that keeps everything in an empty directory; end it, children included."""
    process = subprocess.Popen(
        [BROWSER, *FLAGS, f"--user-data-dir={directory}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port, path = _wait_for_devtools(process, Path(directory) / "DevToolsActivePort")
        uri = f"ws://127.0.0.1:{port}{path}"
        with connect(uri, max_size=None, compression=None, proxy=None, ping_interval=None) as ws:
            yield ws
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for_devtools(process, file):
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, "the browser ended"
        assert time.monotonic() < deadline, "the browser did not start"
        # The port is on the first line, the path on the second, which has no line end.
        lines = file.read_text().split("\n") if file.exists() else []
        if len(lines) >= 2 and lines[1]:
            return lines
        time.sleep(0.05)
