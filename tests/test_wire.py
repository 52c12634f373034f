"""What is asked of the system for plain sockets: bytes in and out, and which socket is ready."""

import errno
import gc
import importlib
import os
import signal
import socket
import struct
import threading
import types
import weakref

import pytest
from choice import CHOICE

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no selector loop owns sockets there")

READABLE = 1
WRITABLE = 4

COMPILED = ("fastws._wire", "fastws.aio._readiness")
PURE = ("fastws.aio.wire", "fastws.aio.readiness")


@pytest.fixture(
    params=[COMPILED, PURE] if CHOICE != "0" else [PURE],
    ids=lambda names: names[1].rpartition(".")[2],
)
def wire(request):
    """The classes of one of the twins."""
    load = pytest.importorskip if CHOICE == "" else importlib.import_module
    modules = [load(name) for name in request.param]
    return types.SimpleNamespace(Wire=modules[0].Wire, Readiness=modules[1].Readiness)


@pytest.fixture(params=["tcp", "unix"])
def pair(request):
    """A connected pair of non-blocking sockets."""
    if request.param == "unix":
        ours, theirs = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            theirs, _ = listener.accept()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


def await_readable(sock):
    sock.setblocking(True)
    sock.settimeout(5)
    assert sock.recv(1, socket.MSG_PEEK) is not None
    sock.setblocking(False)


def received(sock, count):
    """So many bytes, however they come."""
    sock.settimeout(5)
    data = bytearray()
    while len(data) < count:
        piece = sock.recv(min(count - len(data), 1 << 20))
        assert piece, "the peer closed early"
        data += piece
    sock.setblocking(False)
    return bytes(data)


