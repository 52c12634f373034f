"""What is in a wheel, and what must be."""

from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path

__all__ = ["MAX_BYTES", "expected_extensions", "extensions", "problems"]

ROOT = Path(__file__).parent.parent.parent
# Two fifths of these are Python, the rest extensions. Debugging symbols alone would be over it.
MAX_BYTES = 1_000_000

# For other people's builds and type checkers.
NEEDED = ("py.typed", "_mask.pxd", "_frame.pxd", "_mask.pyi", "_frame.pyi", "__main__.py")
# A wheel is to be installed, not to be built from.
FORBIDDEN = re.compile(r"\.(c|h|pyx|py[co]|html\.gz)$|(^|/)(tests|bench/results)/")


def expected_extensions() -> set[str]:
    """Return the modules that setup.py compiles: each has a .pxd file, but for Cython's own."""
    package = ROOT / "fastws"
    modules = (path.relative_to(ROOT).with_suffix("") for path in package.rglob("*.pxd"))
    return {"fastws._cyutility", *(".".join(module.parts) for module in modules)}


def extensions(wheel: Path) -> set[str]:
    """Return the names of the extension modules in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    return {
        name.split(".")[0].replace("/", ".") for name in names if name.endswith((".so", ".pyd"))
    }


def problems(wheel: Path, unpacked: Path) -> list[str]:
    """Return what is wrong with a wheel that is also unpacked, in sentences."""
    found = []
    size = wheel.stat().st_size
    if size > MAX_BYTES:
        found.append(f"it has {size} bytes, over {MAX_BYTES}")
    built, expected = extensions(wheel), expected_extensions()
    if wheel.name.endswith("-py3-none-any.whl"):
        expected = set()
    if built != expected:
        found.append(f"its extensions differ: {sorted(built ^ expected)}")
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    found += [f"fastws/{name} is not there" for name in NEEDED if f"fastws/{name}" not in files]
    found += [f"{name} does not belong there" for name in sorted(files) if FORBIDDEN.search(name)]
    for library in unpacked.rglob("*.so"):
        found += [f"{library.name} has {entry}" for entry in _search_paths(library)]
    return found


def _search_paths(library: Path) -> list[str]:
    """Return the entries of a library that make it look for others in places of the builder's."""
    run = subprocess.run(
        ["readelf", "--dynamic", str(library)], check=True, capture_output=True, text=True
    )
    return [
        line.strip() for line in run.stdout.splitlines() if re.search(r"\((RPATH|RUNPATH)\)", line)
    ]
