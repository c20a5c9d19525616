"""Golden trajectories: what counts as worse, and what is kept of them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.golden.alignment import DiffStep, Side, Totals
from spanledger_analytics.golden.content import golden_content, golden_side
from spanledger_analytics.golden.judge import Tolerances, judge
from spanledger_analytics.golden.repeats import repeated_calls


def step(role: str, what: str, **columns: Any) -> DiffStep:
    made: dict[str, Any] = {
        "agent": "bot", "name": "", "call_sig": 0, "answer": "", "has_failed": False,
        "cost_usd": None, "tokens": None, "duration_ns": 10, "span_id": what, **columns,
    }  # fmt: skip
    return DiffStep(role, what, **made)


def tool(call: int, result: int = 1, what: str = "sql") -> DiffStep:
    return step("tool", what, call_sig=call, result_sig=result)


def side(*steps: DiffStep, cost: str | None = "1.00", calls: int = 2, **columns: Any) -> Side:
    total = Totals(
        None if cost is None else Decimal(cost), columns.pop("tokens", 1_000), 1, calls, 1, 0
    )
    return Side("ab" * 16, "run", 5, total, steps, **columns)


RUN = (step("llm", "m"), tool(1), step("llm", "m"))


def rules(golden: Side, candidate: Side, tolerances: Tolerances | None = None) -> list[str]:
    verdict = judge(golden, candidate, tolerances or Tolerances())
    assert verdict.matched + verdict.extra == len(candidate.steps)
    assert verdict.matched + verdict.missing == len(golden.steps)
    return [violation.rule for violation in verdict.violations]


def test_a_run_like_the_golden_one_passes() -> None:
    verdict = judge(side(*RUN), side(*RUN), Tolerances())
    assert verdict.passed
    assert (verdict.matched, verdict.extra, verdict.missing) == (3, 0, 0)
    assert verdict.cost_usd == Decimal(0)


@pytest.mark.parametrize(
    ("cost", "found"), [("1.10", []), ("1.100000000001", ["cost"]), ("0.01", []), (None, ["cost"])]
)
def test_a_cost_may_be_as_high_as_the_limit_and_must_be_known(
    cost: str | None, found: list[str]
) -> None:
    assert rules(side(*RUN), side(*RUN, cost=cost)) == found


def test_an_unknown_golden_cost_is_not_compared() -> None:
    assert rules(side(*RUN, cost=None), side(*RUN, cost="9")) == []
    free = rules(side(*RUN, cost="0"), side(*RUN, cost="0.000000000001"))
    assert free == ["cost"]


def test_calls_and_steps_are_counted() -> None:
    more = (*RUN, step("llm", "m"), step("tool", "mail"), step("tool", "web"))
    assert rules(side(*RUN), side(*more, calls=4)) == ["calls", "extra_steps"]
    loose = Tolerances(extra_calls=2, extra_steps=3)
    assert rules(side(*RUN), side(*more, calls=4), loose) == []
    assert rules(side(*more), side(*RUN), Tolerances(missing_steps=2)) == ["missing_steps"]
    assert rules(side(*RUN, tokens=10), side(*RUN, tokens=12)) == []
    strict = Tolerances(token_increase=Decimal("0.1"))
    assert rules(side(*RUN, tokens=10), side(*RUN, tokens=12), strict) == ["tokens"]


def test_another_tool_is_one_step_more_and_one_less() -> None:
    verdict = judge(side(step("tool", "sql")), side(step("tool", "web")), Tolerances())
    assert (verdict.matched, verdict.extra, verdict.missing) == (0, 1, 1)


def test_a_completed_task_must_stay_completed() -> None:
    golden = side(*RUN, outcome="completed")
    assert rules(golden, side(*RUN, outcome="failed")) == ["outcome"]
    assert rules(golden, side(*RUN)) == ["outcome"]
    assert rules(side(*RUN), side(*RUN, outcome="failed")) == []


def test_what_has_not_ended_does_not_pass() -> None:
    verdict = judge(side(*RUN), side(*RUN), Tolerances(), has_ended=False)
    assert [violation.rule for violation in verdict.violations] == ["ended"]


def test_more_loops_than_the_golden_run_had_are_worse() -> None:
    looping = (*RUN, tool(7), tool(7), tool(7), tool(7))
    loose = Tolerances(extra_steps=None)
    assert rules(side(*RUN), side(*looping), loose) == ["loops"]
    assert rules(side(*looping), side(*looping), loose) == []
    assert rules(side(*RUN), side(*looping), Tolerances(extra_steps=None, loops=3)) == []


@pytest.mark.parametrize(
    ("calls", "repeated"),
    [
        ([tool(1)] * 2, 0),
        ([tool(1)] * 3, 2),
        ([tool(1)] * 10, 9),
        ([tool(1), tool(2)] * 3, 4),
        ([tool(1), tool(2)] * 2, 0),
        ([tool(1, result=n) for n in range(1, 9)], 0),  # a poll whose answer changes
        ([tool(0)] * 5, 0),  # signatures are not known
        ([tool(n) for n in range(1, 9)] * 3, 16),
        ([tool(n) for n in range(1, 10)] * 3, 0),  # nine calls in turn are no pattern any more
        ([tool(1)] * 4 + [tool(2)] + [tool(3), tool(4)] * 3, 7),
        ([tool(1), step("llm", "m"), tool(1), step("llm", "m"), tool(1)], 2),
        ([], 0),
    ],
)
def test_repeated_calls_are_what_follows_the_first_copy(
    calls: list[DiffStep], repeated: int
) -> None:
    assert repeated_calls(calls) == repeated


@given(st.lists(st.integers(1, 3), max_size=60))
def test_fewer_calls_repeat_than_there_are(sigs: list[int]) -> None:
    calls = [tool(sig) for sig in sigs]
    assert 0 <= repeated_calls(calls) <= max(0, len(calls) - len(set(sigs)))


def test_result_signatures_and_outcome_are_kept_and_older_ones_are_read() -> None:
    made = side(tool(5, 2**64 - 1), step("llm", "m"), outcome="completed")
    content = json.loads(json.dumps(golden_content(made)))
    back = golden_side(content)
    assert (back.steps, back.outcome) == (made.steps, "completed")
    del content["outcome"]
    content["steps"] = [row[:11] for row in content["steps"]]
    older = golden_side(content)
    assert (older.outcome, older.steps[0].result_sig) == ("", 0)
