"""The shape of the package: who imports whom, and where things lie. Read from the source alone."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "fastws"

# Imports point down this list, never up; modules on one line do not import each other. The package
# itself, fastws/__init__.py, only gathers names and may import anything.
LAYERS = [
    "__main__",
    "cli",
    "bench",
    "rooms",
    "accelerate uvicorn",
    "command_line",
    "aio sync",
    "options proxy reconnect attributes answers conversion broadcasting listeners secure"
    " openmetrics",
    "protocol",
    "opening writer keepalive",
    "prepared",
    "handshake",
    "redirect refusals auth",
    "deflate extensions http11 uri",
    "headers limits",
    "_kernels",
    "_mask _frame _fallback _wire",
    "errors",
    "frames",
]
LAYER = {module: i for i, line in enumerate(LAYERS) for module in line.split()}

KERNELS = {"_mask", "_frame", "_fallback"}
WORLD = {"socket", "ssl", "select", "selectors", "asyncio", "threading", "time"}
MEETS_THE_WORLD = {"listeners", "secure", "aio", "sync", "__main__", "cli", "bench", "rooms"}
GUESTS = {"accelerate", "uvicorn"}  # they live in other people's servers
VAGUE = {"utils", "util", "helpers", "common", "types", "models", "misc", "base"}

SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULES = [path for path in SOURCES if path != PACKAGE / "__init__.py"]


def layer_name(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def run_time_nodes(tree):
    """Every node but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from (inner for other in node.orelse for inner in [other, *run_time_nodes(other)])
        else:
            yield node
            yield from run_time_nodes(node)


def imported(path):
    """The full names a module imports; of a `from` import, those of what it might take."""
    here = ["fastws", *path.relative_to(PACKAGE).with_suffix("").parts]
    for node in run_time_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = here[: -node.level] if node.level else []
            module = ".".join([*start, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imported_layers(path):
    """The modules of this package that a module imports; "" for a name of the package itself."""
    for name in imported(path):
        top, _, rest = name.partition(".")
        if top == "fastws":
            module = rest.partition(".")[0]
            yield module if module in LAYER or (PACKAGE / f"{module}.py").exists() else ""


def ids(path):
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_every_module_has_its_place_in_the_list(path):
    assert layer_name(path) in LAYER, f"say in LAYERS where {layer_name(path)} belongs"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_imports_point_down(path):
    own = layer_name(path)
    for module in imported_layers(path):
        if module == "":
            # The package imports all that is above it; those below would come back to themselves.
            assert LAYER[own] <= LAYER["aio"], f"{own} imports the package it is part of"
        elif module != own:
            assert LAYER[module] > LAYER[own], f"{own} imports {module}, which is not below it"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_only_the_switch_and_the_benchmark_know_that_there_are_twins(path):
    if layer_name(path) not in {"_kernels", "bench"}:
        assert not KERNELS & set(imported_layers(path))


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_sockets_threads_loops_and_clocks_live_in_the_drivers(path):
    if layer_name(path) not in MEETS_THE_WORLD | GUESTS:
        assert not WORLD & {name.partition(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_guests_in_other_servers_use_what_everybody_can(path):
    if layer_name(path) in GUESTS:
        modules = {module for module in imported_layers(path) if module.startswith("_")}
        assert modules <= {"_kernels"}


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_names_say_what_is_inside(path):
    assert path.stem.strip("_") not in VAGUE
    assert not {part.strip("_") for part in path.relative_to(PACKAGE).parts[:-1]} & VAGUE


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_every_module_says_in_a_sentence_what_is_inside(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.partition("\n")[0].endswith((".", "`", "?"))


@pytest.mark.parametrize("path", [*SOURCES, *PACKAGE.glob("_simd/*")], ids=ids)
def test_files_fit_in_a_head(path):
    # The fallback is as long as the two files it mirrors.
    if path.name != "_fallback.py":
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_all_c_in_the_package_is_written_by_hand():
    places = {path.parent.name for path in PACKAGE.rglob("*.[ch]")}
    assert places == {"_simd"}
