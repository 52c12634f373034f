"""The package as it is built and installed: the switch, the stubs, the twins, the `.pxd` files."""

import ast
import importlib
import importlib.machinery
import importlib.util
import inspect
import operator
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import fastws

ROOT = Path(__file__).parent.parent
PACKAGE = Path(fastws.__file__).parent
SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
BUILT = importlib.util.find_spec("fastws._mask") is not None
COMPILED = os.environ.get("FASTWS_EXTENSIONS") != "0" and BUILT

needs_kernels = pytest.mark.skipif(not COMPILED, reason="kernels are not built")
needs_compiler = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("cc") is None, reason="no C compiler here"
)


def run_python(*arguments, cwd=PACKAGE.parent, **environment):
    """Run this Python there; of our variables it sees only these."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FASTWS_")}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=inherited | {"PYTHONPATH": str(cwd)} | environment,
        capture_output=True,
        text=True,
    )


def backend(cwd=PACKAGE.parent, **environment):
    """Import fastws in a new process; return its backend, or the last line of what went wrong."""
    # Without site-packages: an editable install would lend a copy the kernels it has not.
    run = run_python("-S", "-c", "import fastws; print(fastws.backend)", cwd=cwd, **environment)
    return run.stdout.strip() or run.stderr.strip().splitlines()[-1]


@pytest.fixture
def package_copy(tmp_path):
    """A copy of the package without compiled kernels; returns the directory it is imported from."""
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "fastws", ignore=ignored)
    return tmp_path


def test_0_means_pure_python():
    assert backend(FASTWS_EXTENSIONS="0") == "python"


@needs_kernels
def test_unset_and_1_mean_compiled_where_it_is_built():
    rows = importlib.import_module("fastws._mask").available_simd()
    assert backend() == backend(FASTWS_EXTENSIONS="1") == rows[-1]


def test_nothing_else_is_a_choice():
    for choice in ("2", "yes", "true", " 1"):
        assert backend(FASTWS_EXTENSIONS=choice) == (
            "ImportError: FASTWS_EXTENSIONS must be 1 (compiled kernels required), "
            f"0 (pure Python) or unset, not {choice!r}"
        )


@needs_kernels
def test_one_instruction_set_can_be_forced():
    for row in importlib.import_module("fastws._mask").available_simd():
        assert backend(FASTWS_SIMD=row) == row
    assert backend(FASTWS_SIMD="") == backend()


@needs_kernels
def test_an_instruction_set_that_is_not_here_is_an_error():
    error = backend(FASTWS_SIMD="mmx")
    assert error.startswith("ImportError: FASTWS_SIMD=mmx is not available here")


def test_missing_kernels_fall_back_unless_they_are_required(package_copy):
    assert backend(package_copy) == "python"
    assert backend(package_copy, FASTWS_EXTENSIONS="0") == "python"
    error = backend(package_copy, FASTWS_EXTENSIONS="1")
    assert error.startswith("ImportError: FASTWS_EXTENSIONS=1, but fastws was installed without")
    assert "compiler" in error


@pytest.mark.parametrize("broken", ["_mask", "_frame"])
def test_broken_kernels_are_an_error_and_not_a_slow_program(package_copy, broken):
    for name in ("_mask", "_frame"):
        if name == broken:
            (package_copy / "fastws" / f"{name}{SUFFIX}").write_bytes(b"not a library")
        else:
            source = (
                "from ._fallback import *\nfrom ._fallback import new_masking_key\nsimd = 'fake'"
            )
            (package_copy / "fastws" / f"{name}.py").write_text(source)
    assert "Error" in backend(package_copy)
    assert "Error" in backend(package_copy, FASTWS_EXTENSIONS="1")
    assert backend(package_copy, FASTWS_EXTENSIONS="0") == "python"


@pytest.mark.parametrize("name", ["_mask", "_frame"])
def test_kernels_that_fail_to_import_are_an_error(package_copy, name):
    for other in ("_mask", "_frame"):
        source = "raise ImportError('undefined symbol')" if other == name else "simd = 'fake'"
        (package_copy / "fastws" / f"{other}.py").write_text(source)
    for choice in ({}, {"FASTWS_EXTENSIONS": "1"}):
        assert "ImportError" in backend(package_copy, **choice)


def test_the_switch_says_what_runs():
    assert fastws.backend == importlib.import_module("fastws._kernels").backend
    if not COMPILED:
        assert fastws.backend == "python"
    for name in ("apply_mask", "is_utf8", "MessageReader"):
        module = getattr(fastws, name).__module__
        assert (module == "fastws._fallback") is (fastws.backend == "python")


@pytest.fixture
def source_copy(tmp_path):
    """What a build reads, with the C that was generated for it, if it is there."""
    if not (ROOT / "setup.py").exists():
        pytest.skip("not a source tree")
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "bench")
    shutil.copytree(ROOT / "fastws", tmp_path / "fastws", ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, tmp_path)
    if (ROOT / "build" / "fastws").exists():
        shutil.copytree(ROOT / "build" / "fastws", tmp_path / "build" / "fastws")
    return tmp_path


def test_building_knows_the_same_choices(source_copy):
    pytest.importorskip("setuptools")
    run = run_python("setup.py", "--name", cwd=source_copy, FASTWS_EXTENSIONS="2")
    assert run.returncode != 0
    assert "FASTWS_EXTENSIONS must be 1 (required), 0 (pure Python) or unset, not '2'" in run.stderr


@needs_compiler
def test_without_a_compiler_the_build_is_pure_and_says_so_once(source_copy):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    build = ("setup.py", "-q", "build_ext", "--inplace")
    run = run_python(*build, cwd=source_copy, CC="false")
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("could not be built, so this is a pure Python install") == 1
    assert backend(source_copy) == "python"
    run = run_python(*build, cwd=source_copy, CC="false", FASTWS_EXTENSIONS="1")
    assert run.returncode != 0


def test_a_pure_build_needs_no_cython(source_copy):
    pytest.importorskip("setuptools")
    (source_copy / "Cython.py").write_text("raise ImportError('not needed')")
    build = ("setup.py", "-q", "build_ext", "--inplace")
    run = run_python(*build, cwd=source_copy, FASTWS_EXTENSIONS="0", CC="false")
    assert run.returncode == 0, run.stderr
    assert backend(source_copy) == "python"


FOREIGN = """
from fastws._frame cimport MessageReader, is_utf8_bytes
from fastws._mask cimport xor_mask

