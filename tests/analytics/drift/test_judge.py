"""What is said to be drift, and what is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.drift.features import Sample, Trajectory
from spanledger_analytics.drift.judge import (
    DRIFT,
    EXPECTED,
    NO_DRIFT,
    OTHER_VERSIONS,
    SAME_VERSION,
    TOO_LITTLE,
    Check,
    adjust,
    examine,
)
from spanledger_analytics.drift.telling import findings_of

USUAL = {"search": 0.6, "read": 0.3, "write": 0.1}
OTHER = {"search": 0.3, "read": 0.3, "write": 0.4}


def made(
    count: int, shares: Mapping[str, float], *, seed: int, days: range = range(14), calls: int = 8
) -> list[Trajectory]:
    random = np.random.default_rng(seed)
    names = list(shares)
    found: list[Trajectory] = []
    for number in range(count):
        actions = random.choice(len(names), calls, p=list(shares.values()))
        one = Trajectory(days[number % len(days)])
        one.counts = {"tools": Counter(names[n] for n in actions)}
        one.counts["tool_errors"] = Counter(ok=calls)
        one.numbers = {"tool_calls": float(calls + random.integers(0, 3))}
        one.example = f"{number:032x}", f"{number:016x}"
        found.append(one)
    return found


def by_feature(checks: list[Check]) -> dict[str, Check]:
    return {check.feature.name: check for check in checks}


def test_nothing_changed_is_no_drift() -> None:
    sample = Sample("bot", "1", made(80, USUAL, seed=1), made(400, USUAL, seed=2))
    checks = examine([sample])
    assert {check.verdict for check in checks} == {NO_DRIFT}
    assert findings_of(14, checks, [sample]) == []


def test_other_tools_are_drift_and_the_finding_names_them() -> None:
    sample = Sample("bot", "1", made(80, OTHER, seed=1), made(400, USUAL, seed=2))
    checks = examine([sample])
    check = by_feature(checks)["tools"]
    assert (check.verdict, check.compared_with) == (DRIFT, SAME_VERSION)
    (finding,) = findings_of(20_000, checks, [sample])
    assert (finding.kind, finding.code, finding.severity) == ("drift", "behaviour", "warning")
    assert "write 10.6% → 38.9% (+0.37), search 59.0% → 30.5% (-0.19)" in finding.explanation
    assert finding.evidence
    best = max(one.counts["tools"]["write"] for one in sample.now)
    shown = int(finding.evidence[0].trace_id, 16)
    assert sample.now[shown].counts["tools"]["write"] == best
    assert finding.direct_usd is None


def test_the_same_data_say_the_same() -> None:
    sample = Sample("bot", "1", made(80, OTHER, seed=1), made(400, USUAL, seed=2))
    assert examine([sample]) == examine([sample])


def test_little_data_is_said_to_be_little() -> None:
    sample = Sample("bot", "1", made(49, OTHER, seed=1), made(400, USUAL, seed=2))
    assert {check.verdict for check in examine([sample])} == {TOO_LITTLE}
    few_actions = Sample("bot", "1", made(60, OTHER, seed=1, calls=4), made(400, USUAL, seed=2))
    verdicts = {name: check.verdict for name, check in by_feature(examine([few_actions])).items()}
    assert verdicts["tools"] == TOO_LITTLE
    assert verdicts["tool_calls"] == DRIFT  # sixty numbers are enough
    alone = Sample("bot", "1", made(80, OTHER, seed=1))
    assert {(c.verdict, c.compared_with) for c in examine([alone])} == {(TOO_LITTLE, "")}


def test_a_new_version_is_a_note() -> None:
    sample = Sample("bot", "2", made(80, OTHER, seed=1), (), made(400, USUAL, seed=2))
    checks = examine([sample])
    check = by_feature(checks)["tools"]
    assert (check.verdict, check.compared_with) == (EXPECTED, OTHER_VERSIONS)
    (finding,) = findings_of(20_000, checks, [sample])
    assert (finding.code, finding.severity) == ("new_version", "info")


def test_a_new_version_that_does_worse_is_an_alarm() -> None:
    now = made(80, USUAL, seed=1)
    for one in now:
        one.counts["tool_errors"] = Counter(ok=6, failed=2)
    sample = Sample("bot", "2", now, (), made(400, USUAL, seed=2))
    checks = examine([sample])
    assert by_feature(checks)["tool_errors"].verdict == DRIFT
    (finding,) = findings_of(20_000, checks, [sample])
    assert (finding.code, finding.severity) == ("worse_version", "warning")
    assert "failed 0.0% → 25.0%" in finding.explanation


def test_what_got_better_asks_for_nobody() -> None:
    before = made(400, USUAL, seed=2)
    for one in before:
        one.counts["tool_errors"] = Counter(ok=6, failed=2)
    sample = Sample("bot", "1", made(80, USUAL, seed=1), before)
    checks = examine([sample])
    assert by_feature(checks)["tool_errors"].verdict == DRIFT
    (finding,) = findings_of(20_000, checks, [sample])
    assert finding.severity == "info"


def test_weekends_that_were_so_before_are_no_drift() -> None:
    weekdays = made(500, USUAL, seed=1, days=range(10))
    weekends = made(200, OTHER, seed=2, days=range(10, 14))
    today = made(80, OTHER, seed=3, days=range(14, 15))
    check = by_feature(examine([Sample("bot", "1", today, weekdays + weekends)]))["tools"]
    assert check.result is not None
    assert check.result.p_value <= 0.001
    assert check.verdict == NO_DRIFT
    assert check.usual_effect is not None
    assert check.usual_effect > 0.1


@pytest.mark.parametrize(("odd_day", "verdict"), [(7, NO_DRIFT), (9, DRIFT)])
def test_one_day_before_explains_a_day_of_its_weekday_and_no_other(
    odd_day: int, verdict: str
) -> None:
    usual = [day for day in range(7, 14) if day != odd_day]
    before = [one for day in usual for one in made(60, USUAL, seed=day, days=range(day, day + 1))]
    before += made(60, OTHER, seed=odd_day, days=range(odd_day, odd_day + 1))
    today = made(80, OTHER, seed=3, days=range(14, 15))
    check = by_feature(examine([Sample("bot", "1", today, before)]))["tools"]
    assert check.verdict == verdict


def test_a_feature_that_nobody_has_is_left_out() -> None:
    checks = by_feature(
        examine([Sample("bot", "1", made(80, USUAL, seed=1), made(80, USUAL, seed=2))])
    )
    assert set(checks) == {"tools", "tool_errors", "tool_calls"}


@given(st.lists(st.floats(1e-9, 1), min_size=1, max_size=30))
def test_q_values_are_those_of_the_definition(p_values: list[float]) -> None:
    n = len(p_values)
    ranked = sorted(p_values)
    for p, q in zip(p_values, adjust(p_values), strict=True):
        wanted = min(1.0, *(r * n / (k + 1) for k, r in enumerate(ranked) if r >= p))
        assert q == pytest.approx(wanted)
