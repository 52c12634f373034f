"""`python -m fastws.accelerate`: programs run as they are, with acceleration on."""

import os
import subprocess
import sys

import pytest

from fastws._kernels import compiled

PROGRAM = """
import sys
import fastws.accelerate
print(__name__, sys.argv[1:], sys.path[0] == {path!r})
print(len(fastws.accelerate.status()) > 0)
import beside
"""


def run(*arguments, cwd=None, output=subprocess.PIPE):
    return subprocess.run(
        [sys.executable, "-m", "fastws.accelerate", *arguments],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(path=str(tmp_path)))
    (tmp_path / "beside.py").write_text("print('beside')")
    return path


@pytest.mark.parametrize("option", ["--list", "--check"])
def test_a_reader_that_has_enough_is_no_error(option):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        done = run(option, output=output)
    assert (done.returncode, done.stderr) == (run(option).returncode, "")


def test_runs_a_script_with_its_own_arguments(program):
    done = run(str(program), "--level", "x", "-m")
    assert done.stdout.splitlines() == [
        "__main__ ['--level', 'x', '-m'] True",
        str(compiled),
        "beside",
    ], done.stderr


def test_runs_a_module_with_its_own_arguments(program):
    done = run("--level", "mask", "-m", "program", "one", "--report", cwd=program.parent)
    assert done.stdout.splitlines()[0].startswith("__main__ ['one', '--report']"), done.stderr


def test_reports_at_the_end_even_if_the_program_exits(tmp_path):
    path = tmp_path / "program.py"
    path.write_text("import sys, wsproto.frame_protocol; sys.exit(3)")
    pytest.importorskip("wsproto")
    done = run("--only", "wsproto", "--report", str(path))
    assert done.returncode == 3
    if compiled:
        assert "wsproto" in done.stderr
        assert "applied" in done.stderr


def test_lists_the_targets():
    done = run("--list")
    assert done.returncode == 0
    for name in ("websockets", "aiohttp", "wsproto", "tornado", "gunicorn"):
        assert name in done.stdout


@pytest.mark.skipif(not compiled, reason="pure Python is refused")
def test_checks_what_is_installed():
    pytest.importorskip("wsproto")
    done = run("--check", "--only", "wsproto")
    assert done.returncode == 0, done.stdout
    assert "applied" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        ((), "nothing to run", 2),
        (("--only", "nope", "x.py"), "no target 'nope': choose from", 2),
        (("--level", "all", "x.py"), "invalid choice: 'all'", 2),
        (("missing.py",), "no such file: missing.py", 2),
        (("package",), "can't find '__main__' module in package", 2),
        (("-m", "missing_module"), "no module named missing_module", 1),
        (("-m", "missing_module.part"), "no module named missing_module.part", 1),
        (("-m", "package.missing"), "no module named package.missing", 1),
        (("-m", "package"), "package is a package without __main__", 1),
        (("-m", "json.tool.part"), "no module named json.tool.part", 1),
    ],
)
def test_says_what_is_wrong(tmp_path, arguments, words, code):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_program_cannot_import_is_its_own_affair(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("import nowhere_to_be_found")
    (tmp_path / "package" / "__main__.py").touch()
    done = run("-m", "package", cwd=tmp_path)
    assert done.returncode == 1
    assert "No module named 'nowhere_to_be_found'" in done.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="-P came with Python 3.11")
def test_a_safe_path_stays_as_it_is(program):
    shown = "import sys; print(*sys.path, sep='\\n')"
    program.write_text(shown)
    command = [sys.executable, "-P", "-m", "fastws.accelerate", str(program)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    plain = [sys.executable, "-P", str(program)]
    seen = [
        subprocess.run(each, capture_output=True, text=True, timeout=60, env=environment).stdout
        for each in (command, plain)
    ]
    assert seen[0] == seen[1] != ""