def unmask(bytes data, bytes key, size_t offset):
    cdef bytearray out = bytearray(len(data))
    cdef unsigned char *dst = out
    cdef const unsigned char *src = data
    cdef const unsigned char *key_bytes = key
    cdef size_t length = len(data)
    with nogil:
        xor_mask(dst, src, length, key_bytes, offset)
    return bytes(out)

def unmask_in_place(bytearray data, bytes key):
    cdef unsigned char *start = data
    xor_mask(start, start, len(data), key, 0)

def check(bytes data):
    return is_utf8_bytes(data, len(data))

def read(MessageReader reader, bytes data):
    cdef list events = []
    cdef const unsigned char *start = data
    reader.receive_bytes(start, len(data), events)
    return events, reader.has_control

def read_object(MessageReader reader, data):
    return reader.receive(data)
"""

SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup

setup(ext_modules=cythonize([Extension("foreign", ["foreign.pyx"])], language_level=3))
"""

USE = """
import foreign
from fastws import MessageReader, Role
from wire import frame, masked

KEY = b"\\x01\\x80\\xfe\\x55"
data = bytes(range(256)) * 4
for length in (0, 1, 3, 4, 31, 100, 1000):
    for offset in range(5):
        assert foreign.unmask(data[:length], KEY, offset) == masked(data[:length], KEY, offset)
buffer = bytearray(data)
foreign.unmask_in_place(buffer, KEY)
assert buffer == masked(data, KEY)
assert foreign.check("é".encode() * 100) and not foreign.check(b"x" * 100 + b"\\xff")
reader = MessageReader(Role.SERVER)
wire = frame(1, b"Hello", key=KEY) + frame(2, data, key=KEY)
assert foreign.read(reader, wire[:20]) == (["Hello"], False)
assert foreign.read(reader, wire[20:]) == ([data], False)
events, has_control = foreign.read(reader, frame(1, b"no mask"))
assert has_control and events[0].code == 1002
assert foreign.read_object(MessageReader(Role.CLIENT), frame(1, b"x")) == ["x"]
print("used")
"""


@needs_kernels
@needs_compiler
def test_other_cython_modules_can_cimport_the_kernels(tmp_path):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    (tmp_path / "foreign.pyx").write_text(FOREIGN)
    (tmp_path / "setup.py").write_text(SETUP)
    (tmp_path / "use.py").write_text(USE)
    path = os.pathsep.join(map(str, [PACKAGE.parent, tmp_path, ROOT / "tests"]))
    # Not the compiler flags of the build under test: these may ask for sanitizers.
    build = run_python(
        "setup.py", "-q", "build_ext", "--inplace", cwd=tmp_path, PYTHONPATH=path, CFLAGS="-O0"
    )
    assert build.returncode == 0, build.stdout + build.stderr
    assert list(tmp_path.glob(f"foreign*{sysconfig.get_config_var('EXT_SUFFIX')}"))
    use = run_python("use.py", cwd=tmp_path, PYTHONPATH=path, FASTWS_EXTENSIONS="1")
    assert use.stdout == "used\n", use.stderr


