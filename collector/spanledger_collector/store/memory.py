"""Memory of a storing process: kept from batch to batch, given back when there is nothing to do.

A batch takes hundreds of megabytes in large blocks. By default each comes from the system as fresh
pages and goes back at once, and clearing such pages was a seventh of the processor time.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pyarrow as pa

# https://man7.org/linux/man-pages/man3/mallopt.3.html
_TRIM_THRESHOLD, _MOST_MAPPED = -1, -4
_NEVER = 2**31 - 1


def keep() -> None:
    """Keep what is freed for the next batch; does nothing where the C library is not GNU's."""
    library = _gnu()
    if library is not None:
        pa.set_memory_pool(pa.system_memory_pool())  # or Arrow would keep memory of its own
        library.mallopt(_MOST_MAPPED, 0)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)


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
