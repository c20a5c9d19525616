"""What a day costs: today against earlier days at the same time, and the month to its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import accumulate
from typing import cast

from spanledger_analytics.forecasting.month_end import HISTORY_S, MonthEnd, of_hours
from spanledger_storage.budget_windows import Window
from spanledger_storage.store import Store

_MINUTE_S = 60
_HOUR_S = 3_600

Piece = tuple[int, Decimal]
"""Start in unix seconds, and dollars: of an hour, or of a minute of an hour that is cut."""


@dataclass(frozen=True, slots=True)
class Moments:
    """The instants at which days and the month begin on a reader's clock, unix seconds.

    Attributes:
        now_s: on a whole minute.
        today_s: midnight; ``yesterday_s`` and ``last_week_s``: one and seven days earlier.
        last_week_end_s: midnight after the day a week ago.
        yesterday_now_s: the same time of day, yesterday; ``last_week_now_s``: a week ago.
        month_s: first of the month; ``month_end_s``: first of the next.
    """

    now_s: int
    today_s: int
    yesterday_s: int
    yesterday_now_s: int
    last_week_s: int
    last_week_now_s: int
    last_week_end_s: int
    month_s: int
    month_end_s: int

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
            last_week_end_s=unix(midnight, 6),
            month_s=unix(month),
            month_end_s=unix(next_month),
        )

    @property
    def first_s(self) -> int:
        """The earliest instant of interest: a forecast takes weeks."""
        return min(self.month_s, self.now_s - HISTORY_S)

    @property
    def cut_hours_s(self) -> list[int]:
        """Hours with an instant inside, whose minutes are needed; most zones cut only three."""
        instants = [self.now_s, self.yesterday_now_s, self.last_week_now_s, self.today_s]
        instants += [self.yesterday_s, self.last_week_s, self.last_week_end_s, self.month_s]
        return sorted({t - t % _HOUR_S for t in instants if t % _HOUR_S})


@dataclass(frozen=True, slots=True)
class DaySpend:
    """Dollars of what is priced.

    Attributes:
        moments: what they are about.
        yesterday_usd: until the same time of day; ``last_week_usd``: of the same weekday.
        month_usd: since the first of the month.
        month_end: where that leads.
        curves: of today, yesterday and the day a week ago: dollars since midnight at the end of
            each hour.
    """

    moments: Moments
    today_usd: Decimal
    yesterday_usd: Decimal
    last_week_usd: Decimal
    month_usd: Decimal
    month_end: MonthEnd
    curves: tuple[tuple[Decimal, ...], ...]


def load_day_spend(store: Store, project: str, zone: tzinfo, now_s: int) -> DaySpend:
    """Read what today and the month have cost until now.

    Raises:
        StoreError: the store does not answer.
    """
    at = Moments.at(now_s, zone)
    first_s, to_s = at.first_s - at.first_s % _HOUR_S, at.now_s + _HOUR_S
    params = {"project": project, "from_s": first_s, "to_s": to_s}
    hours = _pieces(store.rows("dashboard_spend_hours", params))
    cut = at.cut_hours_s
    minutes = _pieces(store.rows("dashboard_spend_minutes", {"project": project, "hours": cut}))
    pieces = [piece for piece in hours if piece[0] not in cut]
    window = Window(at.month_s, at.month_end_s)
    begun = spent(minutes, at.month_s, -(-at.month_s // _HOUR_S) * _HOUR_S)
    month_end = of_hours(project, None, dict(hours), window, at.now_s, begun)
    return day_spend(at, [*pieces, *minutes], month_end)


def day_spend(at: Moments, pieces: Sequence[Piece], month_end: MonthEnd) -> DaySpend:
    """Return the sums over pieces, each of which lies on one side of every instant; pure."""
    return DaySpend(
        moments=at,
        today_usd=spent(pieces, at.today_s, at.now_s),
        yesterday_usd=spent(pieces, at.yesterday_s, at.yesterday_now_s),
        last_week_usd=spent(pieces, at.last_week_s, at.last_week_now_s),
        month_usd=spent(pieces, at.month_s, at.now_s),
        month_end=month_end,
        curves=(
            _curve(pieces, at.today_s, at.now_s),
            _curve(pieces, at.yesterday_s, at.today_s),
            _curve(pieces, at.last_week_s, at.last_week_end_s),
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
