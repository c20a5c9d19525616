"""How long code keeps the processor, apart from what else the machine and the test run do."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def processor_s(run: Callable[[], object], times: int = 3) -> float:
    """Seconds of processor time of the fastest of several runs.

    The collector of garbage rests meanwhile: it walks everything that other tests left behind.
    """
    return min(_once(run) for _ in range(times))


def _once(run: Callable[[], object]) -> float:
    gc.collect()
    gc.disable()
    try:
        started = time.process_time()
        run()
        return time.process_time() - started
    finally:
        gc.enable()
