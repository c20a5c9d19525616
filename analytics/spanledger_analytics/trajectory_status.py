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
VARIABLE = "SPANLEDGER_ABANDONED_AFTER_DAYS"
_MOST_DAYS = 36_500


def abandoned_after_s(days: str) -> int:
    """Return how long a trajectory may be silent, by what the variable says (empty: not set).

    Raises:
        ValueError: it says no number of days; with a sentence for whoever set it.
    """
    if not days:
        return ABANDONED_AFTER_S
    if not days.isdecimal() or not 0 < int(days) <= _MOST_DAYS:
        raise ValueError(f"{VARIABLE} is {days!r}; give whole days from 1 to {_MOST_DAYS}.")
    return int(days) * 86_400
