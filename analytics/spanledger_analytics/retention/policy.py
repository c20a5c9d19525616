"""Which days of which project are past: settings and a clock in, days out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from spanledger_storage.project_settings import Project, Retention

_FIRST_DAY = date(1970, 1, 1)


class Kind(StrEnum):
    """What a number of days is set for."""

    CONTENT = "content"
    SPANS = "spans"
    METRICS = "metrics"
    LEDGER = "ledger"


Days = Mapping[str, int]
"""By project: the first UTC day that is kept, as YYYYMMDD."""


def kept_from(projects: Iterable[Project], kind: Kind, now_ns: int) -> dict[str, int]:
    """Return the first day that is kept, of every project that does not keep a kind for ever.

    ``n`` days are the last ``n`` whole UTC days and today, so nothing leaves before its time.
    Content never outlives the spans that refer to it.
    """
    days = {p.name: _days(p.settings.retention, kind) for p in projects}
    return {name: day_number(now_ns, n) for name, n in days.items() if n is not None}


def _days(retention: Retention, kind: Kind) -> int | None:
    match kind:
        case Kind.CONTENT:
            known = (retention.content_days, retention.spans_days)
            return min((n for n in known if n is not None), default=None)
        case Kind.SPANS:
            return retention.spans_days
        case Kind.METRICS:
            return retention.metrics_days
        case Kind.LEDGER:
            return retention.ledger_days


def day_number(now_ns: int, days_ago: int = 0) -> int:
    """Return a UTC day as YYYYMMDD; 19700101 for all days before it."""
    today = datetime.fromtimestamp(now_ns // 10**9, UTC).date()
    try:
        day = max(today - timedelta(days=days_ago), _FIRST_DAY)
    except OverflowError:
        day = _FIRST_DAY
    return day.year * 10_000 + day.month * 100 + day.day


def first_second(day: int) -> int:
    """Return when a day (YYYYMMDD) begins, in UNIX seconds."""
    begin = datetime(day // 10_000, day // 100 % 100, day % 100, tzinfo=UTC)
    return int(begin.timestamp())


def by_day(days: Days) -> dict[int, list[str]]:
    """Return the projects of each day: those that can be asked about together."""
    groups: defaultdict[int, list[str]] = defaultdict(list)
    for project, day in sorted(days.items()):
        groups[day].append(project)
    return dict(groups)
