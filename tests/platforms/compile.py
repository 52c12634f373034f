"""Compile the extensions in place for a Python that is not this one.

usage: python compile.py TREE COMPILER...

TREE has setup.py, which tells what there is to compile. COMPILER is a command with its options,
which finds that Python's headers.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

import setuptools


def compile_extension(compiler: list[str], extension: setuptools.Extension) -> None:
    """Compile and link one extension; every Python of a Unix takes the suffix .so."""
    command = [
        *compiler,
        *("-shared", "-fPIC", "-O2", "-fno-strict-overflow", "-DNDEBUG"),
        *extension.extra_compile_args,
        *(f"-I{directory}" for directory in extension.include_dirs),
        *extension.sources,
        *extension.extra_link_args,
        *("-o", extension.name.replace(".", "/") + ".so"),
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{shlex.join(command)}\n{run.stdout}{run.stderr}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree")
    parser.add_argument("compiler", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    from distutils.core import run_setup  # which setuptools has brought along

    os.chdir(options.tree)
    os.environ["FASTWS_EXTENSIONS"] = "1"
    extensions = run_setup("setup.py", stop_after="init").ext_modules
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda extension: compile_extension(options.compiler, extension), extensions))
    print(f"{len(extensions)} extensions compiled by {options.compiler[0]}")


if __name__ == "__main__":
    main()
