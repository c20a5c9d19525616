"""Tails, false discoveries, slow growth, surprise: against figures from elsewhere."""

from math import comb, exp, factorial

import numpy as np
import pytest

from spanledger_analytics.anomalies.adtributor import Cell, Pair, drill, rank
from spanledger_analytics.anomalies.counts import discoveries, tail
from spanledger_analytics.anomalies.creep import LIMIT, cumulative


@pytest.mark.parametrize("count", [1, 4, 9, 15])
def test_tails_are_those_of_the_definition(count: int) -> None:
    mean, size = 6.0, 3
    share = size / (size + mean)  # of successes, in trials until the third failure
    below = sum(comb(n + size - 1, n) * share**size * (1 - share) ** n for n in range(count))
    assert tail(count, mean, mean + mean**2 / size) == pytest.approx(1 - below, rel=1e-9)
    poisson = sum(exp(-mean) * mean**n / factorial(n) for n in range(count))
    assert tail(count, mean, mean) == pytest.approx(1 - poisson, rel=1e-9)


def test_tails_of_nothing() -> None:
    assert tail(0, 5, 5) == 1
    assert tail(3, 0, 0) == 0


def test_false_discoveries_are_held_as_in_the_paper() -> None:
    # Benjamini and Hochberg (1995), section 3.2: 15 tests, of which four hold at q = 0.05.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    p += [0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    found = discoveries(np.array([*reversed(p), np.nan]))
    assert np.flatnonzero(found).tolist() == [11, 12, 13, 14]
    assert not discoveries(np.array([np.nan])).any()


def test_a_small_shift_adds_up_in_ten_days_and_noise_does_not() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (200, 100))
    reached = (cumulative(noise + 1) > LIMIT).argmax(axis=1)
    assert 7 <= np.median(reached) <= 12
    assert (cumulative(noise)[:, -1] > LIMIT).mean() < 0.02
    assert (cumulative(np.full((1, 50), np.nan)) == 0).all()


def cells(**spent: tuple[float, float]) -> list[Cell]:
    """Dollars expected and spent by ``agent_model``."""
    return [
        (dict(zip(("agent", "model"), name.split("_"), strict=True)), Pair(*usd))
        for name, usd in spent.items()
    ]


def test_the_dimension_with_few_surprising_elements_comes_first() -> None:
    found = rank(
        cells(a_x=(50, 100), a_y=(50, 100), b_x=(50, 52), b_y=(50, 50)),
        ["agent", "model"],
    )
    assert [one.dimension for one in found] == ["agent", "model"]
    assert [one.name for one in found[0].elements] == ["a"]
    assert found[0].elements[0].share == pytest.approx(100 / 102)
    path = drill(cells(a_x=(50, 50), a_y=(50, 140), b_x=(50, 50), b_y=(50, 50)), ["agent", "model"])
    assert [(dimension, one.name) for dimension, one in path] == [("agent", "a"), ("model", "y")]


def test_one_model_in_the_place_of_another_is_seen_though_the_total_hardly_moves() -> None:
    [cause] = rank(cells(a_old=(100, 0), a_new=(0, 101), a_other=(50, 50)), ["model"])
    assert [one.name for one in cause.elements] == ["new"]


def test_nothing_moved_or_nothing_to_tell_apart() -> None:
    assert rank(cells(a_x=(1, 1), b_x=(2, 2)), ["agent", "model"]) == []
    assert rank([], ["agent"]) == []
