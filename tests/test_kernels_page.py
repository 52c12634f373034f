"""The code of docs/kernels.md runs as it stands there."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastws._kernels import compiled

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "kernels.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_python_of_the_page_runs():
    names = {}
    for block in blocks("python"):
        exec(compile(block, "docs/kernels.md", "exec"), names)
    assert names["buffer"] == b"hello"
    assert names["header"].fin


SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup

setup(ext_modules=cythonize([Extension("page", ["page.pyx"])], language_level=3))
"""


@pytest.mark.skipif(not compiled, reason="needs the compiled kernels")
def test_the_cython_of_the_page_compiles_and_runs(tmp_path):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    from fastws import MessageReader, Role, apply_mask, serialize_frame

    (tmp_path / "page.pyx").write_text("\n".join(blocks("cython")), encoding="utf-8")
    (tmp_path / "setup.py").write_text(SETUP)
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=tmp_path,
        check=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CFLAGS": "-O0"},
    )
    [path] = [path for path in tmp_path.glob("page*") if path.suffix in (".so", ".pyd")]
    spec = importlib.util.spec_from_file_location("page", path)
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    frame = bytearray(b"head" + apply_mask(b"payload", b"wasp"))
    page.unmask(frame, 4, b"wasp")
    assert frame == b"headpayload"
    assert page.is_text("世界".encode())
    assert not page.is_text(b"\xff")
    reader = MessageReader(Role.SERVER)
    assert page.receive(reader, serialize_frame(1, "hello", masking_key=b"wasp")) == ["hello"]
