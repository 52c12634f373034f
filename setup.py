"""Build the compiled kernels; everything else is said in pyproject.toml."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CHOICE = os.environ.get("FASTWS_EXTENSIONS", "")
if CHOICE not in ("", "0", "1"):
    sys.exit(f"FASTWS_EXTENSIONS must be 1 (required), 0 (pure Python) or unset, not {CHOICE!r}")

SIMD = "fastws/_simd"
SHARED = "fastws._cyutility"  # the part of Cython's run time that modules need not have each

# Cython generates more than a module uses: the linker leaves it out.
LEAN = {
    "extra_compile_args": ["-ffunction-sections", "-fdata-sections", "-fvisibility=hidden"],
    "extra_link_args": ["-Wl,--gc-sections"],
}
if not sys.platform.startswith("linux"):
    LEAN = {"extra_compile_args": [], "extra_link_args": []}


class BuildKernels(build_ext):
    """Compile the kernels; without a working compiler, install pure Python and say so."""

    def run(self):
        try:
            super().run()
        except Exception as error:  # a compiler fails in as many ways as there are compilers
            if CHOICE == "1":
                raise
            # Half a set of kernels would be worse than none.
            for extension in self.extensions:
                path = self.get_ext_fullpath(extension.name)
                if os.path.exists(path):
                    os.unlink(path)
            self.extensions = []
            print(
                "fastws: the compiled kernels could not be built, so this is a pure Python "
                f"install: correct, but slow. The compiler said: {error}. Install a C compiler and "
                "the Python headers and reinstall; FASTWS_EXTENSIONS=1 makes this an error.",
                file=sys.stderr,
            )

    def build_extensions(self):
        """Compile several at a time, bar the kernels: they share the objects of hand-written C."""
        self.check_extensions_list(self.extensions)
        kernels = [ext for ext in self.extensions if len(ext.sources) > 1]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [pool.submit(lambda: [self.build_extension(ext) for ext in kernels])]
            others = (ext for ext in self.extensions if ext not in kernels)
            jobs += [pool.submit(self.build_extension, ext) for ext in others]
            for job in jobs:
                job.result()


def extensions():
    if CHOICE == "0":
        return []
    from Cython.Build import cythonize

    def kernel(name, *parts):
        return Extension(
            f"fastws.{name}",
            [f"fastws/{name}.pyx", *(f"{SIMD}/{part}.c" for part in parts)],
            include_dirs=[SIMD],
            depends=glob(f"{SIMD}/*.[ch]"),
            extra_compile_args=[
                *LEAN["extra_compile_args"],
                *([] if sys.platform == "win32" else ["-O3"]),
            ],
            extra_link_args=LEAN["extra_link_args"],
        )

    def hot(package, name):
        # Plain Python, compiled under another name, so both forms can be imported.
        path = package.replace(".", "/")
        return Extension(f"fastws.{package}._{name}", [f"fastws/{path}/{name}.py"], **LEAN)

    def quick(driver, name):
        return Extension(f"fastws.{driver}._{name}", [f"fastws/{driver}/_{name}.pyx"], **LEAN)

    return cythonize(
        [
            Extension(SHARED, ["fastws/_cyutility.c"], **LEAN),
            kernel("_mask", "cpu", "mask"),
            kernel("_frame", "cpu", "mask", "utf8"),
            Extension("fastws._wire", ["fastws/_wire.pyx"], **LEAN),
            *(hot("aio", name) for name in ("waiter", "channel", "records", "sockets", "poller")),
            *(quick("aio", name) for name in ("messages", "readiness", "stepping")),
            hot("sync", "channel"),
            quick("sync", "blocking"),
            hot("accelerate.aiohttp", "reader"),
        ],
        shared_utility_qualified_name=SHARED,
        shared_utility_features_disabled=["MemoryView"],  # nobody uses typed ones
        build_dir="build",  # every .c in the tree is hand-written
        force=True,  # Cython does not see that a .pxd of another name has changed
        compiler_directives={
            "language_level": 3,
            # The .pxd files say what is a C type; annotations what a type checker wants to know.
            "annotation_typing": False,
            "binding": True,
            "auto_pickle": False,  # sockets and half-read messages go nowhere else
            # What is not an object's own is constant, or each thread's own.
            "freethreading_compatible": True,
        },
    )


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildKernels})
