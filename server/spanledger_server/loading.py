"""Importing without looking for garbage."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator


@contextlib.contextmanager
def loading() -> Generator[None]:
    """Import what a process needs; what was loaded is never looked at again.

    Modules are many objects and no garbage: looking for some takes a sixth of what importing does.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
