"""Numbers by rank, against every pair counted one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.drift.numbers import compare_numbers

VALUES = st.lists(st.integers(0, 8), min_size=1, max_size=40)


@given(VALUES, VALUES)
def test_delta_counts_the_pairs(before: list[int], now: list[int]) -> None:
    pairs = [(b > a) - (b < a) for a in before for b in now]
    found = compare_numbers(np.array(before, float), np.array(now, float))
    assert found.delta == pytest.approx(sum(pairs) / len(pairs))
    assert 0 <= found.p_value <= 1
    turned = compare_numbers(np.array(now, float), np.array(before, float))
    assert turned.delta == pytest.approx(-found.delta)
    assert turned.p_value == pytest.approx(found.p_value)


def test_z_is_that_of_the_textbook() -> None:
    # Without ties: z = (U - n m / 2) / sqrt(n m (n + m + 1) / 12).
    before, now = np.arange(0, 40, 2.0), np.arange(15, 45, 2.0)
    u = sum(b > a for a in before for b in now)
    n, m = len(before), len(now)
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    found = compare_numbers(before, now)
    assert found.statistic == pytest.approx(z)
    assert found.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)))


def test_ties_are_corrected_for() -> None:
    random = np.random.default_rng(0)
    rejected = 0
    for _ in range(400):
        drawn = random.integers(0, 3, 200).astype(float)
        rejected += compare_numbers(drawn[:120], drawn[120:]).p_value < 0.05
    assert 8 <= rejected <= 36  # 20 expected; without the correction 5


def test_numbers_that_are_all_equal_do_not_differ() -> None:
    found = compare_numbers(np.ones(60), np.ones(50))
    assert (found.delta, found.p_value, found.statistic) == (0, 1, 0)
