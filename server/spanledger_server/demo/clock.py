"""Time as the demo sees it, so that tests need none."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The moment now, and a way to wait.

    Attributes:
        now_ns: Returns Unix time in nanoseconds.
        wait: Waits for the event or so many seconds; returns True when the event is set.
    """

    now_ns: Callable[[], int] = time.time_ns
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
