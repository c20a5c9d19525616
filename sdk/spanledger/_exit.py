"""What is done when a process ends, also one that ``multiprocessing`` has started.

Its children end with ``os._exit``, which skips what ``atexit`` knows; they run finalizers of
``multiprocessing`` instead. Those that a parent registered are cleared where a child begins.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable

from spanledger._errors import told

_functions: list[Callable[[], object]] = []


def at_exit(function: Callable[[], object]) -> None:
    """Call a function when this process ends, and when a child of it does."""
    atexit.register(function)
    _functions.append(function)
    if "multiprocessing.util" not in sys.modules:
        return
    from multiprocessing import parent_process

    _watch_children()
    if parent_process() is not None:  # this is one, and has begun already
        _finalize_later()


def _watch_children() -> None:
    """Let ``multiprocessing`` register what ends a child when it begins."""
    if "multiprocessing.util" in sys.modules:  # else it has not started this process
        from multiprocessing.util import register_after_fork

        register_after_fork(_end, _finalize_later)


def _finalize_later(_: object = None) -> None:
    from multiprocessing.util import Finalize

    Finalize(None, _end, exitpriority=0)  # after those of the program, which are higher


def _end() -> None:
    for function in reversed(_functions):
        try:
            function()
        except Exception as error:
            told("ending", error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_watch_children)
