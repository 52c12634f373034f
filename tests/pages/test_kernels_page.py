"""The Cython of docs/kernels.md compiles and does what it says; test_code.py runs its Python."""

import importlib.util
import os
import subprocess
import sys

import pytest

from fastws._kernels import compiled
from pages.blocks import ROOT, read_blocks

PAGE = ROOT / "docs" / "kernels.md"

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

    blocks = read_blocks(PAGE.read_text(encoding="utf-8"))
    source = "\n".join(block.code for block in blocks if block.language == "cython")
    (tmp_path / "page.pyx").write_text(source, encoding="utf-8")
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
