"""A real browser: its ``new WebSocket()`` against our server, and the page that we serve."""

import json
import threading

import pytest
from commands import server
from devtools import BROWSER, Page, browser
from processes import SECONDS

from fastws.sync import serve

pytestmark = pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")

# Opens a connection, sends what it is told, and answers with all that happened to it.
TALK = """
(async ([url, messages, close]) => {
  const ws = new WebSocket(url, ["two", "one"]);
  ws.binaryType = "arraybuffer";
  const closed = new Promise((resolve) => ws.onclose = resolve);
  const received = [];
  await new Promise((resolve, reject) => { ws.onopen = resolve; ws.onerror = reject; });
  const open = {extensions: ws.extensions, protocol: ws.protocol};
  for (const message of messages) {
    const answer = new Promise((resolve) => ws.onmessage = (event) => resolve(event.data));
    const sent = typeof message === "string" ? message : new Uint8Array(message.length);
    if (typeof message !== "string") for (let i = 0; i < sent.length; i++) sent[i] = i * 7;
    ws.send(sent);
    const data = await Promise.race([answer, closed]);
    if (typeof data === "string") received.push(data === sent);
    else if (!(data instanceof ArrayBuffer)) break;
    else received.push(data.byteLength === sent.length
      && new Uint8Array(data).every((byte, i) => byte === sent[i]));
  }
  if (close) ws.close(...close);
  const {code, reason, wasClean} = await closed;
  return {...open, received, code, reason, wasClean};
})(%s)
"""


def talk(page, uri, messages=(), close=None):
    return page.run(TALK % json.dumps([uri, messages, close]))


@pytest.fixture(scope="module")
def devtools(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as ws:
        yield ws


@pytest.fixture(scope="module")
def page(devtools):
    return Page(devtools)


@pytest.fixture(scope="module")
def echo():
    with server("--subprotocol", "one") as (_, uri):
        yield uri


@pytest.fixture
def scripted():
    """A blocking server whose handler is set by the test; what it saw is in ``ended``."""

    class Scripted:
        handler = None
        ended = threading.Event()

        def __call__(self, ws):
            try:
                type(self).handler(ws)
            finally:
                ws.wait_closed(SECONDS)
                self.code, self.reason = ws.close_code, ws.close_reason
                self.ended.set()

    script = Scripted()
    with serve(script, "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        host, port = running.socket.getsockname()
        script.uri = f"ws://{host}:{port}/"
        yield script
    thread.join(SECONDS)


def test_text_binary_and_a_mebibyte_come_back(page, echo):
    size = {"length": 1024 * 1024}
    messages = ["Grüße, 日本語 🎉", "", "x" * 1024 * 1024, {"length": 0}, {"length": 125}, size]
    result = talk(page, echo, messages, close=[1000, "done"])
    assert result.pop("received") == [True] * len(messages)
    extensions = result.pop("extensions")
    assert extensions.startswith("permessage-deflate")
    assert result == {"protocol": "one", "code": 1000, "reason": "done", "wasClean": True}
    headers = page.responses[-1]["headers"]
    assert headers["Sec-WebSocket-Extensions"] == extensions


def test_a_server_that_declines_compression(page):
    with server("--no-compression") as (_, uri):
        # Chromium fails when the server agrees on none of the subprotocols it offered.
        result = page.run(
            f"""new Promise((resolve, reject) => {{
                const ws = new WebSocket({uri!r});
                ws.onopen = () => ws.send("plain");
                ws.onmessage = (event) => resolve([event.data, ws.extensions]);
                ws.onerror = reject;
            }})"""
        )
        assert result == ["plain", ""]


@pytest.mark.parametrize("close", [[], [1000], [1000, "reason é"], [3000, ""], [4999, "x" * 123]])
def test_close_codes_of_the_browser_reach_us(page, scripted, close):
    scripted.ended.clear()
    type(scripted).handler = lambda ws: [None for _ in iter(lambda: next(iter(ws), None), None)]
    script = f"""new Promise((resolve) => {{
        const ws = new WebSocket({scripted.uri!r});
        ws.onopen = () => ws.close(...{json.dumps(close)});
        ws.onclose = (event) => resolve(event.wasClean);
    }})"""
    assert page.run(script) is True
    assert scripted.ended.wait(SECONDS)
    code, reason = (*close, *[1005, ""][len(close) :])
    assert (scripted.code, scripted.reason) == (code, reason)


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "away"), (1011, "oh"), (3000, "é" * 61), (4000, "")]
)
def test_close_codes_of_ours_reach_the_browser(page, scripted, code, reason):
    type(scripted).handler = lambda ws: ws.close(code, reason)
    script = f"""new Promise((resolve) => {{
        const ws = new WebSocket({scripted.uri!r});
        ws.onclose = (event) => resolve([event.code, event.reason, event.wasClean]);
    }})"""
    assert page.run(script) == [code, reason, True]


