"""The benchmark: every scenario once, its judgement of results, its errors, and no process left."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from fastws.bench import contenders, definition
from fastws.bench.__main__ import SCENARIOS, main
from fastws.bench.contenders import Call, Contender, Kind
from fastws.bench.echo import Echo, measure_echo
from fastws.bench.load import Load, LoadFailed
from fastws.bench.measure import TINY, Timing
from fastws.bench.results import Kernels, measure_kernels
from fastws.bench.server_process import ServerFailed, ServerProcess
from fastws.bench.sizes import format_size, parse_size
from fastws.bench.tables import echo_table, kernels_table
from fastws.bench.workloads import REQUEST, WORKLOADS, cjk_text, records

BENCH = [sys.executable, "-m", "fastws.bench"]
posix = pytest.mark.skipif(os.name != "posix", reason="needs process groups")


def quiet(text):
    pass


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


# The command line


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_runs(scenario, capsys):
    assert main(["--tiny", "--only", scenario, "--sizes", "16,130"]) == 0
    printed = capsys.readouterr().out
    assert "fastws (" in printed
    assert "130 B" in printed or scenario == "handshake"
    assert "wrong" not in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_pure_python_alone_is_measured_too():
    run = subprocess.run(
        [*BENCH, "--tiny", "--only", "mask,parse", "--sizes", "16"],
        env={**os.environ, "FASTWS_EXTENSIONS": "0"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert "backend python" in run.stdout
    assert "fastws (pure)" in run.stdout


def test_json_has_every_figure_and_the_machine(tmp_path, capsys):
    path = tmp_path / "results.json"
    assert main(["--tiny", "--only", "mask", "--sizes", "16", "--json", str(path)]) == 0
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["schema"] == 1
    assert written["complete"] is True
    assert {"processor", "python", "fastws"} <= written["machine"].keys()
    own = [r for r in written["results"] if r["contender"].startswith("fastws")]
    assert {r["workload"] for r in own} == {"mask", "mask-inplace"}
    assert all(r["best"] > 0 and r["size"] == 16 for r in own)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--only", "masks"], "no scenario 'masks': choose from mask, "),
        (["--only", ""], "no scenario ''"),
        (["--sizes", "5x"], "'5x' is not a size"),
        (["--sizes", "-1"], "--sizes"),
        (["--sizes", "1024MiB"], "1024MiB is too large: the limit is"),
        (["--json", "no/such/folder/results.json"], "cannot write no/such/folder/results.json"),
        (["--quick", "--full"], "not allowed with argument"),
    ],
)
def test_a_mistake_gets_one_clear_line(arguments, problem, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1


@posix
@pytest.mark.parametrize("scenario", ["mask", "echo"])
def test_interrupting_prints_what_is_done_and_leaves_no_process(scenario, tmp_path):
    path = tmp_path / "results.json"
    process = subprocess.Popen(
        [*BENCH, "--full", "--only", scenario, "--json", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        for line in process.stdout:
            if line.startswith("~ "):
                break
        # As a terminal does: to all of the group.
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "interrupted" in rest
    assert errors == ""
    assert json.loads(path.read_text(encoding="utf-8"))["complete"] is False
    wait_until(lambda: is_gone(process.pid))


def test_output_that_is_not_read_to_the_end_is_no_error():
    process = subprocess.Popen(
        [*BENCH, "--tiny", "--only", "mask"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


# Contenders


def test_a_missing_peer_is_named_with_its_install_command(monkeypatch, capsys):
    def load_own_only(module):
        if contenders.MODULES[module] is not None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return load(module)

    load = contenders.load
    monkeypatch.setattr(contenders, "load", load_own_only)
    assert main(["--tiny", "--only", "mask", "--sizes", "16"]) == 0
    printed = capsys.readouterr().out
    assert "websockets, not installed: pip install websockets" in printed
    assert "fastws : limit" in printed
    assert "best peer " not in printed.split("noisy figure")[1]


def test_a_broken_peer_does_not_stop_the_rest(monkeypatch):
    def load_broken(module):
        if module == "wsproto":
            raise ImportError("undefined symbol")
        return []

    monkeypatch.setattr(contenders, "load", load_broken)
    found, absent = contenders.load_all()
    assert "wsproto" not in found
    assert str(absent[0]) == "wsproto, installed, but broken: ImportError: undefined symbol"


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
    kernels = Kernels(WORKLOADS["mask"])
    measure_kernels(kernels, [Wrong(), Crashing(), Right()], (4, 8), TINY, quiet)
    assert [set(column) for column in kernels.columns.values()] == [{"right"}, {"right"}]
    assert len(kernels.problems) == 2
    assert not kernels.own_failed
    printed = kernels_table(kernels)
    assert "! wrong: wrong result from 'bytes(data)'" in printed
    assert "! crashing: RuntimeError('out of order')" in printed


def test_a_wrong_result_of_fastws_fails_the_run(monkeypatch, capsys):
    monkeypatch.setattr(Wrong, "kind", Kind.OWN)
    monkeypatch.setattr("fastws.bench.__main__.load_all", lambda: ({"own": [Wrong()]}, []))
    assert main(["--tiny", "--only", "mask", "--sizes", "4"]) == 1


def test_a_server_of_fastws_that_fails_fails_the_run():
    echo = Echo(16, kinds={"ours": Kind.OWN, "theirs": Kind.PEER})
    echo.problems["theirs"] = "no reply in time"
    assert not echo.own_failed
    echo.problems["ours"] = "no reply in time"
    assert echo.own_failed


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_contender_here_does_its_work_right(name):
    found, _ = contenders.load_all()
    everyone = [contender for of_module in found.values() for contender in of_module]
    kernels = Kernels(WORKLOADS[name])
    measure_kernels(kernels, everyone, (0, 1, 125, 126, 65536), TINY, quiet)
    assert kernels.problems == []


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
    kernels = Kernels(WORKLOADS["handshake"])
    contender = Answering(RIGHT_RESPONSE)
    measure_kernels(kernels, [contender], (len(REQUEST),), TINY, quiet)
    assert kernels.problems == []
    contender.response = RIGHT_RESPONSE.replace(right, wrong)
    measure_kernels(kernels, [contender], (len(REQUEST),), TINY, quiet)
    assert "answering: wrong response" in kernels.problems[0]


class Truncating(Contender):
    name = "truncating"

    def compress(self, messages):
        return Call("payloads", {"payloads": definition.deflate(m[:-1] for m in messages)})


def test_a_compression_that_loses_bytes_is_not_timed():
    kernels = Kernels(WORKLOADS["compress"])
    measure_kernels(kernels, [Truncating()], (100,), TINY, quiet)
    assert "truncating: wrong payloads" in kernels.problems[0]


def test_the_compressed_share_is_in_the_table(capsys):
    assert main(["--tiny", "--only", "deflate", "--sizes", "4KiB"]) == 0
    assert "compressed to" in capsys.readouterr().out


def test_the_size_of_a_handshake_is_not_to_be_chosen(capsys):
    assert main(["--tiny", "--only", "handshake", "--sizes", "16"]) == 0
    printed = capsys.readouterr().out
    assert format_size(len(REQUEST)) in printed
    assert "16 B" not in printed


# Echo


def servers():
    return [
        (module, name)
        for module, found in contenders.load_all()[0].items()
        for contender in found
        for name in contender.echo_servers()
    ]


@pytest.mark.parametrize(("module", "name"), servers())
def test_every_echo_server_echoes_and_ends(module, name):
    with ServerProcess(module, name) as server:
        try:
            port = server.port()
        except ServerFailed as error:
            if module == "own":
                raise
            pytest.skip(str(error))
        for in_flight, connections in ((1, 1), (8, 1), (1, 5)):
            with Load(port, b"hello", in_flight, connections) as load:
                messages, seconds = load.run(0.001)
                assert messages % (in_flight * connections) == 0 < messages
                assert seconds > 0
        assert server.cpu_seconds() > 0
    assert server._process.returncode == 0


class Silent(Contender):
    name = "silent"

    def echo_servers(self):
        return {"silent": None}


def test_a_server_that_does_not_start_is_a_row_that_says_so():
    echo = Echo(16)
    measure_echo(echo, {"builtin": [Silent(), *contenders.load("builtin")]}, TINY, quiet)
    printed = echo_table(echo)
    assert "! silent: ended: builtin has no echo server 'silent'" in printed
    assert echo.rounds["bare socket"]


def test_an_echo_that_is_not_what_was_sent_is_noticed():
    with ServerProcess("builtin", "bare socket") as server, Load(server.port(), b"a", 1) as load:
        load._reply = load._reply[:-1] + b"b"
        with pytest.raises(LoadFailed, match="not what was sent"):
            load.run(0)


@posix
def test_a_server_ends_when_its_parent_is_killed():
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from fastws.bench.server_process import ServerProcess\n"
            "server = ServerProcess('builtin', 'bare socket')\n"
            "print(server.port(), flush=True)\n"
            "input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with contextlib.closing(parent.stdin), parent.stdout:
        assert int(parent.stdout.readline()) > 0
        parent.kill()
        parent.wait()
    wait_until(lambda: is_gone(parent.pid))


# Figures


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
    # The examples of RFC 6455 §5.7.
    key = bytes.fromhex("37fa213d")
    masked = bytes.fromhex("818537fa213d7f9f4d5158")
    assert definition.serialize_frame(1, b"Hello", key) == masked
    assert definition.parse_frame(masked) == (1, b"Hello")
    assert definition.serialize_frame(1, b"Hello") == bytes.fromhex("810548656c6c6f")


def test_a_figure_is_noisy_when_its_rounds_disagree():
    assert not Timing((1.0, 1.0, 1.1)).noisy
    assert Timing((1.0, 1.5, 1.6)).noisy
    assert Timing((1.0, 1.5, 1.6)).best == 1.0
