"""What a day costs: today against earlier days at the same time, and the month to its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import accumulate
from typing import cast

from spanledger_storage.store import Store

MEAN_DAYS = 7
_MINUTE_S = 60
_HOUR_S = 3_600
_DAY_S = 86_400

Piece = tuple[int, Decimal]
"""Start in unix seconds, and dollars: of an hour, or of a minute of an hour that is cut."""


@dataclass(frozen=True, slots=True)
class Moments:
    """The instants at which days and the month begin on a reader's clock, unix seconds.

    Attributes:
        now_s: on a whole minute.
        today_s: midnight; ``yesterday_s`` and ``last_week_s``: one and seven days earlier.
        yesterday_now_s: the same time of day, yesterday; ``last_week_now_s``: a week ago.
        month_s: first of the month; ``month_end_s``: first of the next.
        days_s: midnights of the last seven days before today, the oldest first.
    """

    now_s: int
    today_s: int
    yesterday_s: int
    yesterday_now_s: int
    last_week_s: int
    last_week_now_s: int
    month_s: int
    month_end_s: int
    days_s: tuple[int, ...]

    @classmethod
    def at(cls, now_s: int, zone: tzinfo) -> Moments:
        """Return the instants around a moment; days are as long as the clock makes them."""
        now_s -= now_s % _MINUTE_S
        now = datetime.fromtimestamp(now_s, zone)
        midnight = now.replace(hour=0, minute=0)
        month = midnight.replace(day=1)
        next_month = (month + timedelta(days=32)).replace(day=1)

        def unix(moment: datetime, days: int = 0) -> int:
            return int((moment - timedelta(days=days)).timestamp())

        return cls(
            now_s=now_s,  # arithmetic on the wall clock forgets which pass of a repeated hour it is
            today_s=unix(midnight),
            yesterday_s=unix(midnight, 1),
            yesterday_now_s=unix(now, 1),
            last_week_s=unix(midnight, 7),
            last_week_now_s=unix(now, 7),
            month_s=unix(month),
            month_end_s=unix(next_month),
            days_s=tuple(unix(midnight, days) for days in range(MEAN_DAYS, 0, -1)),
        )

    @property
    def first_s(self) -> int:
        """The earliest instant of interest: a day more than is summed tells whether data begin."""
        return min(self.month_s, self.days_s[0] - _DAY_S)

    @property
    def cut_hours_s(self) -> list[int]:
        """Hours with an instant inside, whose minutes are needed; most zones cut only three."""
        instants = [self.now_s, self.yesterday_now_s, self.last_week_now_s, self.today_s]
        instants += [self.month_s, *self.days_s]
        return sorted({t - t % _HOUR_S for t in instants if t % _HOUR_S})


@dataclass(frozen=True, slots=True)
class DaySpend:
    """Dollars of what is priced.

    Attributes:
        moments: what they are about.
        yesterday_usd: until the same time of day; ``last_week_usd``: of the same weekday.
        month_usd: since the first of the month.
        mean_usd: mean of the last whole days, at most seven, since there is data; None: none yet.
        mean_days: how many these are.
        curves: of today, yesterday and the day a week ago: dollars since midnight at the end of
            each hour.
    """

    moments: Moments
    today_usd: Decimal
    yesterday_usd: Decimal
    last_week_usd: Decimal
    month_usd: Decimal
    mean_usd: Decimal | None
    mean_days: int
    curves: tuple[tuple[Decimal, ...], ...]

    @property
    def days_left(self) -> Decimal:
        """Days from now to the end of the month, today's rest included."""
        return Decimal(self.moments.month_end_s - self.moments.now_s) / _DAY_S

    @property
    def month_end_usd(self) -> Decimal | None:
        """Estimate of the whole month: what is spent, and the mean for every day that remains."""
        return None if self.mean_usd is None else self.month_usd + self.mean_usd * self.days_left


def load_day_spend(store: Store, project: str, zone: tzinfo, now_s: int) -> DaySpend:
    """Read what today and the month have cost until now.

    Raises:
        StoreError: the store does not answer.
    """
    at = Moments.at(now_s, zone)
    first_s, to_s = at.first_s - at.first_s % _HOUR_S, at.now_s + _HOUR_S
    hours = store.rows(
        "dashboard_spend_hours", {"project": project, "from_s": first_s, "to_s": to_s}
    )
    cut = at.cut_hours_s
    minutes = store.rows("dashboard_spend_minutes", {"project": project, "hours": cut})
    is_cut = set(cut)
    pieces = [p for p in _pieces(hours) if p[0] not in is_cut]
    return day_spend(at, [*pieces, *_pieces(minutes)])


def day_spend(at: Moments, pieces: Sequence[Piece]) -> DaySpend:
    """Return the sums over pieces, each of which lies on one side of every instant; pure."""
    began_s = min((start for start, _ in pieces), default=at.now_s)
    ends = [*at.days_s[1:], at.today_s]
    # The day on which data begin is not a whole one.
    whole = [
        spent(pieces, day, end) for day, end in zip(at.days_s, ends, strict=True) if day >= began_s
    ]
    return DaySpend(
        moments=at,
        today_usd=spent(pieces, at.today_s, at.now_s),
        yesterday_usd=spent(pieces, at.yesterday_s, at.yesterday_now_s),
        last_week_usd=spent(pieces, at.last_week_s, at.last_week_now_s),
        month_usd=spent(pieces, at.month_s, at.now_s),
        mean_usd=sum(whole, Decimal(0)) / len(whole) if whole else None,
        mean_days=len(whole),
        curves=(
            _curve(pieces, at.today_s, at.now_s),
            _curve(pieces, at.yesterday_s, at.today_s),
            _curve(pieces, at.last_week_s, at.days_s[1]),
        ),
    )


def spent(pieces: Iterable[Piece], from_s: int, to_s: int) -> Decimal:
    """Return the dollars of pieces that begin in a half-open stretch of time."""
    return sum((usd for start, usd in pieces if from_s <= start < to_s), Decimal(0))


def _pieces(rows: Iterable[dict[str, object]]) -> list[Piece]:
    return [(cast("int", row["start_s"]), cast("Decimal", row["cost_usd"])) for row in rows]


def _curve(pieces: Sequence[Piece], from_s: int, to_s: int) -> tuple[Decimal, ...]:
    """Return the dollars since ``from_s`` at the end of each hour; the last may be cut short."""
    hours = -(-(to_s - from_s) // _HOUR_S)
    sums = [Decimal(0)] * hours
    for start, usd in pieces:
        if from_s <= start < to_s:
            sums[(start - from_s) // _HOUR_S] += usd
    return tuple(accumulate(sums))
