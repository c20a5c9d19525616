"""Freed memory is kept while it will be needed again, and no longer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spanledger_collector import memory

_MIB = 1 << 20
_GIVEN_BACK = """
import psutil
from spanledger_collector import memory
memory.keep()
process = psutil.Process()
before = process.memory_info().rss
blocks = [b"x" * (1 << 20) for _ in range(200)]
del blocks
kept = process.memory_info().rss
memory.give_back()
print(kept - before, process.memory_info().rss - before)
"""


_SOME = """
import resource
import psutil
from spanledger_collector import memory
memory.keep_some()
def bodies(size):
    blocks = [bytearray(size) for _ in range(16)]
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bodies(1 << 20)
before = faults()
for _ in range(100):
    bodies(1 << 20)
after = faults()
process = psutil.Process()
held = process.memory_info().rss
bodies(16 << 20)
print(after - before, process.memory_info().rss - held)
"""


_SHARED = """
import ctypes, sys, threading
from spanledger_collector import memory
if sys.argv[1:]:
    memory.share()
everybody = threading.Barrier(4)
def work():
    everybody.wait()
    blocks = [bytearray(10_000) for _ in range(100)]
    everybody.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library = ctypes.CDLL(None)
library.fdopen.restype = ctypes.c_void_p
library.malloc_info(0, ctypes.c_void_p(library.fdopen(1, b"w")))
library.fflush(None)
"""


pytestmark = pytest.mark.skipif(not memory.is_kept(), reason="the C library is not GNU's")


def said(program: str, *words: str) -> str:
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def run(program: str) -> list[int]:
    return list(map(int, said(program).split()))


def test_what_is_freed_stays_until_it_is_given_back() -> None:
    kept, left = run(_GIVEN_BACK)
    assert kept > 150 * _MIB
    assert left < 50 * _MIB


def test_a_receiver_takes_bodies_from_pages_it_has_and_keeps_none_of_large_ones() -> None:
    faults, grown = run(_SOME)
    assert faults < 4_000  # fresh pages for every body would be 400,000
    assert grown < 8 * _MIB


def test_threads_that_share_make_no_heaps() -> None:
    made = "<heap nr="
    assert said(_SHARED).count(made) > 4
    assert said(_SHARED, "share").count(made) <= 2  # numpy's threads may have begun one
