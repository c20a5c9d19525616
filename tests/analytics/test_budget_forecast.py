"""Forecasts of budgets: exact where the future repeats the past, honest where there is none."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from spanledger_analytics.budgets.forecast import Forecast, burn_per_hour, forecast
from spanledger_storage.budget_windows import Window, window_at

NOW_S = 1_795_000_000  # 2026-11-18T10:26:40Z, a Wednesday
HOUR = NOW_S // 3_600 * 3_600
DAY = Window(NOW_S // 86_400 * 86_400, NOW_S // 86_400 * 86_400 + 86_400)
MONTH = window_at("month", "UTC", None, NOW_S)


def seen(*values: object) -> tuple[object, ...]:
    """Figures of any type, to compare with whole numbers."""
    return values


def past(days: int, amount: str = "1") -> dict[int, Decimal]:
    return {HOUR - 3_600 * hour: Decimal(amount) for hour in range(1, 24 * days + 1)}


def told(hours: dict[int, Decimal], window: Window = DAY, **more: object) -> Forecast:
    spent = Decimal(str(more.pop("spent", "10")))
    limit = Decimal(str(more.pop("limit", "20")))
    return forecast(hours, spent, limit, window, NOW_S, is_rolling=bool(more.pop("rolling", False)),
                    seed="b")  # fmt: skip


def test_what_repeats_every_hour_is_foreseen_exactly() -> None:
    found = told(past(21))
    left = Decimal(DAY.end_s - NOW_S) / 3_600
    assert found.method == "weekday"
    assert found.low == found.mid == found.high
    assert found.mid is not None
    assert abs(found.mid - (10 + left)) < Decimal("1e-6")
    assert found.exhausts_at_s == HOUR + 10 * 3_600  # 10 left, one an hour, a part of this one gone
    assert found.exhaustion_ratio == 1


def test_weekends_are_not_workdays() -> None:
    """Nothing is spent on Saturdays and Sundays, 24 a day else; until the 30th, a Monday."""
    hours = {
        HOUR - 3_600 * n: Decimal(1)
        for n in range(1, 24 * 42 + 1)
        if ((HOUR - 3_600 * n) // 86_400 + 4) % 7 not in (0, 6)
    }
    found = told(hours, MONTH, spent="0", limit="1000")
    workdays = sum((day + 4) % 7 not in (0, 6) for day in
                   range(NOW_S // 86_400 + 1, MONTH.end_s // 86_400))  # fmt: skip
    expected = Decimal(workdays * 24) + Decimal(DAY.end_s - NOW_S) / 3_600
    assert found.mid is not None
    assert abs(found.mid - expected) < Decimal("1e-6")
    assert seen(found.exhausts_at_s, found.exhaustion_ratio) == (None, 0)


def test_the_interval_holds_what_comes_as_often_as_it_says() -> None:
    """Days that differ by chance: eight of ten ends lie between low and high."""
    chance = random.Random(3)
    inside = 0
    for _ in range(60):
        days = [Decimal(str(round(chance.lognormvariate(3, 0.5), 6))) for _ in range(43)]
        hours = {HOUR - 3_600 * n: days[(n - 1) // 24] / 24 for n in range(1, 24 * 42 + 1)}
        window = Window(NOW_S - 86_400, HOUR + 7 * 86_400)
        found = told(hours, window, spent="0", limit="9999")
        come = sum(Decimal(str(chance.lognormvariate(3, 0.5))) for _ in range(7))
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= come <= found.high
    assert 40 <= inside <= 58


def test_too_little_history_is_said() -> None:
    short = told({HOUR: Decimal(2), HOUR - 3_600: Decimal(2)})
    assert seen(short.method, short.low, short.high, short.exhaustion_ratio) == (
        "burn", None, None, None,
    )  # fmt: skip
    assert short.mid is not None
    assert short.exhausts_at_s is not None
    nothing = told({}, spent="0")
    assert seen(nothing.method, nothing.mid, nothing.burn_per_hour) == ("", None, 0)
    assert seen(told({}).method, told({}).mid, told({}).exhausts_at_s) == ("burn", 10, None)
    assert told(past(5)).method == "day"


def test_the_burn_rate_is_of_the_last_hours_in_the_window() -> None:
    hours = {HOUR: Decimal(3), HOUR - 3_600: Decimal(6), HOUR - 7_200: Decimal(100)}
    elapsed = Decimal(3_600 + NOW_S - HOUR) / 3_600
    assert abs(burn_per_hour(hours, DAY, NOW_S) - 9 / elapsed) < Decimal("1e-11")
    begun = Window(HOUR, HOUR + 86_400)
    only_now = Decimal(3) * 3_600 / (NOW_S - HOUR)
    assert abs(burn_per_hour(hours, begun, NOW_S) - only_now) < Decimal("1e-11")
    assert burn_per_hour({}, DAY, NOW_S) == 0


def test_a_rolling_window_is_foreseen_one_length_ahead() -> None:
    window = Window(NOW_S - 86_400, NOW_S)
    found = told(past(21), window, spent="24", limit="30", rolling=True)
    assert found.mid is not None
    assert abs(found.mid - 24) < Decimal("1e-6")
    assert found.exhausts_at_s is None
    assert told(past(21), window, spent="31", limit="30", rolling=True).exhausts_at_s == NOW_S


@pytest.mark.parametrize("limit", ["10", "9"])
def test_a_limit_that_is_reached_is_reached_now(limit: str) -> None:
    assert told(past(21), limit=limit).exhausts_at_s == NOW_S


def test_the_same_seed_tells_the_same() -> None:
    hours = {hour: amount * (hour // 86_400 % 5) for hour, amount in past(30).items()}
    assert told(hours, MONTH) == told(hours, MONTH)
