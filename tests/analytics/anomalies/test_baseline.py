"""What a series should be: learnt from the season, causal, unmoved by what is odd."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_analytics.anomalies.baseline import DAYS, HOURS, Grain, Track

HOURS_OF_WEEKS = 5 * 168


def seasonal(seed: int, noise: float = 0.1, series: int = 3) -> np.ndarray:
    """Logarithms with a daily and a weekly season."""
    chance = np.random.default_rng(seed)
    at = np.arange(HOURS_OF_WEEKS)
    daily = 0.8 * np.sin(at / 24 * 2 * np.pi)
    weekly = np.where(at // 24 % 7 >= 5, -1.0, 0.0)
    return 8 + daily + weekly + chance.normal(0, noise, (series, len(at)))


def test_the_season_is_learnt_and_noise_is_no_outlier() -> None:
    values = seasonal(1)
    tracked = Track(values, HOURS).run()
    late = slice(4 * 168, None)
    error = values[:, late] - tracked.expected[:, late]
    assert np.sqrt((error**2).mean()) < 0.2  # the seasons alone are 0.6 and 0.45
    assert (np.abs(tracked.z[:, late]) < 4).all()


def test_an_outlier_moves_nothing_and_a_lasting_step_is_accepted_after_three_days() -> None:
    values = seasonal(2)
    spiked = values.copy()
    spiked[:, 700:703] += np.log(5)
    plain, odd = Track(values, HOURS).run(), Track(spiked, HOURS).run()
    assert (odd.z[:, 700:703] >= 4).all()
    assert np.abs(odd.expected[:, 703:750] - plain.expected[:, 703:750]).max() < 0.1
    stepped = values.copy()
    stepped[:, 700:] += np.log(5)
    new = Track(stepped, HOURS).run()
    assert (new.z[:, 700:771] >= 4).mean() > 0.95
    assert np.abs(new.z[:, 776:]).mean() < 2


def test_what_somebody_accepts_is_the_new_level_a_day_later() -> None:
    values = seasonal(3)
    values[0, 700:] += np.log(5)
    tracked = Track(values, HOURS)
    tracked.accepted = {0: 700}
    tracked.run()
    assert (tracked.z[0, 700:720] >= 4).all()
    assert np.abs(tracked.z[0, 726:770]).mean() < 2


@settings(max_examples=4, deadline=None)
@given(st.integers(400, HOURS_OF_WEEKS - 1), st.integers(0, 5))
def test_no_step_depends_on_later_ones(cut: int, seed: int) -> None:
    values = seasonal(seed, series=1)
    changed = values.copy()
    changed[:, cut:] += 3
    one, other = Track(values, HOURS).run(), Track(changed, HOURS).run()
    np.testing.assert_array_equal(one.expected[:, : cut + 1], other.expected[:, : cut + 1])


@pytest.mark.parametrize("moves", [(1,) * 30, (24, 5, 1), (168,)])
def test_going_on_hour_by_hour_is_the_same_as_beginning_anew(moves: tuple[int, ...]) -> None:
    values = seasonal(4)
    length = HOURS_OF_WEEKS - sum(moves)
    tracked, place = Track(values[:, :length], HOURS).run(), length
    for move in moves:
        tracked.forward(move)
        tracked.values[:, -move:] = values[:, place : place + move]
        tracked.run(length - move)
        place += move
    whole = Track(values, HOURS).run()
    # The first hours are forgotten, so the seasons of six weeks ago are; levels are kept.
    np.testing.assert_allclose(tracked.expected[:, -1], whole.expected[:, -1], atol=0.05)
    np.testing.assert_array_equal(tracked.seen[:, -1], whole.seen[:, -1])


@pytest.mark.parametrize("grain", [HOURS, DAYS])
@pytest.mark.parametrize(
    "values",
    [
        np.full((2, 60), np.nan),
        np.zeros((2, 60)),
        np.full((2, 1), 3.0),
        np.zeros((0, 60)),
        np.zeros((2, 0)),
    ],
    ids=["gaps", "zeros", "one point", "no series", "no steps"],
)
def test_nothing_odd_is_seen_where_there_is_nothing(grain: Grain, values: np.ndarray) -> None:
    tracked = Track(values, grain).run()
    assert not (np.abs(np.nan_to_num(tracked.z)) >= 1).any()


def test_time_before_a_series_began_changes_nothing_of_what_is_expected() -> None:
    random = np.random.default_rng(5)
    hours = np.arange(24 * 6)  # within the first week no weekday is compared
    value = 3 + np.sin(hours / 24 * 2 * np.pi) + random.normal(0, 0.1, len(hours))
    before = np.full(24 * 14, np.nan)
    alone = Track(value[None, :], HOURS).run()
    later = Track(np.append(before, value)[None, :], HOURS).run()
    for name in ("expected", "scale", "z"):
        told = getattr(later, name)[:, len(before) :]
        np.testing.assert_allclose(told, getattr(alone, name), atol=1e-12)
    third_day = slice(48, 72)
    assert np.abs(alone.expected[0, third_day] - value[third_day]).max() < 0.6
