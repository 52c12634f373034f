"""What threads share without knowing: keys, locks, objects that one made and others use."""

from __future__ import annotations

import asyncio
import importlib
import sys
import sysconfig
import threading

import pytest
from choice import CHOICE
from wire import frame

from fastws import aio
from fastws.frames import Role

THREADS = 4
KEY = b"\x01\x80\xfe\x55"


@pytest.fixture(autouse=True)
def switch_often():
    """Have threads interrupt each other where there is a lock of the interpreter."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def in_threads(work, threads=THREADS):
    """Run ``work(n)`` in so many threads at once; return what they returned."""
    together = threading.Barrier(threads)
    results, errors = [None] * threads, []

    def run(n):
        try:
            together.wait(10)
            results[n] = work(n)
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]
    return results


def test_importing_us_leaves_threads_free():
    for name in ("fastws.aio", "fastws.sync", "fastws.protocol"):
        importlib.import_module(name)
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("this Python has a lock of the interpreter")
    assert not sys._is_gil_enabled()


def test_no_two_threads_draw_the_same_keys(frame_kernel):
    def draw(n):
        return [frame_kernel.new_masking_key() for _ in range(3000)]

    # One key may come twice by chance, two in a row never.
    pairs = [
        first + second
        for keys in in_threads(draw)
        for first, second in zip(keys[::2], keys[1::2], strict=True)
    ]
    assert len(set(pairs)) == len(pairs)


def test_frames_made_in_threads_are_whole(frame_kernel):
    def make(n):
        reader = frame_kernel.MessageReader(Role.SERVER)
        messages = [f"{n} {i}" + "x" * (i % 300) for i in range(1000)]
        return messages, [
            event
            for message in messages
            for event in reader.receive(frame_kernel.serialize_message(message, True))
        ]

    for messages, received in in_threads(make):
        assert received == messages


def test_kernels_give_every_thread_the_same(mask_kernel, frame_kernel):
    data = bytes(range(256)) * 1000
    masked = mask_kernel.apply_mask(data, KEY)

    def compute(n):
        buffer = bytearray(data)
        for _ in range(20):
            assert mask_kernel.apply_mask(data, KEY) == masked
            mask_kernel.apply_mask_inplace(buffer, KEY)
            assert frame_kernel.is_utf8(data[:128] * 1000)
            assert not frame_kernel.is_utf8(data)
        return bytes(buffer) == data

    assert all(in_threads(compute))


def test_a_message_may_be_continued_by_another_thread(frame_kernel):
    for opcode, whole in ((1, "x" * 100_000), (2, b"y" * 100_000)):
        reader = frame_kernel.MessageReader(Role.CLIENT)
        wire = frame(opcode, whole.encode() if opcode == 1 else whole)
        cuts = range(0, len(wire), 7000)
        events = []
        for cut in cuts:
            events += in_threads(lambda n: reader.receive(wire[cut : cut + 7000]), 1)[0]  # noqa: B023
        assert events == [whole]


def test_a_kernel_object_used_by_many_threads_at_once_stays_whole(frame_kernel):
    if frame_kernel.__name__.endswith("_fallback"):
        pytest.skip("only C could write where it should not")
    reader = frame_kernel.MessageReader(Role.SERVER)
    frames = frame_kernel.FrameBuffer(8 * 1024)
    validator = frame_kernel.Utf8Validator()

    def use(n):
        payload = bytes([n]) * 500 * (n + 1)
        wire = frame(2, payload, key=KEY)
        for i in range(400):
            assert reader.receive(wire) == [payload]
            if not frames.add(b"x" * (i % 700), True):
                frames.clear()
            assert len(memoryview(frames)) <= 8 * 1024
            assert validator.receive(b"plain")
            assert validator.valid
            assert validator.complete
            assert validator.position >= 0
            validator.reset()

    in_threads(use)


def test_the_lock_of_connections_lets_one_in_at_a_time():
    if CHOICE == "0":
        pytest.skip("pure Python has the lock of the standard library")
    lock = pytest.importorskip("fastws.sync._blocking").Lock()
    inside, seen = [0], [0]

    def enter(n):
        for i in range(2000):
            if not lock.acquire(blocking=bool(i % 3)):
                continue
            inside[0] += 1
            assert inside[0] == 1
            seen[0] += 1
            inside[0] -= 1
            lock.release()

    in_threads(enter)
    assert not lock.locked()
    assert seen[0] >= THREADS * 1332


def test_the_lock_of_connections_gives_up_in_time():
    if CHOICE == "0":
        pytest.skip("pure Python has the lock of the standard library")
    lock = pytest.importorskip("fastws.sync._blocking").Lock()
    lock.acquire()
    assert in_threads(lambda n: lock.acquire(timeout=0.01)) == [False] * THREADS
    lock.release()
    assert lock.acquire(timeout=0)


def test_event_loops_in_threads_do_not_meet():
    async def converse(n):
        async def echo(ws):
            async for message in ws:
                await ws.send(message)

        async with aio.serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with aio.connect(f"ws://127.0.0.1:{port}") as ws:
                for i in range(200):
                    message = f"{n} {i}" + "x" * (i * 100 % 20_000)
                    await ws.send(message)
                    assert await ws.recv() == message
        return n

    assert in_threads(lambda n: asyncio.run(converse(n))) == list(range(THREADS))
