"""The benchmark's judgement of results, and every contender that is installed here."""

import socket
import time

import pytest

from fastws.bench import contenders, definition
from fastws.bench.child import ChildFailed
from fastws.bench.contenders import Call, Contender, Kind
from fastws.bench.effort import TINY
from fastws.bench.fleet import Fleet, Wanted
from fastws.bench.jobs import Job
from fastws.bench.load import CLOSE_FRAME, Load, open_socket
from fastws.bench.run import Options, Run
from fastws.bench.scenarios import load
from fastws.bench.sizes import format_size, parse_size
from fastws.bench.workloads import REQUEST, WORKLOADS, cjk_text, records

FOUND, ABSENT = contenders.load_all()
ALWAYS = ("own", "builtin", "websockets")


def measure(scenario, contender, *sizes):
    """A run of one scenario with one contender, or some."""
    everyone = contender if isinstance(contender, list) else [contender]
    run = Run(Options(TINY, sizes=sizes), {"test": everyone})
    load(scenario).measure(run, scenario)
    return run.results


def texts(results):
    return [problem.text for problem in results.problems]


# The judge


class Wrong(Contender):
    name = "wrong"

    def mask(self, data, masking_key):
        return Call("bytes(data)", {"data": data})


class Crashing(Contender):
    name = "crashing"

    def mask(self, data, masking_key):
        raise RuntimeError("out of order")


class Right(Contender):
    name = "right"
    kind = Kind.OWN

    def mask(self, data, masking_key):
        names = {"f": definition.apply_mask, "data": data, "masking_key": masking_key}
        return Call("f(data, masking_key)", names)


def test_who_gives_wrong_results_is_not_timed():
    results = measure("mask", [Wrong(), Crashing(), Right()], 4, 8)
    assert {key.contender for key in results.figures} == {"right"}
    assert {key.size for key in results.figures} == {4, 8}
    assert texts(results) == [
        "wrong result from 'bytes(data)', at 4 B; left out",
        "RuntimeError('out of order'), at 4 B; left out",
    ]
    assert not results.own_failed


def test_a_wrong_result_of_fastws_fails_the_run(monkeypatch):
    monkeypatch.setattr(Wrong, "kind", Kind.OWN)
    assert measure("mask", Wrong(), 4).own_failed


class MaskingTooMuch(Contender):
    name = "masking too much"

    def mask_inplace(self, buffer, masking_key, start):
        names = {"f": definition.apply_mask, "buffer": buffer, "masking_key": masking_key}
        return Call("buffer", names, before="buffer[:] = f(buffer, masking_key)")


def test_what_lies_before_the_bytes_to_mask_stays():
    results = measure("mask", MaskingTooMuch(), 8)
    assert {key.work for key in results.figures} == {"mask-inplace"}
    assert "wrong bytes after 'buffer'" in texts(results)[0]


class Answering(Contender):
    """Answers every handshake with the same response."""

    name = "answering"

    def __init__(self, response):
        self.response = response

    def handshake(self, request):
        return Call("response", {"response": self.response})


RIGHT_RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(b" 101 ", b" 200 "), (b"s3pPLM", b"t3pPLM"), (b"permessage-deflate", b"other")],
)
def test_a_handshake_with_a_wrong_response_is_not_timed(right, wrong):
    assert texts(measure("handshake", Answering(RIGHT_RESPONSE))) == []
    response = RIGHT_RESPONSE.replace(right, wrong)
    assert "wrong response" in texts(measure("handshake", Answering(response)))[0]


class Truncating(Contender):
    name = "truncating"

    def compress(self, messages):
        return Call("payloads", {"payloads": definition.deflate(m[:-1] for m in messages)})


def test_a_compression_that_loses_bytes_is_not_timed():
    assert "wrong payloads" in texts(measure("deflate", Truncating(), 100))[0]


def test_the_size_of_a_handshake_is_not_to_be_chosen():
    results = measure("handshake", FOUND["own"], 16)
    assert {key.size for key in results.figures} == {len(REQUEST)}


# Who is here


def test_a_broken_peer_does_not_stop_the_rest(monkeypatch):
    def load_broken(module):
        if module == "wsproto":
            raise ImportError("undefined symbol")
        return []

    monkeypatch.setattr(contenders, "load", load_broken)
    found, absent = contenders.load_all()
    assert "wsproto" not in found
    assert str(absent[0]) == "wsproto, installed, but broken: ImportError: undefined symbol"


def test_what_is_no_python_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    _, [absent] = contenders.load_all(["node_ws"])
    assert str(absent).startswith("node_ws, not installed: node is not here")


def test_every_contender_says_what_it_is():
    for of_module in FOUND.values():
        for contender in of_module:
            assert contender.name
            assert contender.configuration or contender.kind is Kind.PEER


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_contender_here_does_its_work_right(name):
    everyone = [contender for of_module in FOUND.values() for contender in of_module]
    for size in (0, 1, 125, 126, 65536):
        for contender in everyone:
            WORKLOADS[name].prepare(contender, size)


def processes(attribute):
    """Each server or client here; those that not everybody has are many, and add up."""
    for module, of_module in FOUND.items():
        for contender in of_module:
            for one in getattr(contender, attribute)():
                marks = () if one.quick and module in ALWAYS else pytest.mark.slow
                wanted = Wanted(
                    module, contender.kind, one, Job() if attribute == "servers" else None
                )
                yield pytest.param(wanted, id=one.name, marks=marks)


