"""What holds for every detector of traces, whatever it is given."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from functools import cache

import pytest

from spanledger_analytics.findings.detectors import DETECTORS, KINDS
from spanledger_analytics.findings.lanes import Lane, Step, TraceView
from spanledger_analytics.findings.rows import row_of
from tests.analytics.findings.looping_lanes import TRACE, Said, lane, steps

LONG = 100_000
HUGE = "x" * 10**7
MOST = 200
"""Findings of one trace."""


@cache
def equal() -> list[Lane]:
    return [lane(steps((1, 1) for _ in range(LONG)))]


@cache
def distinct() -> list[Lane]:
    return [lane(steps((n, n) for n in range(1, LONG + 1)))]


@cache
def mixed() -> list[Lane]:
    rng = random.Random(1)
    return [lane(steps((n, n) for n in rng.choices(range(1, 9), k=LONG)))]


def failing() -> list[Lane]:
    return [lane(steps(((1, n) for n in range(1, 2_001)), error=True), is_error=True)]


def nothing_known() -> list[Lane]:
    return [lane([Step(None, step.tools) for step in steps((0, 0) for _ in range(500))])]


def no_time_passes() -> list[Lane]:
    made = steps((1, 1) for _ in range(500))
    return [lane([_at(step, 0) for step in made])]


def clocks_go_back() -> list[Lane]:
    made = steps((n % 3 + 1, 1) for n in range(500))
    return [lane([_at(step, (500 - n) * 10**9) for n, step in enumerate(made)])]


def negative_costs() -> list[Lane]:
    made = steps((1, 1) for _ in range(50))
    return [lane([_costing(step, Decimal(-1)) for step in made])]


def one_step() -> list[Lane]:
    return [lane(steps([(1, 1)]))]


def no_steps() -> list[Lane]:
    return [lane([])]


def no_lanes() -> list[Lane]:
    return []


def _at(step: Step, at: int) -> Step:
    model = step.model and step.model._replace(start_ns=at, end_ns=at)
    return Step(model, tuple(tool._replace(start_ns=at, end_ns=at) for tool in step.tools))


def _costing(step: Step, usd: Decimal) -> Step:
    model = step.model and step.model._replace(total_cost_usd=usd, uncached_cost_usd=usd)
    return Step(model, step.tools)


SHORT = (
    failing, nothing_known, no_time_passes, clocks_go_back, negative_costs, one_step, no_steps,
    no_lanes,
)  # fmt: skip
ODD = (
    *SHORT,
    *(pytest.param(long, marks=pytest.mark.endurance) for long in (equal, distinct, mixed)),
)


@pytest.mark.parametrize("lanes", ODD)
@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_answers_sensibly_and_the_same_again(
    name: str, lanes: Callable[[], list[Lane]]
) -> None:
    view = TraceView(TRACE, lanes())
    found = DETECTORS[name](view)
    assert len(found) <= MOST
    assert len({one.finding_id for one in found}) == len(found)
    for one in found:
        assert one.kind in KINDS
        assert one.first_seen_ns <= one.last_seen_ns
        assert one.wasted_ns >= 0
        assert one.title
        assert row_of("default", one, 1).evidence_count == len(one.evidence)
    if lanes in (distinct, one_step, no_steps, no_lanes):
        assert [one for one in found if one.kind == "loop"] == []
    if lanes in (equal, mixed):
        assert name != "loops" or found, "a hundred thousand copies are a loop"
    if lanes in SHORT:
        assert DETECTORS[name](TraceView(TRACE, lanes())) == found, "a detector keeps nothing"


@pytest.mark.parametrize("name", DETECTORS)
def test_texts_of_ten_megabytes_are_no_trouble(name: str) -> None:
    lanes = [lane(steps((n, 1) for n in range(1, 6)))]
    tools = {tool.ref: HUGE for step in lanes[0].steps for tool in step.tools}
    models = {step.model.ref: HUGE for step in lanes[0].steps if step.model}
    found = DETECTORS[name](TraceView(TRACE, lanes, texts=Said(tools, models)))
    assert len(found) <= 1
    assert all(len(one.title) + len(one.explanation) < 2_000 for one in found)
