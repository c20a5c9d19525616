"""A project in memory: storms are found at once, and what is odd about the data is no alarm."""

import numpy as np
import pytest

from spanledger_analytics.anomalies.cells import FINE_S, HOUR_S, Cells, Key, Leaf, Row
from spanledger_analytics.anomalies.incidents import Incident, put_together
from spanledger_analytics.anomalies.signals import Signal
from spanledger_analytics.anomalies.watch import Watch

START_S = 1_767_571_200  # a Monday, midnight UTC
NOW_S = START_S + 28 * 86_400 + 14 * HOUR_S
LEAVES = [Leaf("writer", "large", "web", "care"), Leaf("planner", "small", "web", "growth")]


def rows(leaf: Leaf, from_s: int, to_s: int, usd: float, seed: int = 0) -> list[Row]:
    """Spending, more at noon, calls at four cents; of long ago by hours."""
    chance = np.random.default_rng((seed, from_s % 2**31))
    found: list[Row] = []
    border_s = max(from_s, NOW_S - 6 * 86_400)
    starts = [*range(from_s, border_s, HOUR_S), *range(border_s, to_s, FINE_S)]
    for start_s in starts:
        rate = usd / (1 if start_s < border_s else 12)
        rate *= 1 + 0.6 * np.cos((start_s % 86_400 / HOUR_S - 12) / 24 * 2 * np.pi)
        calls = float(chance.poisson(rate / 0.04))
        cost = calls * 0.04 * float(chance.uniform(0.9, 1.1))
        found.append(Row(start_s, leaf, (cost, calls, 0, calls * 1_000, 0, calls * 100)))
        found.append(Row(start_s, leaf._replace(model=""), (0, 0, calls, 0, 0, 0)))
    return found


def usual(now_s: int = NOW_S) -> list[Row]:
    return [one for n, leaf in enumerate(LEAVES) for one in rows(leaf, START_S, now_s, 6, n)]


def watching(given: list[Row], now_s: int = NOW_S) -> Watch:
    watch = Watch()
    watch.advance(now_s)
    watch.put(range(START_S, now_s, HOUR_S), given)
    return watch


def incidents(watch: Watch, now_s: int = NOW_S) -> list[Incident]:
    return put_together(watch.look(now_s), watch.hours)


def test_ordinary_weeks_are_quiet() -> None:
    assert incidents(watching(usual())) == []


def test_a_storm_is_one_incident_with_its_dollars_and_grows_under_one_name() -> None:
    begun_s = NOW_S - 600
    storm = [Row(at, LEAVES[0], (6.0, 150, 0, 1e5, 0, 1e4)) for at in (begun_s, begun_s + 300)]
    watch = watching([*usual(), *storm])
    [first] = incidents(watch)
    assert first.signal.excess_usd == pytest.approx(12, rel=0.15)
    assert first.signal.start_s == begun_s
    assert first.is_open
    assert first.signal.key.has(LEAVES[0])
    assert not first.signal.key.has(LEAVES[1]) or first.signal.key.dimension in (
        "project",
        "service",
    )
    later_s = NOW_S + 6 * HOUR_S
    more = [Row(NOW_S, LEAVES[0], (6.0, 150, 0, 1e5, 0, 1e4))]
    more += [one for n, leaf in enumerate(LEAVES) for one in rows(leaf, NOW_S, later_s, 6, n)]
    watch.advance(later_s)
    watch.put(range(NOW_S, later_s, HOUR_S), more)
    [last] = put_together(watch.look(later_s), watch.hours, [first.known])
    assert (last.anchor_key, last.anchor_s) == (first.anchor_key, first.anchor_s)
    assert last.signal.excess_usd == pytest.approx(18, rel=0.15)
    assert not last.is_open


def test_a_young_series_says_nothing_of_the_first_monday_but_tells_a_storm() -> None:
    monday_s = START_S + 28 * 86_400

    def given(usd: float, from_s: int, to_s: int) -> list[Row]:
        at = range(from_s, to_s, FINE_S)
        return [Row(n, LEAVES[0], (usd / 12, 25 * usd, 0, 1e5, 0, 1e4)) for n in at]

    steady = [*given(2, monday_s - 2 * 86_400, monday_s), *given(6, monday_s, NOW_S)]
    assert incidents(watching(steady)) == []
    [told] = incidents(watching([*steady, Row(NOW_S - 600, LEAVES[0], (40, 999, 0, 1e6, 0, 1e5))]))
    assert told.signal.excess_usd == pytest.approx(40, rel=0.1)
    assert not told.signal.is_sure


def test_the_same_calls_at_twice_the_price_are_dearer_units_not_more_traces() -> None:
    since_s = NOW_S - 10 * HOUR_S
    dear = [
        one._replace(amounts=(one.amounts[0] * 2.0, *one.amounts[1:]))
        if one.start_s >= since_s and one.leaf.agent == "writer"
        else one
        for one in usual()
    ]
    found = incidents(watching(dear))
    assert len(found) == 1
    truth = sum(
        one.amounts[0] for one in dear if one.start_s >= since_s and one.leaf.agent == "writer"
    )
    assert found[0].signal.excess_usd == pytest.approx(truth / 2, rel=0.2)


def test_silence_is_told_as_such_and_no_cost_alarm() -> None:
    kept = [
        one for one in usual() if one.start_s < NOW_S - 5 * HOUR_S or one.leaf.agent != "writer"
    ]
    found = incidents(watching(kept))
    assert found
    assert {one.signal.code for one in found} == {"quiet"}


@pytest.mark.parametrize(
    "given",
    [
        [],
        [Row(NOW_S - 300, LEAVES[0], (50, 100, 10, 0, 0, 0))],
        [Row(at, LEAVES[0], (0, 0, 0, 0, 0, 0)) for at in range(START_S, NOW_S, HOUR_S)],
        [Row(at, LEAVES[0], (-3, 5, 1, 0, 0, 0)) for at in range(START_S, NOW_S, HOUR_S)],
    ],
    ids=["nothing", "one point", "zeros", "credits"],
)
def test_without_history_or_dollars_nothing_is_said(given: list[Row]) -> None:
    assert incidents(watching(given)) == []


def test_a_gap_of_three_days_and_a_clock_that_is_set_back_raise_no_alarm() -> None:
    gap = (NOW_S - 4 * 86_400, NOW_S - 86_400)
    watch = watching([one for one in usual() if not gap[0] <= one.start_s < gap[1]])
    assert [one for one in incidents(watch) if one.signal.code != "quiet"] == []
    assert [one for one in incidents(watch, NOW_S - 7_200) if one.signal.code != "quiet"] == []


def test_two_storms_of_two_agents_are_two_incidents() -> None:
    storms = [
        Row(NOW_S - 300, leaf, (usd, 100, 0, 0, 0, 0))
        for leaf, usd in zip(LEAVES, (20, 18), strict=True)
    ]
    signals = watching([*usual(), *storms]).look(NOW_S)
    agents = {one.key.name for one in signals if one.key.dimension == "agent"}
    assert agents == {"writer", "planner"}
    cells = Cells(HOUR_S, 24)
    one, other = (
        Signal(Key("agent", name), "spike", NOW_S, NOW_S + 300, True, 20, 1, 9) for name in agents
    )
    assert len(put_together([one, other], cells)) == 2
