"""When errors are an incident, and when they are what always happens."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from spanledger_analytics.findings.cascades.rates import (
    Count,
    History,
    Source,
    at_least,
    history,
    incidents,
    wilson_lower,
)

TOOLS = ("search", "book", "pay", "mail")


def counts(
    minutes: dict[int, tuple[int, int]], name: str = "search", agent: str = "a"
) -> list[Count]:
    return [Count(60 * m, "tool", name, agent, *both) for m, both in minutes.items()]


def usual(calls: int = 10_000, errors: int = 100) -> History:
    sources = [Source("tool", name) for name in TOOLS] + [Source("agent", a) for a in "abcd"]
    return History(dict.fromkeys(sources, calls), dict.fromkeys(sources, errors))


def test_the_interval_is_wilsons() -> None:
    assert wilson_lower(10, 10) == pytest.approx(0.7225, abs=1e-4)
    assert wilson_lower(1, 100) == pytest.approx(0.00177, abs=1e-5)
    assert wilson_lower(0, 10) == wilson_lower(0, 0) == 0


def test_the_binomial_tail_is_exact() -> None:
    exact = sum(
        comb(12, k) * Fraction(1, 20) ** k * Fraction(19, 20) ** (12 - k)
        for k in (5, 6, 7, 8, 9, 10, 11, 12)
    )
    assert at_least(5, 12, 0.05) == pytest.approx(float(exact))
    assert at_least(0, 12, 0.05) == pytest.approx(1)


def test_three_tools_at_once_are_an_incident() -> None:
    found = incidents(
        [one for name in TOOLS[:3] for one in counts({10: (10, 6), 11: (10, 6)}, name)],
        usual(), 13 * 60,
    )  # fmt: skip
    assert len(found) == 1
    assert {one.name for one in found[0].sources} == {*TOOLS[:3], "a"}
    assert (found[0].from_s, found[0].to_s) == (6 * 60, 13 * 60)


def test_two_agents_of_one_tool_are_an_incident_and_one_agent_is_not() -> None:
    of_a, of_b = counts({10: (10, 8)}), counts({10: (10, 8)}, agent="b")
    assert len(incidents([*of_a, *of_b], usual(), 20 * 60)) == 1
    assert incidents(of_a, usual(), 20 * 60) == []


@pytest.mark.parametrize(
    "of_each",
    [{}, {10: (4, 4)}, {10: (200, 5)}, {10: (1_000, 12)}, dict.fromkeys(range(10, 100, 4), (1, 1))],
)
def test_little_traffic_and_usual_rates_are_quiet(of_each: dict[int, tuple[int, int]]) -> None:
    made = [one for name in TOOLS for one in counts(of_each, name, agent=name[0])]
    assert incidents(made, usual(), 100 * 60) == []


def test_tools_that_always_fail_often_are_quiet() -> None:
    made = [one for name in TOOLS for one in counts({10: (20, 8)}, name)]
    assert incidents(made, usual(1_000, 350), 20 * 60) == []


def test_what_is_new_needs_more_than_a_few_errors() -> None:
    few = [one for name in TOOLS for one in counts({10: (40, 5)}, name)]
    many = [one for name in TOOLS for one in counts({10: (40, 20)}, name)]
    assert incidents(few, History(), 20 * 60) == []
    assert len(incidents(many, History(), 20 * 60)) == 1


def test_errors_that_stop_and_come_back_are_two_incidents() -> None:
    minutes = {10: (10, 8), 12: (10, 8), 30: (10, 8)}
    made = [one for name in TOOLS for one in counts(minutes, name)]
    found = incidents(made, usual(), 60 * 60)
    assert [(one.from_s // 60, one.to_s // 60) for one in found] == [(6, 17), (26, 35)]


def test_many_tools_a_little_above_their_percentile_are_systemic() -> None:
    names = [f"t{n}" for n in range(10)]
    past = [
        Count(300 * bucket, "tool", name, "", 20, bucket % 10 == 0)
        for bucket in range(288)
        for name in names
    ]
    known = history(past)
    assert known.p95[Source("tool", "t0")] == 0.05
    above = [Count(0, "tool", name, "", 20, 3) for name in names[:6]]
    below = [Count(0, "tool", name, "", 20, 0) for name in names[6:]]
    [found] = incidents([*above, *below], known, 120)
    assert found.p is not None
    assert found.p < 1e-4
    assert {one.name for one in found.sources} == set(names[:6])
    two = [Count(0, "tool", name, "", 20, 3 if name in names[:2] else 0) for name in names]
    assert incidents(two, known, 120) == []


def test_ordinary_days_raise_nothing() -> None:
    random = np.random.default_rng(1)
    made: list[Count] = []
    for minute in range(24 * 60):
        for name in TOOLS:
            calls = int(random.poisson(6))
            errors = int(random.binomial(calls, 0.03))
            made.append(Count(60 * minute, "tool", name, "abcd"[minute % 4], calls, errors))
    assert incidents(made, history(made), 24 * 3600) == []
