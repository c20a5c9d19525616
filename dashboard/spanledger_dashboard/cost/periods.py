"""The bars of the cost explorer, and the periods it compares: calendars on the reader's clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from spanledger_dashboard.cost.query import Stretch

_MINUTE_S = 60
_HOUR_S = 3_600
_DAY_S = 86_400
_MAX_BUCKETS = 750  # a month of hours

Step = Callable[[datetime], datetime]


@dataclass(frozen=True, slots=True)
class Grain:
    """How long a bar is.

    Attributes:
        key: in the address and in the picker.
        about_s: its usual length in seconds.
        floor: returns the start of the bar a moment lies in, on the reader's clock.
        after: returns the start of the next bar.
    """

    key: str
    about_s: int
    floor: Step
    after: Step


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _next_month(moment: datetime) -> datetime:
    return (moment.replace(day=1) + timedelta(days=32)).replace(day=1)


GRAINS = {
    g.key: g
    for g in (
        Grain(
            "5 minutes",
            5 * _MINUTE_S,
            lambda t: t.replace(minute=t.minute // 5 * 5, second=0, microsecond=0),
            lambda t: t + timedelta(minutes=5),
        ),
        Grain(
            "Hour",
            _HOUR_S,
            lambda t: t.replace(minute=0, second=0, microsecond=0),
            lambda t: t + timedelta(hours=1),
        ),
        Grain("Day", _DAY_S, _day, lambda t: t + timedelta(days=1)),
        Grain(
            "Week",
            7 * _DAY_S,
            lambda t: _day(t) - timedelta(days=t.weekday()),
            lambda t: t + timedelta(days=7),
        ),
        Grain("Month", 30 * _DAY_S, lambda t: _day(t).replace(day=1), _next_month),
    )
}
AUTO, TOTAL = "Auto", "Total"
_AUTO_BUCKETS = 72
_CALENDAR_S = _DAY_S  # from here on, bars are days of a calendar


def grain_of(choice: str, stretch: Stretch) -> Grain | None:
    """Return the grain for a choice, coarser where bars would be too many; None: one bar."""
    if choice == TOTAL:
        return None
    length = stretch.end_s - stretch.start_s
    limit = _MAX_BUCKETS if choice in GRAINS else _AUTO_BUCKETS
    least = GRAINS[choice].about_s if choice in GRAINS else 0
    fitting = [g for g in GRAINS.values() if g.about_s >= least and length / g.about_s <= limit]
    return fitting[0] if fitting else GRAINS["Month"]


def bucket_starts(stretch: Stretch, grain: Grain | None, zone: tzinfo) -> tuple[int, ...]:
    """Return the start of every bar that a stretch touches, unix seconds."""
    if grain is None:
        return (stretch.start_s,)
    if grain.about_s < _CALENDAR_S:
        # Hours are hours of the clock in every zone the ledger's hours can be told in.
        first = stretch.start_s - stretch.start_s % grain.about_s
        return tuple(range(first, stretch.end_s, grain.about_s))
    starts: list[int] = []
    moment = grain.floor(datetime.fromtimestamp(stretch.start_s, zone))
    while (start := int(moment.timestamp())) < stretch.end_s:
        starts.append(start)
        moment = grain.after(moment)
    return tuple(starts)


def bucket_end(starts: tuple[int, ...], start_s: int, stretch: Stretch) -> int:
    """Return where the bar that starts there ends, not beyond the stretch."""
    place = bisect_right(starts, start_s)
    return min(starts[place], stretch.end_s) if place < len(starts) else stretch.end_s


COMPARISONS = {
    "The period before": "before",
    "A week earlier": "week",
    "A month earlier": "month",
    "Another period": "custom",
}


def comparable(stretch: Stretch, now_s: int) -> Stretch | None:
    """Return what is over of a stretch, on whole hours where it is; None: nothing is."""
    step = _HOUR_S if stretch.is_hourly else _MINUTE_S
    end = min(stretch.end_s, now_s - now_s % step)
    return Stretch(stretch.start_s, end) if end > stretch.start_s else None


def earlier(
    stretch: Stretch, whole: Stretch, how: str, zone: tzinfo, custom: date | None = None
) -> Stretch | None:
    """Return the stretch to compare with; None where there is none before ``stretch``.

    Args:
        stretch: what is over of the chosen period.
        whole: the chosen period.
        how: a value of COMPARISONS.
        zone: of the reader: a week earlier is the same time of the day.
        custom: the first day of another period, which is as long.
    """
    length = stretch.end_s - stretch.start_s
    if how == "before":
        start_s = stretch.start_s - (whole.end_s - whole.start_s)
    elif how == "custom" and custom is not None:
        start_s = int(datetime(custom.year, custom.month, custom.day, tzinfo=zone).timestamp())
    elif how in ("week", "month"):
        start, end = (
            int(_back(datetime.fromtimestamp(t, zone), how).timestamp())
            for t in (stretch.start_s, stretch.end_s)
        )
        # The last days of a long month are all the last day of a short one.
        start_s, length = start, end - start if end > start else length
    else:
        return None
    return Stretch(start_s, start_s + length) if start_s + length <= stretch.start_s else None


def _back(moment: datetime, how: str) -> datetime:
    if how == "week":
        return moment - timedelta(days=7)
    last_month = moment.replace(day=1) - timedelta(days=1)
    return moment.replace(
        year=last_month.year, month=last_month.month, day=min(moment.day, last_month.day)
    )
