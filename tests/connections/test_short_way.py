"""The way that an ordinary message takes through a blocking connection, and what crosses it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time

import pytest
from wire import BINARY, CLOSE, KEY, PING, TEXT, frame

from connections.running import blocking_until
from fastws.errors import ConnectionClosed
from fastws.frames import Ping, Pong, Role
from fastws.protocol import Protocol
from fastws.sync import Connection
from fastws.sync.hot import new_lock


class Peer:
    """The other end: a socket, and a protocol of its own to understand what comes."""

    def __init__(self, sock, role):
        self.sock = sock
        self.key = KEY if role is Role.CLIENT else None
        self.protocol = Protocol(role, max_size=None)

    def write(self, *frames):
        self.sock.sendall(b"".join(frames))

    def frame(self, opcode, payload=b"", **options):
        return frame(opcode, payload, key=self.key, **options)

    def recv(self, count=1):
        """The next events, as many as that."""
        events = []
        while len(events) < count:
            data = self.sock.recv(1 << 20)
            assert data, "the connection has ended"
            events += self.protocol.receive_data(data)
        return events


@pytest.fixture(params=[Role.CLIENT, Role.SERVER], ids=["client", "server"])
def ends(request):
    """A blocking connection of either role and its peer, open without a handshake."""
    with contextlib.ExitStack() as stack:

        def start(sizes=None, **options):
            ours, theirs = map(stack.enter_context, socket.socketpair())
            if sizes is not None:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sizes)
            theirs.settimeout(20)
            role = request.param
            other = Role.SERVER if role is Role.CLIENT else Role.CLIENT
            ws = Connection(ours, Protocol(role, max_size=None, now=time.monotonic(), **options))
            return ws, Peer(theirs, other)

        yield start


MESSAGES = [
    b"",
    "",
    b"\x00\xff" * 60,
    "plain",
    "Grüße " * 30,
    b"x" * 4082,
    b"x" * 4083,
    "y" * 5000,
    "ü" * 9000,
    b"z" * 70_000,
    bytearray(b"not bytes itself"),
]


def test_messages_of_all_sizes_arrive_as_they_were_sent(ends):
    ws, peer = ends()
    for message in MESSAGES:
        ws.send(message)
        assert peer.recv() == [message]


def test_messages_of_all_sizes_are_received_as_they_came(ends):
    ws, peer = ends()
    for message in MESSAGES:
        opcode = TEXT if isinstance(message, str) else BINARY
        payload = message.encode() if isinstance(message, str) else message
        peer.write(peer.frame(opcode, payload))
        assert ws.recv() == message


def test_messages_that_come_together_are_received_in_order(ends):
    ws, peer = ends()
    frames = [peer.frame(TEXT, str(number).encode()) for number in range(50)]
    half = len(frames[-1]) // 2
    peer.write(*frames[:-1], frames[-1][:half])
    assert [ws.recv() for _ in range(49)] == [str(number) for number in range(49)]
    peer.write(frames[-1][half:])
    assert ws.recv() == "49"


def test_a_large_message_behind_a_small_one_is_received_whole(ends):
    ws, peer = ends()
    large = os.urandom(300_000)
    data = peer.frame(TEXT, b"small") + peer.frame(BINARY, large) + peer.frame(TEXT, b"end")
    sender = threading.Thread(target=peer.write, args=(data,))
    sender.start()
    assert [ws.recv() for _ in range(3)] == ["small", large, "end"]
    sender.join()


def test_messages_that_the_system_takes_in_parts_arrive_whole(ends):
    """The peer reads too late, so nearly every send is cut somewhere."""
    ws, peer = ends(sizes=4608)
    messages = [bytes([n]) * (n * 97 % 4000) for n in range(200)]
    messages += [bytes([n]) * 50_000 for n in range(5)]
    got = []

    def read():
        time.sleep(0.05)
        got.extend(peer.recv(len(messages)))

    reader = threading.Thread(target=read)
    reader.start()
    for message in messages:
        ws.send(message)
    reader.join()
    assert got == messages


def test_threads_that_send_at_once_do_not_cut_each_others_frames(ends):
    ws, peer = ends(sizes=4608)

    def send(number):
        for size in range(100):
            ws.send(b"%d" % number + b"." * (size * 101))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    got = peer.recv(400)
    for one in threads:
        one.join()
    for number in range(4):
        own = [message for message in got if message[:1] == b"%d" % number]
        assert [len(message) - 1 for message in own] == [size * 101 for size in range(100)]


def test_a_message_waits_for_the_fragments_of_another(ends):
    ws, peer = ends()
    threads = []

    def fragments():
        yield "a"
        yield "b"
        threads.append(threading.Thread(target=ws.send, args=("whole",)))
        threads[0].start()
        time.sleep(0.05)
        yield "c"

    ws.send(fragments())
    threads[0].join()
    assert peer.recv(2) == ["abc", "whole"]


def test_control_frames_that_wait_go_ahead_of_a_message(ends):
    ws, peer = ends()
    with ws._write_lock:  # as a thread has that writes
        ws.ping(b"urgent")
    ws.send("message")
    assert peer.recv(2) == [Ping(b"urgent"), "message"]


def test_what_others_leave_to_a_thread_that_writes_is_written(ends):
    ws, peer = ends(sizes=4608)
    large = bytes(400_000)
    sender = threading.Thread(target=ws.send, args=(large,))
    sender.start()
    blocking_until(ws._write_lock.locked)
    ws.ping(b"meanwhile")
    ws.pong(b"as well")
    assert peer.recv(3) == [large, Ping(b"meanwhile"), Pong(b"as well")]
    sender.join()


def test_text_that_is_no_utf8_is_refused_and_leaves_nothing_behind(ends):
    ws, peer = ends()
    for size in (1, 5000):
        with pytest.raises(UnicodeEncodeError):
            ws.send("\ud800" * size)
    ws.send("good")
    assert peer.recv() == ["good"]


def test_pings_between_messages_are_answered(ends):
    ws, peer = ends()
    peer.write(peer.frame(TEXT, b"1"), peer.frame(PING, b"?"), peer.frame(TEXT, b"2"))
    assert [ws.recv(), ws.recv()] == ["1", "2"]
    assert peer.recv() == [Pong(b"?")]


def test_messages_before_a_close_are_received(ends):
    ws, peer = ends()
    peer.write(peer.frame(TEXT, b"1"), peer.frame(TEXT, b"2"), peer.frame(CLOSE, b"\x03\xe8"))
    assert [ws.recv(), ws.recv()] == ["1", "2"]
    with pytest.raises(ConnectionClosed):
        ws.send("too late")
    peer.sock.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionClosed):
        ws.recv()


def test_nothing_is_sent_after_a_close_frame(ends):
    ws, peer = ends()
    ws._start_closing(1000, "")
    with pytest.raises(ConnectionClosed):
        ws.send("too late")
    (close,) = peer.recv()
    assert close.code == 1000
    peer.sock.shutdown(socket.SHUT_WR)
    assert ws.wait_closed(5)


def test_a_peer_that_is_gone_is_noticed_by_a_send(ends):
    ws, peer = ends()
    peer.sock.close()
    with pytest.raises(ConnectionClosed):
        ws.send("into the void")


@pytest.mark.skipif(os.name != "posix", reason="sockets are numbered otherwise")
def test_a_descriptor_of_a_socket_that_was_closed_is_not_used_again(ends):
    ws, _ = ends()
    number = ws.socket.fileno()
    ws.socket.close()
    others = socket.socketpair()
    try:
        # The lowest number that is free is given out.
        assert number in {sock.fileno() for sock in others}
        with pytest.raises(ConnectionClosed):
            ws.send("for nobody")
        with pytest.raises(ConnectionClosed):
            ws.recv()
        for sock in others:
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(100)
    finally:
        for sock in others:
            sock.close()


def test_keepalive_pings_though_messages_never_stop(ends):
    ws, peer = ends(ping_interval=0.02, ping_timeout=None)
    ended = threading.Event()

    def flood():
        while not ended.is_set():
            peer.write(peer.frame(TEXT, b"again"))

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        deadline = time.monotonic() + 0.1
        while time.monotonic() < deadline:
            assert ws.recv() == "again"
    finally:
        ended.set()
        while thread.is_alive():  # it may wait until more is read
            with contextlib.suppress(TimeoutError):
                ws.recv(timeout=0.01)
    assert isinstance(peer.recv()[0], Ping)


def test_a_lock_keeps_others_out_and_wakes_those_who_wait():
    lock = new_lock()
    count = 0

    def work():
        nonlocal count
        for _ in range(300):
            with lock:
                seen = count
                time.sleep(0)  # others run meanwhile
                count = seen + 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert count == 6 * 300
    assert not lock.locked()


def test_a_lock_that_is_held_is_waited_for_no_longer_than_asked():
    lock = new_lock()
    assert lock.acquire()
    assert lock.locked()
    assert not lock.acquire(False)
    assert not lock.acquire(timeout=0)
    started = time.monotonic()
    assert not lock.acquire(timeout=0.05)
    assert time.monotonic() - started >= 0.04
    lock.release()
    assert lock.acquire(timeout=0.05)
    lock.release()


def test_a_lock_is_released_by_any_thread_and_only_once():
    lock = new_lock()
    lock.acquire()
    threading.Timer(0.02, lock.release).start()
    assert lock.acquire(timeout=10)
    lock.release()
    with pytest.raises(RuntimeError, match=r"unlocked|un-acquired"):
        lock.release()


def test_who_gives_up_waiting_for_a_lock_takes_no_wake_up_along():
    lock = new_lock()
    lock.acquire()
    got = []

    def wait(seconds):
        got.append(lock.acquire(timeout=seconds))

    short = [threading.Thread(target=wait, args=(0.01,)) for _ in range(4)]
    long = threading.Thread(target=wait, args=(10,))
    for one in [*short, long]:
        one.start()
    for one in short:
        one.join()
    lock.release()
    long.join()
    assert got == [False] * 4 + [True]
    lock.release()
