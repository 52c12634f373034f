"""Show that the fastws which is installed is whole: kernels, extensions in use, a real echo.

usage: python tests/installed.py [--pure] [--in-place]

Run it with the Python that fastws is installed for, or built in place. It needs nothing but fastws
and the .pxd files of the sources, which name what is to be compiled.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.machinery
import importlib.util
import os
import sys
import threading
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
KEY = b"\x01\x80\xfe\x55"
MESSAGES = ["", "Hello", "é" * 1000, b"", bytes(range(256)) * 300, "x" * 200_000]
# Sockets, threads, and processes are for others to give.
IN_A_BROWSER = sys.platform == "emscripten"


def check(condition: object, what: str) -> None:
    """End with a message unless it is so; ``assert`` could be switched off."""
    if not condition:
        sys.exit(f"fastws is not whole here: {what}")


def check_place(in_place: bool) -> None:
    import fastws

    package = Path(fastws.__file__).resolve()
    installed = SOURCE not in package.parents or "site-packages" in package.parts
    check(installed is not in_place, f"it is {package}")
    print(f"{package.parent}: fastws {fastws.__version__}, backend {fastws.backend}")


def check_extensions() -> None:
    """Every module that has a .pxd is there as an extension, and the package runs on these."""
    import fastws
    import fastws.aio
    import fastws.sync

    check(fastws.backend != "python", "the kernels are pure Python")
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    place = Path(fastws.__file__).parent
    names = [
        path.relative_to(SOURCE).with_suffix("") for path in (SOURCE / "fastws").rglob("*.pxd")
    ]
    check(names, f"there are no .pxd files under {SOURCE}")
    for name in names:
        files = [p.name for p in (place.parent / name).parent.glob(f"{name.name}.*")]
        check(any(file.endswith(suffixes) for file in files), f"{name} is not compiled: {files}")
        module = ".".join(name.parts)
        if module.startswith("fastws.accelerate."):
            continue  # needs the server that it is for
        check(module in sys.modules, f"{module} is not in use")
        check(str(sys.modules[module].__file__).endswith(suffixes), f"{module} is not compiled")
    print(f"{len(names)} extensions")


def check_kernels() -> None:
    import fastws

    data = bytes(range(256)) * 20
    for length in [*range(70), 1000, 5000]:
        masked = bytes(data[i] ^ KEY[i % 4] for i in range(length))
        check(fastws.apply_mask(data[:length], KEY) == masked, f"masking {length} bytes")
    check(fastws.is_utf8("é€😀".encode() * 50), "valid UTF-8")
    check(not fastws.is_utf8(b"x" * 200 + b"\xed\xa0\x80"), "UTF-8 with a surrogate")
    reader = fastws.MessageReader(fastws.Role.SERVER)
    frame = fastws.serialize_frame(1, "Hello", masking_key=KEY)
    check(reader.receive(frame) == ["Hello"], "a masked text frame")


def check_threads() -> None:
    """Where threads are free, importing us must not put the lock of the interpreter back."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    if enabled is not None and not enabled():
        print("no lock of the interpreter, and still none")
    elif enabled is not None:
        import sysconfig

        free = sysconfig.get_config_var("Py_GIL_DISABLED") and os.environ.get("PYTHON_GIL") != "1"
        check(not free, "an extension has put the lock of the interpreter back")


async def echo_with_asyncio() -> None:
    from fastws.aio import connect, serve

    async def echo(ws: object) -> None:
        async for message in ws:  # type: ignore[attr-defined]
            await ws.send(message)  # type: ignore[attr-defined]

    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}") as ws:
            for message in MESSAGES:
                await ws.send(message)
                check(await ws.recv() == message, "an echo with asyncio")


def echo_with_threads() -> None:
    from fastws.sync import connect, serve

    def echo(ws: object) -> None:
        for message in ws:  # type: ignore[attr-defined]
            ws.send(message)  # type: ignore[attr-defined]

    with serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with connect(f"ws://127.0.0.1:{server.socket.getsockname()[1]}") as ws:
            for message in MESSAGES:
                ws.send(message)
                check(ws.recv() == message, "an echo with threads")
        server.shutdown()
        thread.join()


def converse_in_memory() -> None:
    """What a browser can run: both protocols, without sockets."""
    from fastws import Protocol, Role

    client, server = Protocol(Role.CLIENT), Protocol(Role.SERVER)
    for message in MESSAGES:
        client.send_message(message)
        check(server.receive_data(b"".join(client.data_to_send())) == [message], "a conversation")


def main(arguments: list[str]) -> None:
    check(set(arguments) <= {"--pure", "--in-place"}, f"unknown options: {arguments}")
    check_place("--in-place" in arguments)
    if "--pure" in arguments:
        check(importlib.util.find_spec("fastws._mask") is None, "a pure wheel has extensions")
    else:
        check_extensions()
    check_kernels()
    converse_in_memory()
    if not IN_A_BROWSER:
        asyncio.run(echo_with_asyncio())
        echo_with_threads()
    check_threads()
    print("whole")


if __name__ == "__main__":
    main(sys.argv[1:])
