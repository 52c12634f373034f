"""The chat page in the tabs of a real browser, each at another worker."""

from __future__ import annotations

import os
import re
import time
import urllib.request

import pytest
from commands import server
from devtools import BROWSER, Page, browser
from processes import SECONDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed"),
]

STATE = "document.getElementById('state').dataset.state"
LOG = "document.getElementById('log').innerText"
PEOPLE = "document.getElementById('people').innerText"


def connections(http, found):
    """How many connections each worker has; the system chooses who answers."""
    deadline = time.monotonic() + SECONDS
    seen = set()
    while len(seen) < 2:
        assert time.monotonic() < deadline, found
        with urllib.request.urlopen(http + "figures", timeout=SECONDS) as response:
            text = response.read().decode()
        process, count = re.search(r'fastws_connections{process="(\d+)"} (\d+)', text).groups()
        found[process] = int(count)
        seen.add(process)
    return dict(found)


def test_people_at_different_workers_talk(shared_brokers, tmp_path):
    url = shared_brokers("redis")
    arguments = ["--chat", "--workers", 2, "--hub", url, "--metrics", "/figures"]
    with server(*arguments) as (_, uri), browser(tmp_path) as devtools:
        http = uri.replace("ws", "http", 1)
        tabs, counts = {}, connections(http, {})
        for name in ("Ann", "Ben", "Cleo", "Dora", "Emil", "Fritz", "Gina", "Hans"):
            page = Page(devtools)
            page.open(f"{http}?name={name}&room=garden")
            page.wait_for(f"{STATE} === 'open'")
            page.wait_for(f"{PEOPLE}.includes('{name} (you)')")
            now = connections(http, {})
            [worker] = [process for process in now if now[process] > counts[process]]
            counts = now
            tabs.setdefault(worker, (name, page))
            if len(tabs) == 2:
                break
        (ann, one), (ben, other) = tabs.values()
        one.wait_for(f"{PEOPLE}.includes('{ben}')")
        one.type("Hello over there")
        other.wait_for(f"{LOG}.includes('Hello over there')")
        other.type("I hear you")
        one.wait_for(f"{LOG}.includes('I hear you')")
        one.wait_for("document.getElementById('round-trip').textContent.endsWith('ms')")
        assert other.run(f"{LOG}.includes('{ann}')")
        if "SCREENSHOTS" in os.environ:
            for name, page in tabs.values():
                page.resize(900, 600)
                page.screenshot(f"{os.environ['SCREENSHOTS']}/{name}.png", dark=False)
        other.run("document.getElementById('room').value = 'cellar'")
        other.run("document.getElementById('enter').click()")
        one.wait_for("document.getElementById('rooms').innerText.includes('cellar')")
        one.wait_for(f"!{PEOPLE}.includes('{ben}')")
        assert one.errors == other.errors == []
