"""The C kernels between guard pages, without Python around them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "c" / "run.sh"

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="guard pages are made with mmap"),
    pytest.mark.skipif(
        os.environ.get("FASTWS_EXTENSIONS") == "0" or shutil.which("cc") is None,
        reason="no C here",
    ),
]


def test_kernels_touch_nothing_outside_their_buffers(tmp_path):
    run = subprocess.run([SCRIPT, tmp_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "checks passed on baseline" in run.stdout
