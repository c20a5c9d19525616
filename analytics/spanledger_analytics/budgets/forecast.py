"""Where spending leads: burn rate, a forecast of the window's end with an interval, exhaustion.

The forecast is seasonal-naive with a bootstrap of whole days (Hyndman and Athanasopoulos,
Forecasting: Principles and Practice, 3rd ed., sections 5.2 and 5.5, https://otexts.com/fpp3): each
day to come is drawn from the same weekday of the last six weeks, hour by hour as it was, and what
is left of today and of the last day from the same hours. Days are drawn whole because hours of one
day rise and fall together; drawn one by one they would give an interval that is too narrow.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from spanledger_storage.budget_windows import Window

HOUR_S = 3_600
DAY_S = 86_400
FUTURES = 400
LEAST_WEEKS = 2
"""Of the same weekday; with fewer, days of any weekday stand in."""
LEAST_DAYS = 3
"""With fewer, only the burn rate leads on, without an interval."""
_INTERVAL = (0.1, 0.9)
_BURN_HOURS = 1
_STEP = Decimal("1e-12")

Method = Literal["weekday", "day", "burn", ""]
"""Drawn from the same weekday, from any day, from the burn rate alone; empty: nothing is known."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a window will hold at its end, as an estimate, in the unit of its measure.

    Attributes:
        burn_per_hour: of the last whole hour and the one that runs.
        low: one future in ten ends below; ``high``: one in ten above. None: too little history.
        mid: the median future.
        exhausts_at_s: when the median future reaches the hard limit, to the hour; None: not in
            this window.
        exhaustion_ratio: share of futures that end at the limit or above; None: too little
            history, or no limit.
    """

    burn_per_hour: Decimal
    low: Decimal | None
    mid: Decimal | None
    high: Decimal | None
    method: Method
    exhausts_at_s: int | None
    exhaustion_ratio: Decimal | None


def burn_per_hour(hours: Mapping[int, Decimal], window: Window, now_s: int) -> Decimal:
    """Return the spending per hour since the hour before this one began, or the window.

    Args:
        hours: amounts by the unix second an hour begins at.
        window: that of the budget.
        now_s: the clock.
    """
    current_s = now_s // HOUR_S * HOUR_S
    since_s = max(current_s - _BURN_HOURS * HOUR_S, -(-window.start_s // HOUR_S) * HOUR_S)
    amount = sum((a for hour, a in hours.items() if since_s <= hour <= current_s), Decimal(0))
    elapsed_s = now_s - since_s
    return (amount * HOUR_S / elapsed_s).quantize(_STEP) if elapsed_s > 0 else Decimal(0)


def forecast(
    hours: Mapping[int, Decimal],
    spent: Decimal,
    hard_limit: Decimal | None,
    window: Window,
    now_s: int,
    *,
    is_rolling: bool,
    seed: str,
) -> Forecast:
    """Return where the spending of a window leads.

    A rolling window has no end: what it will hold one length from now is told, when nothing of
    today is left in it.

    Args:
        hours: past amounts by the unix second an hour begins at; the longer ago, up to six weeks,
            the better. An hour without spending may be left out after the first.
        spent: in the window so far.
        hard_limit: of the budget.
        window: its window at ``now_s``.
        now_s: the clock.
        is_rolling: whether the window moves.
        seed: the same one gives the same futures.
    """
    burn = burn_per_hour(hours, window, now_s)
    end_s = now_s + (window.end_s - window.start_s) if is_rolling else window.end_s
    carried = 0.0 if is_rolling else float(spent)
    past = _Past(hours, now_s)
    if past.days < LEAST_DAYS:
        return _by_burn(burn, spent, hard_limit, end_s, now_s, is_rolling=is_rolling)
    chance = random.Random(f"{seed} {window.start_s}")
    futures = sorted(
        (past.future(end_s, chance) for _ in range(FUTURES)), key=lambda future: future.total
    )
    totals = [carried + future.total for future in futures]
    median = futures[len(futures) // 2]
    ratio = None
    if hard_limit is not None:
        over = sum(total >= hard_limit for total in totals)
        ratio = (Decimal(over) / len(totals)).quantize(Decimal("0.001"))
    return Forecast(
        burn_per_hour=burn,
        low=_exact(totals[int(_INTERVAL[0] * len(totals))]),
        mid=_exact(totals[len(totals) // 2]),
        high=_exact(totals[int(_INTERVAL[1] * len(totals))]),
        method="weekday" if past.days >= 7 * LEAST_WEEKS else "day",
        exhausts_at_s=_exhaustion(past, median, spent, hard_limit, now_s, window, is_rolling),
        exhaustion_ratio=ratio,
    )


@dataclass(frozen=True, slots=True)
class _Future:
    """One future: for each day to come, when it begins and how many days back it was drawn."""

    days: Sequence[tuple[int, int]]
    total: float


class _Past:
    """Whole days that have passed, counted back from the current hour."""

    def __init__(self, hours: Mapping[int, Decimal], now_s: int) -> None:
        self.now_s = now_s
        self.hour_s = now_s // HOUR_S * HOUR_S
        self._hours = {hour: float(amount) for hour, amount in hours.items() if hour < self.hour_s}
        first = min(self._hours, default=self.hour_s)
        self.days = (self.hour_s - first) // DAY_S
        self._sums: dict[tuple[int, int], float] = {}

    def amount(self, hour: int) -> float:
        """Return what was spent in an hour."""
        return self._hours.get(hour, 0.0)

    def future(self, end_s: int, chance: random.Random) -> _Future:
        """Draw a future: for each day to come, a day of the past."""
        days: list[tuple[int, int]] = []
        total, ahead = 0.0, 0
        while self.hour_s + ahead * DAY_S < end_s:
            start_s = self.hour_s + ahead * DAY_S
            back = self._back(ahead, chance)
            days.append((start_s, back))
            total += self._sum(start_s, back, end_s)
            ahead += 1
        return _Future(days, total)

    def _back(self, ahead: int, chance: random.Random) -> int:
        """Return how many days before its own one a future day is drawn from."""
        if self.days >= 7 * LEAST_WEEKS:
            weeks = min(self.days // 7, 6)
            return 7 * (ahead // 7 + chance.randint(1, weeks))
        return ahead + chance.randint(1, self.days)

    def _sum(self, start_s: int, back: int, end_s: int) -> float:
        """Return what the hours of one day drawn spend between now and the end."""
        key = (start_s, back)
        if key not in self._sums:
            self._sums[key] = sum(
                self.amount(hour - back * DAY_S) * _share(hour, self.now_s, end_s)
                for hour in range(start_s, start_s + DAY_S, HOUR_S)
            )
        return self._sums[key]


def _share(hour: int, now_s: int, end_s: int) -> float:
    """Return the share of an hour that lies between now and the end."""
    return max(0, min(hour + HOUR_S, end_s) - max(hour, now_s)) / HOUR_S


def _exhaustion(
    past: _Past,
    future: _Future,
    spent: Decimal,
    hard_limit: Decimal | None,
    now_s: int,
    window: Window,
    is_rolling: bool,
) -> int | None:
    """Return the hour in which a future reaches the limit; of a rolling one, as old hours leave."""
    if hard_limit is None:
        return None
    if spent >= hard_limit:
        return now_s
    used, limit = float(spent), float(hard_limit)
    length_s = window.end_s - window.start_s
    end_s = now_s + length_s if is_rolling else window.end_s
    for start_s, back in future.days:
        for hour in range(start_s, start_s + DAY_S, HOUR_S):
            used += past.amount(hour - back * DAY_S) * _share(hour, now_s, end_s)
            if is_rolling and hour > now_s:
                used -= past.amount(hour - length_s // HOUR_S * HOUR_S)
            if hour < end_s and used >= limit:
                return max(hour, now_s)
    return None


def _by_burn(
    burn: Decimal,
    spent: Decimal,
    hard_limit: Decimal | None,
    end_s: int,
    now_s: int,
    *,
    is_rolling: bool,
) -> Forecast:
    exhausts_at_s = None
    if hard_limit is not None and spent >= hard_limit:
        exhausts_at_s = now_s
    elif hard_limit is not None and burn:
        at_s = now_s + int((hard_limit - spent) * HOUR_S / burn)
        exhausts_at_s = at_s if at_s < end_s else None
    if not burn and not spent:
        return Forecast(burn, None, None, None, "", exhausts_at_s, None)
    mid = (0 if is_rolling else spent) + burn * max(0, end_s - now_s) / HOUR_S
    return Forecast(burn, None, mid.quantize(_STEP), None, "burn", exhausts_at_s, None)


def _exact(estimate: float) -> Decimal:
    return Decimal(repr(estimate)).quantize(_STEP)
