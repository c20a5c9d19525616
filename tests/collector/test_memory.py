"""A storing process keeps memory while it works, and gives it back when it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spanledger_collector.store import memory

_MIB = 1 << 20
_PROGRAM = """
import psutil
from spanledger_collector.store import memory
memory.keep()
process = psutil.Process()
before = process.memory_info().rss
blocks = [b"x" * (1 << 20) for _ in range(200)]
del blocks
kept = process.memory_info().rss
memory.give_back()
print(kept - before, process.memory_info().rss - before)
"""


@pytest.mark.skipif(not memory.is_kept(), reason="the C library is not GNU's")
def test_what_is_freed_stays_until_it_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )
    kept, left = map(int, done.stdout.split())
    assert kept > 150 * _MIB
    assert left < 50 * _MIB
