"""What ``connect`` and ``serve`` make of their arguments, before anything is connected."""

from dataclasses import replace

import pytest

from fastws.http11 import USER_AGENT
from fastws.options import ClientOptions
from fastws.uri import parse_uri

DEFAULTS = {
    "uri": parse_uri("ws://example.com/"),
    "origin": None,
    "subprotocols": None,
    "compression": None,
    "user_agent_header": USER_AGENT,
    "open_timeout": 10,
    "ping_interval": 20,
    "ping_timeout": 20,
    "close_timeout": 10,
    "max_size": 1024,
    "max_fragments": None,
    "decode": True,
}


@pytest.mark.parametrize("kind", [dict, list, iter])
def test_every_request_has_the_additional_headers_in_whatever_they_were_given(kind):
    options = ClientOptions(**DEFAULTS, additional_headers=kind([("X-Header", "value")]))
    for again in (options, options, replace(options)):
        request = again.protocol(0.0).send_request()
        assert request.headers["X-Header"] == "value"


def test_headers_that_change_between_two_requests_are_sent_as_they_are_then():
    headers = {"Authorization": "Bearer old"}
    options = ClientOptions(**DEFAULTS, additional_headers=headers)
    headers["Authorization"] = "Bearer new"
    request = replace(options).protocol(0.0).send_request()
    assert request.headers["Authorization"] == "Bearer new"


def test_secrets_are_not_in_what_is_printed():
    headers = {"Authorization": "Bearer secret"}
    assert "secret" not in repr(ClientOptions(**DEFAULTS, additional_headers=headers))
