"""The blocking layer in many threads: readers, writers, closers, and many clients."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time

import pytest

from connections.running import blocking_until
from fastws.errors import ConcurrencyError, ConnectionClosed, ConnectionClosedOK
from fastws.frames import State
from fastws.sync import connect, serve


@pytest.fixture(params=["tcp", "tls"])
def dial(request, thread):
    """Start a server with a handler; return a function that connects to it."""
    contexts = (None, None)
    if request.param == "tls":
        contexts = (request.getfixturevalue("server_tls"), request.getfixturevalue("client_tls"))
    servers = []

    def start(handler, **options):
        server = serve(handler, "127.0.0.1", 0, ssl=contexts[0], **options)
        servers.append(server)
        thread(server.serve_forever)
        scheme = "wss" if contexts[0] else "ws"
        uri = f"{scheme}://127.0.0.1:{server.socket.getsockname()[1]}"
        return lambda **options: connect(uri, ssl=contexts[1], **options)

    yield start
    for server in servers:
        server.shutdown()


def echo(ws):
    for message in ws:
        ws.send(message)


def wait_for_close(ws):
    with contextlib.suppress(ConnectionClosed):
        while True:
            ws.recv()


def test_one_reader_and_many_writers(dial, thread):
    with dial(echo)() as ws:
        writers = [
            thread(lambda n=n: [ws.send(f"{n} {i}" + "x" * (i % 500)) for i in range(100)])
            for n in range(8)
        ]
        got = [ws.recv() for _ in range(800)]
        for writer in writers:
            writer.join()
    for n in range(8):
        numbers = [int(m.split()[1].rstrip("x")) for m in got if m.startswith(f"{n} ")]
        assert numbers == list(range(100))


def test_messages_and_fragments_of_many_threads_do_not_mix(dial, thread):
    with dial(echo)() as ws:
        for n in range(4):
            thread(lambda n=n: [ws.send([f"{n}"] * 5) for _ in range(50)])
        got = [ws.recv() for _ in range(200)]
    assert sorted(set(got)) == ["00000", "11111", "22222", "33333"]


def test_a_second_receiver_gets_an_error(dial, thread):
    with dial(echo)() as ws:
        received = []
        reader = thread(lambda: received.append(ws.recv()))
        blocking_until(ws._recv_lock.locked)
        with pytest.raises(ConcurrencyError):
            ws.recv()
        with pytest.raises(ConcurrencyError):
            next(ws.recv_streaming())
        ws.send("for the first")
        reader.join()
        assert received == ["for the first"]


def test_closing_from_another_thread_ends_a_recv(dial, thread):
    with dial(echo)() as ws:
        ended = []

        def receive():
            with pytest.raises(ConnectionClosedOK):
                ws.recv()
            ended.append(True)

        reader = thread(receive)
        blocking_until(ws._recv_lock.locked)
        ws.close()
        reader.join()
    assert ended == [True]


def test_many_threads_may_close_at_once(dial, thread):
    ws = dial(echo)()
    threads = [thread(ws.close) for _ in range(8)]
    for one in threads:
        one.join()
    assert ws.state is State.CLOSED


def test_many_clients_at_once(dial, thread):
    connecting = dial(echo)
    done = []

    def client(number):
        with connecting() as ws:
            for i in range(20):
                ws.send(f"{number} {i}")
                assert ws.recv() == f"{number} {i}"
        done.append(number)

    clients = [thread(client, number) for number in range(25)]
    for one in clients:
        one.join()
    assert len(done) == 25


def test_recv_with_a_timeout_loses_nothing(dial):
    def slowly(ws):
        for number in range(10):
            time.sleep(0.005)
            ws.send(str(number))
        wait_for_close(ws)

    with dial(slowly)() as ws:
        got = []
        while len(got) < 10:
            with contextlib.suppress(TimeoutError):
                got.append(ws.recv(timeout=0.002))
        assert got == [str(number) for number in range(10)]
        with pytest.raises(TimeoutError):
            ws.recv(timeout=0.01)
        with pytest.raises(TimeoutError):
            ws.recv(timeout=0)


def test_recv_with_timeout_zero_takes_what_is_there(dial):
    go = threading.Event()

    def handler(ws):
        ws.send("there")
        go.set()
        wait_for_close(ws)

    with dial(handler)() as ws:
        go.wait()
        deadline = time.monotonic() + 5
        while True:
            try:
                assert ws.recv(timeout=0) == "there"
                break
            except TimeoutError:
                assert time.monotonic() < deadline


def test_wait_closed_with_a_timeout_tells_whether_it_is(dial):
    with dial(wait_for_close)() as ws:
        assert ws.wait_closed(timeout=0.01) is False
        ws.close()
        assert ws.wait_closed(timeout=0) is True


def test_big_messages_from_both_sides_with_writers_and_readers_do_not_deadlock(dial, thread):
    big = b"z" * 2_000_000

    def handler(ws):
        sender = threading.Thread(target=lambda: [ws.send(big) for _ in range(5)])
        sender.start()
        for _ in range(5):
            assert len(ws.recv()) == len(big)
        sender.join()
        wait_for_close(ws)

    options = {"compression": None, "max_size": None}
    with dial(handler, **options)(**options) as ws:
        sender = thread(lambda: [ws.send(big) for _ in range(5)])
        for _ in range(5):
            assert len(ws.recv()) == len(big)
        sender.join()


def test_a_generator_of_fragments_that_sends_itself_gets_an_error(dial):
    with dial(wait_for_close)() as ws:

        def fragments():
            yield "a"
            yield "b"
            ws.send("in between")
            yield "c"

        with pytest.raises(ConcurrencyError):
            ws.send(fragments())


def test_a_ping_is_answered_while_another_thread_receives(dial, thread):
    with dial(echo)() as ws:
        reader = thread(ws.recv)
        assert ws.ping().wait(5)
        assert ws.latency > 0
        ws.send("enough")
        reader.join()


def test_keepalive_works_while_one_receives(dial):
    with dial(echo)(ping_interval=0.02, ping_timeout=1) as ws:
        with pytest.raises(TimeoutError):
            ws.recv(timeout=0.2)
        assert ws.latency > 0
        assert ws.state is State.OPEN


def test_a_client_has_no_thread_of_its_own(dial):
    connecting = dial(wait_for_close)
    before = threading.active_count()
    with connecting():
        blocking_until(lambda: threading.active_count() == before + 1)  # the server's


def test_a_server_thread_ends_with_its_connection(dial):
    connecting = dial(wait_for_close)
    before = threading.active_count()
    for _ in range(3):
        with connecting() as ws:
            ws.send("hello")
    blocking_until(lambda: threading.active_count() == before)


def test_a_handler_that_exits_closes_properly(dial):
    """sys.exit() in a thread ends the thread, not the process."""

    def handler(ws):
        sys.exit(1)

    with dial(handler)() as ws, pytest.raises(ConnectionClosed) as caught:
        ws.recv()
    assert caught.value.rcvd.code == 1011


def test_a_socket_that_is_given_is_used(dial):
    connecting = dial(echo)
    plain = connecting()
    address = plain.remote_address
    plain.close()
    with connecting(sock=socket.create_connection(address[:2])) as ws:
        ws.send("hello")
        assert ws.recv() == "hello"