@pytest.fixture
def fleet():
    with Fleet() as fleet:
        yield fleet


def start(fleet, wanted):
    failed = []
    up = fleet.get([wanted], lambda one, why: failed.append(why), None)
    if failed and wanted.kind is Kind.PEER:
        pytest.skip(failed[0])
    assert failed == []
    return up[0]


@pytest.mark.parametrize("wanted", [*processes("servers")])
def test_every_server_echoes_and_ends(wanted, fleet):
    running = start(fleet, wanted)
    for in_flight, connections in ((1, 1), (8, 1), (1, 5), (8, 3)):
        with Load([running.port], b"hello", in_flight=in_flight, connections=connections) as echo:
            messages, seconds, cpu = echo.run(0.001)
            assert messages > 0
            assert seconds > 0
            assert cpu > 0
    assert running.cpu_seconds() > 0
    running.child.close()
    assert running.child.exit_code == 0


@pytest.mark.parametrize("wanted", [*processes("clients")])
def test_every_client_does_round_trips(wanted, fleet):
    bare = FOUND["builtin"][-1].servers()[0]
    server = start(fleet, Wanted("builtin", Kind.LIMIT, bare, Job()))
    client = start(fleet, wanted)
    for size in (5, 70000):
        uri = f"ws://127.0.0.1:{server.port}/"
        try:
            messages, seconds, cpu = client.drive(uri, size, 0.01)
        except ChildFailed as error:
            if wanted.kind is Kind.PEER:
                pytest.skip(str(error))
            raise
        assert messages > 0
        assert seconds > 0
        assert cpu > 0


def test_the_bare_server_takes_no_payload_for_a_closing_frame(fleet):
    [server] = FOUND["builtin"][-1].servers()
    running = start(fleet, Wanted("builtin", Kind.LIMIT, server, Job()))
    payload = b"x" + bytes([0x88]) * 100
    message = definition.serialize_frame(2, payload, bytes(4))
    with open_socket(running.port) as sock:
        # The next to arrive begins as a closing frame does, first and later.
        for _ in range(3):
            cut = len(message) - len(payload) + 1
            sock.sendall(message[:cut])
            time.sleep(0.01)  # so that the server most likely finds it alone
            sock.sendall(message[cut:])
            reply = definition.serialize_frame(2, payload)
            assert sock.recv(len(reply), socket.MSG_WAITALL) == reply
        sock.sendall(CLOSE_FRAME)
        assert sock.recv(2, socket.MSG_WAITALL) == b"\x88\x00"


def test_a_server_that_is_not_there_says_so(fleet):
    [server] = FOUND["builtin"][-1].servers()
    wanted = Wanted("builtin", Kind.LIMIT, server._replace(title="silent"), Job())
    failed = []
    assert fleet.get([wanted], lambda one, why: failed.append(why), None) == []
    assert failed == ["does not start: ended: builtin has no server 'silent (select)'"]


def test_a_child_that_is_asked_after_its_end_says_how_it_ended(fleet):
    [server] = FOUND["builtin"][-1].servers()
    running = start(fleet, Wanted("builtin", Kind.LIMIT, server, Job()))
    running.child.kill()
    with pytest.raises(ChildFailed, match=r"killed by signal 9|ended"):
        running.cpu_seconds()


# Data


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("125", 125), ("4KiB", 4096), ("64k", 65536), (" 1 MiB ", 1 << 20)]
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size
    assert parse_size(format_size(size)) == size


def test_a_mixed_text_has_the_size_asked_for_and_is_utf8():
    for size in range(200):
        text = cjk_text(size)
        assert len(text) == size
        text.decode()


@pytest.mark.parametrize("size", [100, 1024, 65536])
def test_messages_to_compress_have_the_size_asked_for_and_differ(size):
    messages = records(size)
    assert {len(message) for message in messages} == {size}
    assert len(set(messages)) == len(messages)


def test_the_definition_of_compression_is_that_of_the_rfc():
    # The examples of RFC 7692 §7.2.3.1 and §7.2.3.2.
    hello = bytes.fromhex("f248cdc9c90700")
    assert definition.deflate([b"Hello"]) == [hello]
    assert definition.inflate([hello, bytes.fromhex("f200110000")]) == [b"Hello", b"Hello"]


def test_the_definition_is_that_of_the_rfc():
    # The example of RFC 6455 §1.3.
    assert definition.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in definition.response(REQUEST)
    # The examples of RFC 6455 §5.7.
    key = bytes.fromhex("37fa213d")
    masked = bytes.fromhex("818537fa213d7f9f4d5158")
    assert definition.serialize_frame(1, b"Hello", key) == masked
    assert definition.parse_frame(masked) == (1, b"Hello")
    assert definition.frame_length(masked[:2]) == len(masked)
    assert definition.serialize_frame(1, b"Hello") == bytes.fromhex("810548656c6c6f")


def test_the_definition_of_masking_takes_every_byte_with_its_own_of_the_key():
    data = bytes(range(23))
    key = bytes.fromhex("37fa213d")
    assert definition.apply_mask(data, key) == bytes(b ^ key[i % 4] for i, b in enumerate(data))
