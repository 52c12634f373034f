"""A pytest plugin that runs uvicorn's own WebSocket tests with our class: see `.ci/uvicorn`."""

import pytest

from fastws.uvicorn import WebSocketProtocol

# What is left out: the test, what its case's name ends with, and why.
EXCLUDED = [
    (
        "test_server_keepalive_ping_timeout",
        "",
        "wants the close reason in websockets' words; ours goes on to say what was not received",
    ),
    (
        "test_close_resumes_reads_paused_on_an_unconsumed_message",
        "",
        "wants reading paused after each message, as uvicorn's class does; ours pauses when more "
        "than ws_max_queue are waiting",
    ),
    (
        "test_send_binary_data_to_server_bigger_than_default_on_websockets",
        "max=defaults sent=defaults+1]",
        "names uvicorn's class, not the parameter. With ours the client can send all its 16 MiB, "
        "and asyncio then fails in the client's abort() of a transport that has closed",
    ),
]


class OwnSuiteProtocol(WebSocketProtocol):
    """Ours, plus what the suite looks at by the names that uvicorn's classes have for it."""

    @property
    def close_timeout(self):
        return self.protocol.close_timeout

    @close_timeout.setter
    def close_timeout(self, seconds):
        self.protocol.close_timeout = seconds

    @property
    def close_timer(self):
        """What ends the wait for the peer's close frame, or None when nothing is waited for."""
        waits = self.protocol.close_sent and not self.transport.is_closing()
        return self._timer if waits else None

    @property
    def ping_sent_at(self):
        """Not 0 when a ping was sent, and answered."""
        return self.protocol.latency

    @property
    def ping_timer(self):
        return self._timer


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc):
    if "ws_protocol_cls" in metafunc.fixturenames:
        # The suite's fixture imports what its parameter names; a mark goes before its own list.
        names = [f"{__name__}:OwnSuiteProtocol"]
        mark = pytest.mark.parametrize("ws_protocol_cls", names, indirect=True, ids=["fastws"])
        metafunc.definition.add_marker(mark)


def is_excluded(item):
    return any(item.originalname == name and item.name.endswith(end) for name, end, _ in EXCLUDED)


def pytest_collection_modifyitems(config, items):
    if not any("ws_protocol_cls" in item.fixturenames for item in items):
        raise pytest.UsageError("the suite no longer has the parameter ws_protocol_cls")
    kept, left_out = [], []
    for item in items:
        (left_out if is_excluded(item) else kept).append(item)
        module = item.module
        if hasattr(module, "WebSocketsSansIOProtocol"):
            # Some tests name a class of uvicorn's instead of taking the parameter.
            module.WebSocketsSansIOProtocol = OwnSuiteProtocol
        if hasattr(module, "MockWriteTransport"):
            # What every transport of asyncio has.
            module.MockWriteTransport.abort = module.MockWriteTransport.close
            module.MockWriteTransport.can_write_eof = lambda self: False
            module.MockWriteTransport.set_protocol = lambda self, protocol: None
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("left out")
    for name, end, reason in EXCLUDED:
        terminalreporter.line(f"{name}{end and ' ...'}{end}: {reason}")
