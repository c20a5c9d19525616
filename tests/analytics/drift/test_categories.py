"""Counts of actions: the statistics against formulas and other ways to compute them."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spanledger_analytics.drift.categories import (
    REST,
    chi_squared_tail,
    compare_counts,
    count,
    make_shuffles,
    tail,
)


def trajectories(*counts: dict[str, int]) -> list[Counter[str]]:
    return [Counter(one) for one in counts]


def test_the_figures_are_those_of_the_formulas() -> None:
    before = trajectories(*[{"a": 8, "b": 2}] * 10)
    now = trajectories(*[{"a": 4, "b": 6}] * 10)
    data = count(before, now)
    found = compare_counts(data, make_shuffles(10, 10, seed=1))
    # By hand: p = (0.8, 0.2), q = (0.4, 0.6), 100 actions each.
    g = 2 * (
        80 * math.log(80 / 60)
        + 20 * math.log(20 / 40)
        + 40 * math.log(40 / 60)
        + 60 * math.log(60 / 40)
    )
    assert found.statistic == pytest.approx(g)
    js = 0.5 * (0.8 * math.log2(0.8 / 0.6) + 0.2 * math.log2(0.2 / 0.4)) + 0.5 * (
        0.4 * math.log2(0.4 / 0.6) + 0.6 * math.log2(0.6 / 0.4)
    )
    assert found.js_distance == pytest.approx(math.sqrt(js))
    psi = (0.4 - 0.8) * math.log(0.4 / 0.8) + (0.6 - 0.2) * math.log(0.6 / 0.2)
    assert found.psi + found.noise == pytest.approx(psi, rel=0.03)  # half an action is added
    assert [(t.name, round(t.before, 3), round(t.now, 3)) for t in found.terms] == [
        ("b", 0.2, 0.6),
        ("a", 0.8, 0.4),
    ]
    assert found.terms[0].psi > 0 > found.terms[1].psi


def test_the_noise_of_independent_actions_is_what_theory_says() -> None:
    random = np.random.default_rng(2)
    names = [f"t{n}" for n in range(12)]
    drawn = random.integers(0, 12, 3_000)
    actions = [Counter([names[n]]) for n in drawn]  # one action each: nothing depends on another
    data = count(actions[:2_500], actions[2_500:])
    found = compare_counts(data, make_shuffles(2_500, 500, seed=3))
    assert found.noise == pytest.approx(11 * (1 / 2_500 + 1 / 500), rel=0.05)


def test_long_trajectories_are_no_evidence_of_their_own() -> None:
    # Each does one thing a hundred times: three of twenty differ, and that happens by chance.
    before = trajectories(*[{"a": 100}] * 10, *[{"b": 100}] * 10)
    now = trajectories(*[{"a": 100}] * 13, *[{"b": 100}] * 7)
    found = compare_counts(count(before, now), make_shuffles(20, 20, seed=4))
    assert found.statistic > 90  # taken for 4,000 independent actions, p would be 1e-21
    assert found.p_value > 0.2


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 50), max_size=8), min_size=2
    ),
    st.integers(0, 2**32),
)
@settings(max_examples=40, deadline=None)
def test_any_counts_give_finite_figures(sides: list[dict[str, int]], seed: int) -> None:
    half = len(sides) // 2
    before, now = trajectories(*sides[:half]), trajectories(*sides[half:])
    assume(any(before) and any(now))
    data = count(before, now)
    assert data.counts.sum() == sum(sum(one.values()) for one in sides)
    found = compare_counts(data, make_shuffles(len(before), len(now), seed))
    assert 0 < found.p_value <= 1
    assert 0 <= found.js_distance <= 1 + 1e-9
    assert sum(t.before for t in found.terms) == pytest.approx(1)
    assert sum(t.now for t in found.terms) == pytest.approx(1)
    assert all(map(math.isfinite, (found.statistic, found.psi, found.psi_error, found.noise)))


def test_where_nothing_changed_p_values_are_as_frequent_as_they_say() -> None:
    random = np.random.default_rng(11)
    names = [f"t{n}" for n in range(6)]
    usual = np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
    p_values: list[float] = []
    for seed in range(100):
        own = random.dirichlet(usual * 4, 120)  # trajectories with habits of their own
        drawn = [random.multinomial(10, mix) for mix in own]
        sides = [Counter(dict(zip(names, map(int, row), strict=True))) for row in drawn]
        data = count(sides[:80], sides[80:])
        p_values.append(compare_counts(data, make_shuffles(80, 40, seed)).p_value)
    # 5 and 1 are expected; taken for independent actions, half of all would be below 0.05.
    assert 1 <= sum(p <= 0.05 for p in p_values) <= 13
    assert sum(p <= 0.01 for p in p_values) <= 5


def test_rare_actions_are_one() -> None:
    before = trajectories({"a": 1_000, "rare": 3, "rarer": 2})
    data = count(before, trajectories({"a": 100}))
    assert data.names == ("a", REST)
    assert data.counts.tolist() == [[1_000, 5], [100, 0]]


def test_as_many_are_drawn_as_there_are_and_always_the_same() -> None:
    shuffles = make_shuffles(30, 12, seed=5)
    assert set(shuffles.sum(axis=1).tolist()) == {12.0}
    assert (shuffles == make_shuffles(30, 12, seed=5)).all()
    assert (shuffles != make_shuffles(30, 12, seed=6)).any()
    assert shuffles.mean(axis=0).std() < 0.03  # every trajectory is drawn as often


@pytest.mark.parametrize(
    ("value", "degrees", "expected"),
    # From tables of the chi-squared distribution.
    [(3.841, 1, 0.05), (18.307, 10, 0.05), (29.588, 10, 0.001), (59.703, 30, 0.001)],
)
def test_the_tail_is_that_of_the_tables(value: float, degrees: float, expected: float) -> None:
    assert chi_squared_tail(value, degrees) == pytest.approx(expected, rel=0.08)


def test_a_statistic_beyond_all_shuffles_is_rarer_than_one_in_a_thousand() -> None:
    by_chance = np.random.default_rng(7).chisquare(11, 999)
    assert tail(200.0, by_chance) < 1e-20
    assert tail(float(np.median(by_chance)), by_chance) == pytest.approx(0.5, abs=0.01)
    assert tail(5.0, np.zeros(999)) == 1 / 1000  # nothing is known of the tail
