"""Doing something at a steady pace until somebody ends it."""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Callable

# Early in the second of the wall clock: what is late still falls into the same second, and the
# samples of several hosts lie side by side.
_PHASE_S = 0.2


def stop_on_signals() -> threading.Event:
    """Return an event that Ctrl-C and SIGTERM set; for the main thread."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def seconds(text: str) -> float:
    """Return a pace or a patience of the command line."""
    value = float(text)
    if not 0.05 <= value <= 3_600:
        raise argparse.ArgumentTypeError("between 0.05 and 3600 seconds")
    return value


def every(seconds: float, stop: threading.Event, work: Callable[[], None]) -> None:
    """Do the work until ``stop`` is set, on a grid that does not drift by what the work costs.

    Paces of a second and more begin early in a second. A turn that takes longer than the pace
    leaves out those it missed.
    """
    if seconds >= 1:
        stop.wait((_PHASE_S - time.time()) % 1)
    started = time.monotonic()
    ticks = 0
    while not stop.is_set():
        work()
        ticks = max(ticks + 1, int((time.monotonic() - started) // seconds))
        stop.wait(max(0.0, started + ticks * seconds - time.monotonic()))
