"""Rarity: what has been seen often is no news, whenever it comes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from spanledger_analytics.anomalies import slow
from spanledger_analytics.anomalies.baseline import HOURS, Track
from spanledger_analytics.anomalies.cells import HOUR_S, Key
from spanledger_analytics.anomalies.rarity import RARE_BITS, Levels
from spanledger_analytics.anomalies.series import Grid
from spanledger_analytics.anomalies.signals import Signal

HOURS_BACK = 40 * 24


def test_bits_are_the_share_of_earlier_values_as_near_as_a_sixteenth_of_the_range() -> None:
    levels = Levels([float(n) for n in range(1_000)])
    # 62.4375 to each side of 500: 62 below, itself, 62 above; and an eighth of a value for none
    assert levels.bits(500.0) == pytest.approx(-math.log2((125 + 1 / 16) / 1_000.5), abs=0.01)
    assert levels.bits(5_000.0) == pytest.approx(math.log2(16 * 1_000.5))


def test_a_level_becomes_usual_as_it_is_seen() -> None:
    levels = Levels([0.0, 1.0] * 200)
    before = levels.bits(10.0)
    for _ in range(10):
        levels.add(10.0)
    assert before > RARE_BITS > levels.bits(10.0)


@pytest.mark.parametrize("known", [[], [1.0], [1.0] * 19])
def test_nothing_is_rare_with_little_history(known: list[float]) -> None:
    assert Levels(known).bits(1e300) == 0.0


def test_a_flat_series_has_one_level() -> None:
    levels = Levels([3.0] * 500)
    assert levels.bits(3.0) == pytest.approx(0, abs=0.01)
    assert levels.bits(3.1) > RARE_BITS


def told(bursts: list[int], usual: int | Sequence[int] = 100) -> list[Signal]:
    """Return what is told of an agent with 100 calls an hour, and 400 in some, two hours each."""
    calls = np.random.default_rng(1).poisson(usual, HOURS_BACK).astype(float)
    for start in bursts:
        calls[start : start + 2] = 400
    cost = calls[None, :] * 1e-6
    seen = Grid((Key("agent", "batch"),), cost, calls[None, :], calls[None, :], 0)
    tracked = Track(np.log1p(calls)[None, :], HOURS).run()
    return list(slow.many_calls(seen, tracked, HOURS_BACK - 1))


def test_calls_never_seen_are_told_and_bursts_that_come_at_any_hour_are_not() -> None:
    last = HOURS_BACK - 10
    assert [one.start_s for one in told([last])] == [last * HOUR_S]
    irregular = [int(n) for n in np.random.default_rng(2).integers(100, last - 130, 4)]
    assert told([*irregular, last]) == []
    begun = [last - 80, last - 50, last]  # in the days that are looked at: still news
    assert [one.start_s for one in told(begun)] == [hour * HOUR_S for hour in begun]


def test_as_many_calls_as_by_day_are_news_at_night() -> None:
    by_hour = [30 if hour % 24 < 7 else 400 for hour in range(HOURS_BACK)]
    night = HOURS_BACK // 24 * 24 - 22
    assert told([], by_hour) == []
    assert [one.start_s for one in told([night], by_hour)] == [night * HOUR_S]
