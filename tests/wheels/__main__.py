"""Check a wheel: its size and contents, its search paths, its instructions.

usage: python tests/wheels FINISHED.whl [UNSTRIPPED.whl]

The second is the same wheel before its symbols were taken away, which name the functions.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

from contents import extensions, problems
from instructions import above_baseline, disassemble, outside_of_dispatch


def check_instructions(unpacked: Path) -> list[str]:
    """Return what is wrong with the instructions of a wheel's libraries, in sentences."""
    found, dispatched = [], set()
    for library in sorted(unpacked.rglob("*.so")):
        functions = above_baseline(disassemble(library))
        dispatched |= functions.keys()
        found += [
            f"{library.name}: {name} uses {', '.join(sorted(needed))}"
            for name, needed in outside_of_dispatch(functions).items()
        ]
    # Else the check would pass for libraries without symbols, or without the faster rows.
    if not {"avx2_run", "avx2_run_ascii"} <= dispatched:
        found.append(f"the AVX2 functions are not there: {sorted(dispatched)}")
    print(f"functions with instructions beyond x86-64: {', '.join(sorted(dispatched))}")
    return found


def main(finished: str, unstripped: str | None = None) -> int:
    found = []
    wheel = Path(finished)
    with tempfile.TemporaryDirectory() as directory:
        for name, path in (("finished", finished), ("unstripped", unstripped)):
            if path is not None:
                zipfile.ZipFile(path).extractall(Path(directory, name))
        found += problems(wheel, Path(directory, "finished"))
        if unstripped is not None:
            found += check_instructions(Path(directory, "unstripped"))
        for library in sorted(Path(directory, "finished").rglob("*.so")):
            print(f"{library.stat().st_size:9} bytes  {library.relative_to(directory)}")
    print(f"{wheel.name}: {wheel.stat().st_size} bytes, {len(extensions(wheel))} extensions")
    for problem in found:
        print(f"{wheel.name}: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
