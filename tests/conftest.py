"""The kernels under test: compiled, once per instruction set that runs here, and pure Python."""

import importlib
import importlib.util
import shutil
import signal

import pytest
from choice import CHOICE
from hypothesis import settings

from fastws.frames import Role

settings.register_profile("fastws", deadline=None, derandomize=True, database=None)
settings.load_profile("fastws")

# A shell that starts the tests in the background has their processes ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def kernel_names():
    """What the kernel fixtures run over; a compiled kernel that is required must import here."""
    pure = pytest.param("python", id="python")
    if CHOICE == "0":
        return [pure]
    if CHOICE == "" and importlib.util.find_spec("fastws._mask") is None:
        return [pytest.param("compiled", marks=pytest.mark.skip("kernels are not built")), pure]
    importlib.import_module("fastws._frame")
    return [*importlib.import_module("fastws._mask").available_simd(), pure]


def load_kernel(name, simd, directory):
    """Import a compiled kernel once more, for this instruction set.

    The choice is made when the module is imported, so each one needs a copy of the file.
    """
    real = importlib.import_module(f"fastws.{name}")
    path = shutil.copy(real.__file__, directory)
    spec = importlib.util.spec_from_file_location(real.__name__, path)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("FASTWS_SIMD", simd)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    assert module is not real
    return module


def kernel_fixture(name):
    @pytest.fixture(scope="session", params=kernel_names(), name=f"{name.strip('_')}_kernel")
    def fixture(request, tmp_path_factory):
        if request.param == "python":
            return importlib.import_module("fastws._fallback")
        return load_kernel(name, request.param, tmp_path_factory.mktemp(request.param))

    return fixture


mask_kernel = kernel_fixture("_mask")
frame_kernel = kernel_fixture("_frame")


@pytest.fixture(scope="session", params=Role, ids=["client", "server"])
def role(request):
    return request.param
