"""When pages may read sums per hour, and percentiles from the histograms kept there."""

from __future__ import annotations

import math
from collections.abc import Mapping

from spanledger_dashboard.time_range import Window

# Columns of usage_hourly that tell its rows apart and are columns of the ledger, too.
_COLUMNS = frozenset(
    {"project", "kind", "provider", "model", "agent_name", "service_name", "environment"}
)
# And those of usage_by_user.
_COLUMNS_BY_USER = _COLUMNS | {"user_id"}
_HOUR_S = 3_600
_DAY_S = 86_400
_SCALE = 32  # buckets per doubling: migration 0044


def is_answered_hourly(columns: tuple[str, ...], *seconds: int, by_user: bool = False) -> bool:
    """Return whether hourly usage can tell these columns apart between times on whole hours.

    Args:
        columns: of the ledger, which group or narrow the entries.
        seconds: edges and widths of buckets, UNIX seconds.
        by_user: whether usage_by_user is meant, and not usage_hourly.
    """
    known = _COLUMNS_BY_USER if by_user else _COLUMNS
    return known.issuperset(columns) and not any(second % _HOUR_S for second in seconds)


def is_counted_hourly(
    columns: tuple[str, ...], window: Window, bucket_s: int, *, by_user: bool = False
) -> bool:
    """Return whether lists and percentiles come from hourly usage: over more than a day.

    Within a day every call is read, and percentiles are exact.
    """
    edges = (window.start_s, window.current_s, window.end_s, bucket_s)
    return window.length_s > _DAY_S and is_answered_hourly(columns, *edges, by_user=by_user)


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """Return the value below which a share of what a histogram counted lies; None: it is empty.

    Bucket i counts values from 2^(i/32) up to 2^((i+1)/32); its middle stands for them, which is
    within 1.1 % of each. Between two values it is interpolated, as where calls are read one by one.
    """
    number = sum(counts.values())
    if not number:
        return None
    rank = share * (number - 1)
    low, high = _value_at(counts, math.floor(rank)), _value_at(counts, math.ceil(rank))
    return low + (high - low) * (rank % 1)


def _value_at(counts: Mapping[int, int], place: int) -> float:
    """Return what stands for the value at a place (0: the smallest) of all that was counted."""
    below = 0
    for bucket in sorted(counts):
        below += counts[bucket]
        if below > place:
            return float(2 ** ((bucket + 0.5) / _SCALE))
    raise ValueError(f"place {place} of {below} values")
