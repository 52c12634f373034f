"""What can only be seen from outside: Ctrl-C, gevent, and a process that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

posix = pytest.mark.skipif(os.name != "posix", reason="it needs POSIX signals")


def python(program, **options):
    """Start a Python process that runs a program with warnings as errors."""
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process):
    try:
        out, err = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"it hangs\n{out}\n{err}")
    return process.returncode, out, err


SERVER = """
    import threading
    from fastws.sync import connect, serve

    def handler(ws):
        try:
            for message in ws:
                ws.send(message)
        except Exception as error:
            print("handler:", error, flush=True)
        else:
            print("handler: done", flush=True)

    server = serve(handler, "127.0.0.1", 0)
    accepting = threading.Thread(target=server.serve_forever)
    accepting.start()
    uri = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
"""


@posix
def test_ctrl_c_in_a_blocking_recv_says_goodbye():
    program = (
        SERVER
        + """
    try:
        with server, connect(uri) as ws:
            print("ready", flush=True)
            ws.recv()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    accepting.join()
    """
    )
    process = python(program)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code == 0, err
    assert "interrupted" in out
    assert "handler: received 1011" in out
    assert "ResourceWarning" not in err


@posix
def test_ctrl_c_in_a_blocked_send_does_not_corrupt_the_stream():
    program = """
    import socket, threading
    from fastws.sync import connect

    def silent():
        sock, _ = listener.accept()
        request = sock.recv(65536).decode()
        key = request.lower().partition("sec-websocket-key: ")[2].partition("\\r\\n")[0]
        key = request[request.lower().index("sec-websocket-key: ") + 19:].partition("\\r\\n")[0]
        from fastws.handshake import accept_key
        sock.sendall(("HTTP/1.1 101 OK\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
                      f"Sec-WebSocket-Accept: {accept_key(key)}\\r\\n\\r\\n").encode())
        done.wait()
        data = b""
        while chunk := sock.recv(1 << 20):
            data += chunk
        print("closed in the middle:", len(data) < 50_000_000, flush=True)
        sock.close()

    done = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=silent)
    thread.start()
    try:
        with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}", compression=None) as ws:
            print("ready", flush=True)
            ws.send(bytes(50_000_000))
    except KeyboardInterrupt:
        print("interrupted", ws.state.name, flush=True)
    done.set()
    thread.join()
    listener.close()
    """
    process = python(program)
    assert process.stdout.readline() == "ready\n"
    import time

    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code == 0, err
    assert "interrupted CLOSED" in out
    assert "closed in the middle: True" in out


@posix
@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGTERM"])
def test_signals_end_a_blocking_server_with_goodbyes(signal_name):
    program = """
    import signal, threading
    from fastws.sync import connect, serve

    def client():
        with connect(f"ws://127.0.0.1:{server.socket.getsockname()[1]}") as ws:
            print("ready", flush=True)
            for message in ws:
                pass
            print("client:", ws.close_code, flush=True)

    with serve(lambda ws: list(ws), "127.0.0.1", 0) as server:
        signal.signal(signal.SIGTERM, lambda *args: server.shutdown())
        threading.Thread(target=client).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    process = python(program)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, signal_name))
    code, out, err = finish(process)
    assert code == 0, err
    assert "client: 1001" in out
    assert ("interrupted" in out) is (signal_name == "SIGINT")
    assert "ResourceWarning" not in err


@posix
def test_a_signal_amid_accepting_does_not_wait_for_what_it_interrupted():
    program = """
    import signal, threading
    from fastws.errors import ConnectionClosed, InvalidHandshake
    from fastws.sync import connect, serve

    class Threads(set):
        def add(self, thread):  # the server's lock is held
            super().add(thread)
            signal.raise_signal(signal.SIGTERM)

    def client():
        try:
            with connect(f"ws://127.0.0.1:{port}") as ws:
                ws.recv()
        except (ConnectionClosed, InvalidHandshake, OSError):
            print("client: told", flush=True)

    with serve(lambda ws: list(ws), "127.0.0.1", 0) as server:
        port = server.socket.getsockname()[1]
        server._threads = Threads()
        signal.signal(signal.SIGTERM, lambda *args: server.shutdown())
        visitor = threading.Thread(target=client)
        visitor.start()
        server.serve_forever()
        left = len(server._threads)
        visitor.join()
        print(f"handlers left: {left}", flush=True)
    """
    code, out, err = finish(python(program))
    assert code == 0, err
    assert "handlers left: 0" in out
    assert "client: told" in out


