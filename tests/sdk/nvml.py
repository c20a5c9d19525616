"""A made-up NVIDIA driver: the library of fake_nvml.c, loaded by the real pynvml."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pynvml
import pytest

SOURCE = Path(__file__).with_name("fake_nvml.c")
LOST, NOT_SUPPORTED = pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_NOT_SUPPORTED


def build(directory: Path) -> Path:
    """Return the library, under the name that pynvml asks the system for."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the fake driver with")
    library = directory / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE)], check=True)
    return library


class FakeDriver:
    """Changes what the driver says while pynvml has it loaded; GPU 0 and GPU 1."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        pynvml.nvmlLib = self._library
        pynvml._nvmlGetFunctionPointer_cache.clear()

    def set(self, gpu: int, name: str, value: int) -> None:
        self._library.fake_set(gpu, name.encode(), ctypes.c_ulonglong(value))

    def fail(self, gpu: int, call: str, error: int) -> None:
        self._library.fake_fail(gpu, call.encode(), error)

    def samples(self) -> int:
        """Return how many samples of activity were asked for and not given back."""
        return int(self._library.fake_samples())

    def calls(self, name: str = "") -> int:
        """Return how many calls there were, or how many of a name."""
        return int(self._library.fake_calls(name.encode()))

    def close(self) -> None:
        pynvml.nvmlLib = None
        pynvml._nvmlGetFunctionPointer_cache.clear()
