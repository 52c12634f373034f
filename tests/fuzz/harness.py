"""What the fuzz targets have in common: kernels to compare, input taken apart, atheris started."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent

# Both where both are there: the property is that they agree.
KERNELS = [
    importlib.import_module(name)
    for name in ("fastws._fallback", "fastws._frame")
    if name == "fastws._fallback"
    or (os.environ.get("FASTWS_EXTENSIONS") != "0" and importlib.util.find_spec(name))
]


class Input:
    """Fuzzed bytes, used up from the front; what is missing is 0."""

    def __init__(self, data):
        self._data = data

    def byte(self):
        first, self._data = self._data[:1], self._data[1:]
        return first[0] if first else 0

    def rest(self):
        return self._data

    def pieces(self):
        """The rest, cut into pieces whose lengths are taken from its front."""
        sizes = [self.byte() for _ in range(self.byte() % 8)]
        pieces, data = [], self._data
        for size in sizes:
            pieces.append(data[:size])
            data = data[size:]
        return [*pieces, data]


def the_same(results):
    """Return the first of these results; all must be equal."""
    first, *others = results
    for other in others:
        assert other == first, f"{first!r} != {other!r}"
    return first


def fuzz(one_input):
    """Run a target with atheris; its stored corpus is read, never written."""
    import atheris

    name = Path(sys.argv[0]).stem.removeprefix("fuzz_")
    atheris.instrument_all()
    with tempfile.TemporaryDirectory() as found:
        directories = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
        corpus = [] if directories else [found, str(HERE / "corpus" / name)]
        atheris.Setup([*sys.argv, *corpus], one_input)
        atheris.Fuzz()
