"""How a trajectory is going."""

from __future__ import annotations

OPEN = "open"
"""A root span has not arrived, or has only started."""
WAITING = "waiting"
"""It paused, and nothing has gone on since."""
CLOSED = "closed"
ABANDONED = "abandoned"
"""Open or waiting, and silent for long: said when somebody looks, never stored. What comes later is
taken like anything else."""

ABANDONED_AFTER_S = 7 * 86_400


def status_at(
    status: str, end_ns: int, now_ns: int, abandoned_after_s: int = ABANDONED_AFTER_S
) -> str:
    """Return the status of a trajectory as it is now.

    Args:
        status: as stored.
        end_ns: when its last span ended, UTC nanoseconds.
        now_ns: the clock, UTC nanoseconds.
        abandoned_after_s: how long it may be silent.
    """
    is_silent = now_ns - end_ns > abandoned_after_s * 10**9
    return ABANDONED if is_silent and status in (OPEN, WAITING) else status
