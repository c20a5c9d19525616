"""Memory that is freed: where it is kept for what comes next, and where it is shared.

By default a large block comes from the system as fresh pages and goes back at once. Clearing such
pages was a seventh of the time of storing, and half of that of receiving a body. And each thread
has a heap of its own: what is free in it is of no use to the others.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pyarrow as pa

# https://man7.org/linux/man-pages/man3/mallopt.3.html
_TRIM_THRESHOLD, _MAP_THRESHOLD, _MOST_MAPPED, _MOST_HEAPS = -1, -3, -4, -8
_NEVER = 2**31 - 1
_LARGEST_KEPT_BYTES = 4 << 20
_MOST_KEPT_BYTES = 64 << 20


def keep_some() -> None:
    """Keep what is freed for other requests: blocks of 4 MiB at most, 64 MiB of them.

    Does nothing where the C library is not GNU's; nor do the others.
    """
    library = _gnu()
    if library is not None:
        library.mallopt(_MAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        library.mallopt(_TRIM_THRESHOLD, _MOST_KEPT_BYTES)


def keep() -> None:
    """Keep all that is freed until it is given back, as hundreds of MiB come again with a batch."""
    library = _gnu()
    if library is not None:
        pa.set_memory_pool(pa.system_memory_pool())  # or Arrow would keep memory of its own
        library.mallopt(_MOST_MAPPED, 0)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)


def share() -> None:
    """Let threads have the heaps that there are: of Python's, one works at a time anyway."""
    library = _gnu()
    if library is not None:
        library.mallopt(_MOST_HEAPS, 1)


def give_back() -> None:
    """Give the system back what is free."""
    library = _gnu()
    if library is not None:
        library.malloc_trim(0)


def is_kept() -> bool:
    """Return whether ``keep`` does anything here."""
    return _gnu() is not None


def _gnu() -> Any:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "malloc_trim") else None