def test_everything_another_build_needs_is_in_the_package():
    for name in ("py.typed", "_mask.pxd", "_frame.pxd", "_mask.pyi", "_frame.pyi"):
        assert (PACKAGE / name).exists()


def stub(name):
    return ast.parse((PACKAGE / f"{name}.pyi").read_text(encoding="utf-8"))


def parameters_in_stub(function):
    """(name, kind, default) of each parameter of a function in a stub."""
    a = function.args
    assert not a.vararg
    assert not a.kwarg
    positional = [*a.posonlyargs, *a.args]
    defaults = [None] * (len(positional) - len(a.defaults)) + a.defaults
    pairs = [(p, d, "positional") for p, d in zip(positional, defaults, strict=True)]
    pairs += [(p, d, "keyword") for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    return [(p.arg, kind, ast.unparse(d) if d else None) for p, d, kind in pairs]


def parameters_at_run_time(function):
    kinds = {"POSITIONAL_OR_KEYWORD": "positional", "KEYWORD_ONLY": "keyword"}
    empty = inspect.Parameter.empty
    return [
        (p.name, kinds[p.kind.name], None if p.default is empty else p.default)
        for p in inspect.signature(function).parameters.values()
    ]


def functions_in_stub(name):
    for node in stub(name).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                # A property of the compiled class may be a plain attribute of the pure one.
                if isinstance(member, ast.FunctionDef) and not member.decorator_list:
                    yield f"{node.name}.{member.name}", member


FUNCTIONS = [
    pytest.param(module, path, node, id=f"{module}.{path}")
    for module in ("_mask", "_frame")
    for path, node in functions_in_stub(module)
]


def find(module, path):
    return operator.attrgetter(path)(importlib.import_module(f"fastws.{module}"))


@pytest.mark.parametrize(("module", "path", "node"), FUNCTIONS)
def test_the_fallback_has_the_signatures_of_the_stubs(module, path, node):
    expected = [
        (name, kind, None if default is None else eval(default, {}))
        for name, kind, default in parameters_in_stub(node)
    ]
    assert parameters_at_run_time(find("_fallback", path)) == expected


@needs_kernels
@pytest.mark.parametrize(("module", "path", "node"), FUNCTIONS)
def test_compiled_and_pure_have_the_same_docstrings_and_parameters(module, path, node):
    compiled, pure = find(module, path), find("_fallback", path)
    if path.endswith(".__init__"):
        # Its parameters are in no place that Python could look at; the stub has them.
        path = path.removesuffix(".__init__")
        compiled, pure = find(module, path), find("_fallback", path)
    else:
        assert parameters_at_run_time(compiled) == parameters_at_run_time(pure)
    assert inspect.cleandoc(compiled.__doc__) == inspect.cleandoc(pure.__doc__)


@needs_kernels
def test_compiled_and_pure_have_the_same_public_names():
    def names(module):
        return set(vars(importlib.import_module(f"fastws.{module}")))

    stubbed = set()
    for module in ("_mask", "_frame"):
        for node in stub(module).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                stubbed.add(node.name)
            elif isinstance(node, ast.AnnAssign):
                stubbed.add(node.target.id)
    assert stubbed <= names("_mask") | names("_frame")
    assert stubbed <= names("_fallback")
    for cls in ("MessageReader", "Utf8Validator"):
        members = {name for name in dir(find("_frame", cls)) if not name.startswith("_")}
        pure = find("_fallback", cls)
        instance = pure(fastws.Role.SERVER) if cls == "MessageReader" else pure()
        assert members - {"receive_bytes"} == {n for n in dir(instance) if not n.startswith("_")}


ALLOWED = r"""
fastws\._(mask|frame)\.__.*
fastws\._frame\.(Event|FrameBuffer|Inflate|PayloadBuffer|MessageReader|Utf8Validator)
fastws\._frame\.(FrameTaker|PayloadReader)(\.__.*)?
"""


@needs_kernels
def test_stubs_match_the_compiled_modules(tmp_path):
    pytest.importorskip("mypy.stubtest")
    allowed = tmp_path / "allowed"
    allowed.write_text(ALLOWED)
    run = run_python(
        "-m", "mypy.stubtest", "fastws._mask", "fastws._frame", "--allowlist", allowed,
        "--ignore-unused-allowlist", MYPY_CACHE_DIR=str(tmp_path),
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