@posix
def test_a_signal_that_wakes_another_thread_ends_a_blocking_server_all_the_same():
    program = """
    import signal, threading
    from fastws.sync import serve

    with serve(lambda ws: list(ws), "127.0.0.1", 0) as server:
        signal.signal(signal.SIGTERM, lambda *args: server.shutdown())
        asleep = threading.Event()
        sleeper = threading.Thread(target=asleep.wait, daemon=True)
        sleeper.start()
        threading.Timer(0.2, lambda: signal.pthread_kill(sleeper.ident, signal.SIGTERM)).start()
        server.serve_forever()
        asleep.set()
        print("ended", flush=True)
    """
    code, out, err = finish(python(program))
    assert (code, out) == (0, "ended\n"), err


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.run cancels nothing before 3.11")
@posix
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_ctrl_c_ends_an_asyncio_server_with_goodbyes(loop):
    pytest.importorskip(loop)
    program = f"""
    import asyncio, {loop}
    from fastws.aio import connect, serve

    async def handler(ws):
        async for message in ws:
            pass
        print("handler: done", flush=True)

    async def client(port):
        async with connect(f"ws://127.0.0.1:{{port}}") as ws:
            print("ready", flush=True)
            await asyncio.Event().wait()

    async def main():
        async with serve(handler, "127.0.0.1", 0) as server:
            task = asyncio.create_task(client(server.sockets[0].getsockname()[1]))
            try:
                await server.serve_forever()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    try:
        {loop}.run(main())
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    """
    process = python(program)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code == 0, err
    assert "interrupted" in out
    assert "handler: done" in out
    assert "ResourceWarning" not in err
    assert "never retrieved" not in err


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_gevent_cooperates(tls, tmp_path, authority):
    """Server and clients in greenlets of one thread: if one blocked, nothing would go on."""
    pytest.importorskip("gevent")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    program = f"""
    import warnings
    from gevent import monkey
    monkey.patch_all()
    import gevent, ssl, threading
    from fastws.sync import connect, serve

    TLS = {tls}
    server_tls = client_tls = None
    if TLS:
        server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_tls.load_cert_chain({str(tmp_path / "server.pem")!r})
        client_tls = ssl.create_default_context(cafile={str(tmp_path / "ca.pem")!r})

    ticks = 0

    def tick():
        global ticks
        while True:
            gevent.sleep(0.001)
            ticks += 1

    def echo(ws):
        for message in ws:
            gevent.sleep(0.02)
            ws.send(message)

    def client(number):
        with connect(uri, ssl=client_tls) as ws:
            for message in (f"message {{number}}", b"x" * 500_000):
                ws.send(message)
                assert ws.recv() == message
            try:
                ws.recv(timeout=0.02)
            except TimeoutError:
                return number

    server = serve(echo, "127.0.0.1", 0, ssl=server_tls)
    uri = f"{{'wss' if TLS else 'ws'}}://127.0.0.1:{{server.socket.getsockname()[1]}}"
    accepting = gevent.spawn(server.serve_forever)
    ticking = gevent.spawn(tick)
    clients = [gevent.spawn(client, number) for number in range(20)]
    gevent.joinall(clients, timeout=15, raise_error=True)
    assert sorted(greenlet.value for greenlet in clients) == list(range(20))
    assert ticks > 20, ticks
    server.shutdown()
    accepting.join(5)
    assert accepting.dead
    ticking.kill()
    print("done", ticks)
    """
    code, out, err = finish(python(program))
    assert code == 0, err
    assert out.startswith("done")