def test_a_message_too_big_for_us_is_told(page):
    with server("--max-size", "1000", "--subprotocol", "one") as (_, uri):
        result = talk(page, uri, [{"length": 1000}, {"length": 1001}])
    assert result["received"] == [True]
    assert result["code"] == 1009


STATE = "document.getElementById('state').dataset.state"
LOG = "document.getElementById('log').innerText"


def opened(devtools, address):
    page = Page(devtools)
    page.open(address.replace("ws", "http", 1))
    page.wait_for(f"{STATE} === 'open'")
    return page


def test_the_echo_page(devtools, echo):
    page = opened(devtools, echo)
    page.type("Hello <b>there</b>")
    page.wait_for("document.querySelectorAll('#log li').length === 2")
    first, second = page.run("[...document.querySelectorAll('#log p')].map((p) => p.textContent)")
    assert first == second == "Hello <b>there</b>"
    page.wait_for("document.getElementById('round-trip').textContent.endsWith('ms')")
    assert page.run("document.getElementById('compression').textContent") == "permessage-deflate"
    page.run("document.getElementById('size').value = '1048576'")
    page.run("document.getElementById('bytes').click()")
    page.wait_for(f"{LOG}.split('1 MiB binary').length === 3")
    page.wait_for("document.getElementById('received').textContent.startsWith('2 ')")
    page.run("document.getElementById('toggle').click()")
    page.wait_for(f"{LOG}.includes('closed with 1000')")
    page.run("document.getElementById('toggle').click()")
    page.wait_for(f"{STATE} === 'open'")
    assert page.errors == []


def test_the_echo_page_tells_when_the_server_goes(devtools):
    with server() as (process, uri):
        page = opened(devtools, uri)
        process.terminate()
        page.wait_for(f"{LOG}.includes('closed with 1001 going away: the server was stopped')")
        assert page.run(STATE) == "closed"
        assert page.errors == []


def test_the_chat_page(devtools):
    with server("--chat") as (_, uri):
        ann, ben = opened(devtools, uri + "?name=Ann"), opened(devtools, uri + "?name=Ben")
        ann.wait_for("document.getElementById('people').innerText.includes('Ben')")
        ann.type("Hi <i>Ben</i>")
        ben.wait_for(f"{LOG}.includes('Hi <i>Ben</i>')")
        assert ben.run(f"{LOG}.includes('Ann')")
        ann.wait_for("document.getElementById('round-trip').textContent.endsWith('ms')")
        ben.run("document.getElementById('room').value = 'garden'")
        ben.run("document.getElementById('enter').click()")
        ann.wait_for("document.getElementById('rooms').innerText.includes('garden')")
        ann.wait_for("!document.getElementById('people').innerText.includes('Ben')")
        assert ann.errors == ben.errors == []


def test_the_page_fits_a_phone(devtools, echo):
    page = opened(devtools, echo)
    page.resize(360, 640)
    width, height = page.run("[document.body.scrollWidth, document.body.scrollHeight]")
    assert (width, height) == (360, 640)
