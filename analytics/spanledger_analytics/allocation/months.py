"""Calendar months on somebody's clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from spanledger_analytics.allocation.errors import AllocationError

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month; hashable, so that cached functions can take it.

    Attributes:
        text: ``2026-11``.
        start_s, end_s: UTC seconds, half open.
    """

    text: str
    start_s: int
    end_s: int

    @property
    def is_hourly(self) -> bool:
        """Whether it begins and ends on an hour of UTC."""
        return self.start_s % _HOUR_S == 0 and self.end_s % _HOUR_S == 0

    def elapsed_s(self, now_s: int) -> int:
        """Return how much of it is over, seconds; at most its length."""
        return max(0, min(now_s, self.end_s) - self.start_s)


def month_of(text: str, zone: tzinfo) -> Month:
    """Return a month written as 2026-11.

    Raises:
        AllocationError: it is not written so, or out of range.
    """
    found = _MONTH.fullmatch(text.strip())
    if not found or not 1 <= int(found[2]) <= 12 or not 1970 <= int(found[1]) <= 2105:
        raise AllocationError(f"A month is written like 2026-11, not {text[:20]!r}.")
    start = datetime(int(found[1]), int(found[2]), 1, tzinfo=zone)
    after = (start.replace(tzinfo=None) + timedelta(days=32)).replace(day=1, tzinfo=zone)
    return Month(text.strip(), _unix_s(start), _unix_s(after))


def month_at(unix_s: int, zone: tzinfo) -> Month:
    """Return the month a moment lies in."""
    return month_of(f"{datetime.fromtimestamp(unix_s, zone):%Y-%m}", zone)


def month_before(month: Month, zone: tzinfo) -> Month:
    """Return the month before; of the first one there is, itself."""
    first = datetime.fromtimestamp(month.start_s, zone).replace(tzinfo=None)
    text = f"{first - timedelta(days=1):%Y-%m}"
    return month_of(text, zone) if text >= "1970-01" else month


def as_far(before: Month, month: Month, now_s: int) -> Month:
    """Return as much of the month before as is over of a month, to the hour: what compares."""
    if now_s >= month.end_s:
        return before
    elapsed_s = month.elapsed_s(now_s) // _HOUR_S * _HOUR_S
    return Month(before.text, before.start_s, min(before.end_s, before.start_s + elapsed_s))


def recent_months(now_s: int, zone: tzinfo, count: int) -> list[Month]:
    """Return the last months, the running one first."""
    found = [month_at(now_s, zone)]
    while len(found) < count:
        found.append(month_before(found[-1], zone))
    return found


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its IANA name.

    Raises:
        AllocationError: this machine knows no such zone.
    """
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise AllocationError(
            f"{name!r} is no time zone here; write one like Europe/Berlin, or UTC."
        ) from None


def _unix_s(moment: datetime) -> int:
    return max(0, int(moment.timestamp()))
