"""What ``connect`` and ``serve`` make of their arguments, before anything is connected."""

from dataclasses import replace

import pytest

from fastws import aio, sync
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


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ({"port": 65536}, "port must be a number from 0 to 65535, not 65536"),
        ({"port": -1}, "port must be a number from 0 to 65535, not -1"),
        ({"ping_interval": "20"}, "ping_interval must be a positive number of seconds, not '20'"),
        ({"max_size": "1"}, "max_size must be an int or None, not '1'"),
        ({"max_fragments": 1e6}, "max_fragments must be an int or None, not 1000000.0"),
        ({"origins": "https://example.com"}, "origins must be a list of str"),
    ],
)
@pytest.mark.parametrize("driver", [aio, sync], ids=["aio", "sync"])
def test_a_server_refuses_what_it_could_not_use(driver, argument, problem):
    with pytest.raises((ValueError, TypeError), match=problem):
        driver.serve(print, "127.0.0.1", **{"port": 0, **argument})


@pytest.mark.parametrize(
    ("uri", "argument", "problem"),
    [
        (b"ws://h", {}, "a URI must be str, not bytes"),
        ("ws://h", {"close_timeout": "10"}, "close_timeout must be a positive number of seconds"),
        ("ws://h", {"additional_headers": "A: b"}, "headers must be a mapping or pairs of name"),
    ],
)
@pytest.mark.parametrize("driver", [aio, sync], ids=["aio", "sync"])
def test_a_client_refuses_what_it_could_not_use(driver, uri, argument, problem):
    with pytest.raises((ValueError, TypeError), match=problem):
        driver.connect(uri, **argument)