def reset(sock):
    """Close a socket in a way that its peer takes for an accident."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_receives_into_a_part_of_a_buffer(wire, pair):
    ours, theirs = pair
    theirs.sendall(b"hello")
    await_readable(ours)
    buffer = bytearray(b"........")
    view = memoryview(buffer)
    assert wire.Wire(ours).receive(view[2:4]) == 2
    assert buffer == b"..he...."
    assert wire.Wire(ours).receive(view[4:]) == 3
    assert buffer == b"..hello."


def test_tells_that_there_is_nothing_yet(wire, pair):
    ours, _ = pair
    buffer = bytearray(b"....")
    assert wire.Wire(ours).receive(buffer) == -1
    assert buffer == b"...."


def test_tells_of_the_end(wire, pair):
    ours, theirs = pair
    theirs.sendall(b"last")
    theirs.shutdown(socket.SHUT_WR)
    await_readable(ours)
    endpoint = wire.Wire(ours)
    buffer = bytearray(100)
    assert endpoint.receive(buffer) == 4
    # The end may arrive a moment after the last bytes.
    ours.settimeout(5)
    assert ours.recv(1, socket.MSG_PEEK) == b""
    ours.setblocking(False)
    assert endpoint.receive(buffer) == 0
    assert endpoint.receive(buffer) == 0


@pytest.mark.parametrize("bad", [b"read only", "text", None, 5, [0]], ids=repr)
def test_receives_only_where_it_may_write(wire, pair, bad):
    ours, theirs = pair
    theirs.sendall(b"hello")
    await_readable(ours)
    with pytest.raises((TypeError, BufferError)):
        wire.Wire(ours).receive(bad)
    assert wire.Wire(ours).receive(bytearray(5)) == 5


@pytest.mark.parametrize("method", ["receive", "send", "send_both"])
def test_a_closed_socket_is_an_error(wire, method):
    ours, theirs = socket.socketpair()
    theirs.close()
    ours.close()
    arguments = {"receive": [bytearray(1)], "send": [b"x"], "send_both": [b"x", b"y"]}
    with pytest.raises(OSError) as caught:
        getattr(wire.Wire(ours), method)(*arguments[method])
    assert caught.value.errno == errno.EBADF


def test_a_reset_is_an_error_when_receiving(wire):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with ours:
        reset(theirs)
        ours.settimeout(5)
        with pytest.raises(ConnectionResetError):
            wire.Wire(ours).receive(bytearray(1))


@pytest.mark.parametrize("both", [False, True])
def test_a_peer_that_left_is_an_error_when_sending_and_no_signal(wire, pair, both):
    ours, theirs = pair
    reset(theirs)
    endpoint = wire.Wire(ours)

    def send_until_it_is_known():
        for _ in range(100):
            if both:
                endpoint.send_both(b"head", b"payload")
            else:
                endpoint.send(b"payload")

    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        send_until_it_is_known()


@pytest.mark.parametrize(
    "data",
    [b"", b"bytes", bytearray(b"array"), memoryview(b"a view")[2:], b"x" * 100_000],
    ids=["empty", "bytes", "bytearray", "view", "large"],
)
def test_sends_any_bytes(wire, pair, data):
    ours, theirs = pair
    assert wire.Wire(ours).send(data) == len(data)
    assert received(theirs, len(data)) == bytes(data)


@pytest.mark.parametrize(
    "bad", ["text", None, 5, memoryview(b"abcdef")[::2]], ids=lambda bad: type(bad).__name__
)
def test_sends_only_contiguous_bytes(wire, pair, bad):
    endpoint = wire.Wire(pair[0])
    for arguments in ((bad, b"ok"), (b"ok", bad)):
        with pytest.raises((TypeError, BufferError)):
            endpoint.send_both(*arguments)
    with pytest.raises((TypeError, BufferError)):
        endpoint.send(bad)


def test_sends_what_a_full_socket_takes_and_tells_how_much(wire, pair):
    ours, theirs = pair
    piece = bytes(range(256)) * 4096
    endpoint = wire.Wire(ours)
    wanted = bytearray()
    while sent := endpoint.send(piece):
        wanted += piece[:sent]
    assert len(wanted) % len(piece), "it always took all or nothing: the test needs more"
    assert received(theirs, len(wanted)) == wanted


def test_sends_two_pieces_as_one(wire, pair):
    ours, theirs = pair
    pieces = [(b"head", b"payload"), (b"", b"only"), (b"only", b""), (b"", b"")]
    pieces += [(bytearray(b"an"), memoryview(b"other")), (b"h" * 14, b"x" * 100_000)]
    for first, second in pieces:
        count = len(first) + len(second)
        assert wire.Wire(ours).send_both(first, second) == count
        assert received(theirs, count) == bytes(first) + bytes(second)


def test_of_two_pieces_a_full_socket_takes_the_beginning(wire, pair):
    ours, theirs = pair
    endpoint = wire.Wire(ours)
    head, payload = b"<head of it>", bytes(range(256)) * 8192
    wanted = bytearray()
    while sent := endpoint.send_both(head, payload):
        wanted += (head + payload)[:sent]
    assert len(wanted) % len(head + payload), "it always took all or nothing: the test needs more"
    assert received(theirs, len(wanted)) == wanted


@pytest.mark.skipif(CHOICE == "0", reason="Python's own recv() does this")
def test_a_signal_handler_may_stop_who_waits(pair):
    blocking = pytest.importorskip("fastws.sync._blocking")
    ours, _ = pair
    ours.setblocking(True)

    def stop(signum, frame):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt):
            blocking.BlockingWire(ours).wait(bytearray(1))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_large_sends_let_other_threads_run(wire):
    """The receiver is a thread of this process: it could never make room otherwise."""
    ours, theirs = socket.socketpair()
    data = b"x" * (4 << 20)
    got = []
    with ours, theirs:
        reader = threading.Thread(target=lambda: got.append(received(theirs, len(data))))
        reader.start()
        endpoint = wire.Wire(ours)  # blocking
        rest = memoryview(data)
        while rest:
            rest = rest[endpoint.send(rest) :]
        reader.join(5)
    assert got == [data]


def test_a_wire_keeps_its_socket_open(wire, pair):
    ours, theirs = pair
    copy = ours.dup()
    fd = copy.fileno()
    endpoint = wire.Wire(copy)
    socket_of_it = weakref.ref(copy)
    del copy
    gc.collect()
    os.fstat(fd)
    assert endpoint.send(b"still here") == 10
    assert received(theirs, 10) == b"still here"
    socket_of_it().close()


@pytest.fixture
def readiness(wire):
    readiness = wire.Readiness()
    yield readiness
    readiness.close()


def polled(readiness):
    return {readiness.fd(i): readiness.events(i) for i in range(readiness.poll())}


def test_tells_which_sockets_can_be_read(readiness, pair):
    ours, theirs = pair
    for sock in pair:
        readiness.register(sock.fileno(), READABLE)
    assert polled(readiness) == {}
    theirs.sendall(b"x")
    await_readable(ours)
    assert polled(readiness) == {ours.fileno(): READABLE}
    assert polled(readiness) == {ours.fileno(): READABLE}  # until it is read
    ours.recv(1)
    assert polled(readiness) == {}


def test_tells_which_sockets_can_be_written(readiness, pair):
    fd = pair[0].fileno()
    readiness.register(fd, READABLE)
    assert polled(readiness) == {}
    readiness.modify(fd, READABLE | WRITABLE)
    assert polled(readiness) == {fd: WRITABLE}
    readiness.modify(fd, READABLE)
    assert polled(readiness) == {}


def test_tells_nothing_of_a_socket_that_waits_for_nothing(readiness, pair):
    ours, theirs = pair
    readiness.register(ours.fileno(), READABLE)
    theirs.sendall(b"x")
    await_readable(ours)
    readiness.modify(ours.fileno(), 0)
    assert polled(readiness) == {}
    readiness.modify(ours.fileno(), READABLE)
    assert polled(readiness) == {ours.fileno(): READABLE}


def test_tells_of_a_peer_that_left(readiness, pair):
    ours, theirs = pair
    readiness.register(ours.fileno(), READABLE)
    theirs.close()
    ours.settimeout(5)
    assert ours.recv(1, socket.MSG_PEEK) == b""
    events = polled(readiness)
    assert list(events) == [ours.fileno()]
    assert events[ours.fileno()] & ~WRITABLE


def test_unregistering_ends_it(readiness, pair):
    ours, theirs = pair
    readiness.register(ours.fileno(), READABLE)
    theirs.sendall(b"x")
    await_readable(ours)
    readiness.unregister(ours.fileno())
    assert polled(readiness) == {}
    readiness.register(ours.fileno(), READABLE)
    assert polled(readiness) == {ours.fileno(): READABLE}


def test_its_own_descriptor_tells_that_any_is_ready(wire, readiness, pair):
    ours, theirs = pair
    readiness.register(ours.fileno(), READABLE)
    outer = wire.Readiness()
    outer.register(readiness.fileno(), READABLE)
    assert outer.poll() == 0
    theirs.sendall(b"x")
    await_readable(ours)
    assert polled(outer) == {readiness.fileno(): READABLE}
    outer.close()


def test_many_are_told_of_in_turns(readiness):
    """More than one answer holds, and none is forgotten."""
    pairs = [socket.socketpair() for _ in range(300)]
    try:
        for ours, theirs in pairs:
            readiness.register(ours.fileno(), READABLE)
            theirs.sendall(b"x")
        waiting = {ours.fileno(): ours for ours, _ in pairs}
        while waiting:
            ready = polled(readiness)
            assert ready, f"{len(waiting)} are not told of"
            for fd, events in ready.items():
                assert events == READABLE
                waiting.pop(fd).recv(1)
        assert readiness.poll() == 0
    finally:
        for ours, theirs in pairs:
            ours.close()
            theirs.close()


@pytest.mark.parametrize("method", ["register", "modify", "unregister"])
def test_a_descriptor_that_is_none_is_an_error(readiness, method):
    arguments = [-1] if method == "unregister" else [-1, READABLE]
    with pytest.raises((OSError, ValueError)):
        getattr(readiness, method)(*arguments)


def test_only_what_is_registered_can_be_changed(readiness, pair):
    fd = pair[0].fileno()
    for method in (readiness.modify, lambda fd, events: readiness.unregister(fd)):
        with pytest.raises((OSError, KeyError)):
            method(fd, READABLE)


def test_there_is_nothing_beyond_what_was_polled(readiness, pair):
    readiness.register(pair[0].fileno(), WRITABLE)
    count = readiness.poll()
    assert count == 1
    for index in (count, 256, 1 << 20):
        for method in (readiness.fd, readiness.events):
            with pytest.raises(IndexError):
                method(index)


def test_closing_gives_the_descriptor_back(wire):
    readiness = wire.Readiness()
    fd = readiness.fileno()
    os.fstat(fd)
    readiness.close()
    with pytest.raises(OSError):
        os.fstat(fd)
    readiness.close()
    with pytest.raises((OSError, ValueError)):
        readiness.poll()


def test_a_forgotten_one_gives_its_descriptor_back(wire):
    readiness = wire.Readiness()
    fd = readiness.fileno()
    del readiness
    gc.collect()
    with pytest.raises(OSError):
        os.fstat(fd)
