"""Months and days of a reconciliation, as people write them. Providers bill by UTC day."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from spanledger_analytics.errors import AnalyticsError

DAY_NS = 86_400 * 10**9
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FIRST, _LAST = date(1970, 1, 1), date(2105, 12, 31)  # what the store's time type can hold


class DaysError(AnalyticsError):
    """What was given is no month or days; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Days:
    """UTC days, the first and the last of them included."""

    first: date
    last: date

    @property
    def text(self) -> str:
        """As people write it: ``2026-11``, ``2026-11-18`` or ``2026-11-01..2026-11-18``."""
        if self.is_month:
            return f"{self.first:%Y-%m}"
        if self.first == self.last:
            return self.first.isoformat()
        return f"{self.first.isoformat()}..{self.last.isoformat()}"

    @property
    def is_month(self) -> bool:
        """Whether it is a calendar month."""
        return self == month_days(self.first)

    @property
    def bounds_ns(self) -> tuple[int, int]:
        """UTC nanoseconds, half open."""
        return start_ns(self.first), start_ns(self.last) + DAY_NS

    def is_over(self, now_ns: int) -> bool:
        """Return whether all of it is past."""
        return self.bounds_ns[1] <= now_ns


def days_of(text: str) -> Days:
    """Return what a text says: a month, a day, or two days with ``..`` between them.

    Raises:
        DaysError: it says something else.
    """
    first, dots, last = text.strip().partition("..")
    days = Days(_day(first, text), _day(last, text)) if dots else _month_or_day(first, text)
    if not _FIRST <= days.first <= days.last <= _LAST:
        raise DaysError(f"{text[:40]!r} ends before it begins, or lies outside of 1970 to 2105.")
    return days


def month_days(day: date) -> Days:
    """Return the month a day lies in."""
    length = calendar.monthrange(day.year, day.month)[1]
    return Days(day.replace(day=1), day.replace(day=length))


def month_before(day: date) -> Days:
    """Return the month before the one a day lies in."""
    return month_days(day.replace(day=1) - timedelta(days=1))


def start_ns(day: date) -> int:
    """Return the first instant of a day, UTC nanoseconds."""
    return (day - _FIRST).days * DAY_NS


def number_of(day: date) -> int:
    """Return a day as statements take it: days since 1970."""
    return (day - _FIRST).days


def day_at(time_ns: int) -> date:
    """Return the UTC day of a moment."""
    return datetime.fromtimestamp(time_ns // 10**9, UTC).date()


def _month_or_day(text: str, whole: str) -> Days:
    found = _MONTH.fullmatch(text)
    if found:
        return month_days(_day(f"{text}-01", whole))
    day = _day(text, whole)
    return Days(day, day)


def _day(text: str, whole: str) -> date:
    try:
        if _DAY.fullmatch(text.strip()):
            return date.fromisoformat(text.strip())
    except ValueError:
        pass
    raise DaysError(
        f"{whole[:40]!r} is no month or day; write 2026-11, 2026-11-18 or 2026-11-01..2026-11-18."
    )
