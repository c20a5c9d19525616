"""Requests with too many calls, and limits of dollars that a trace exceeds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from spanledger_analytics.findings.detectors.amplification import caps, detect
from spanledger_analytics.findings.lanes import Baseline, Step, TraceView
from tests.analytics.findings.planted_lanes import START_NS, S, lane, model, ref, tool, view


def calls(count: int, cost: str | None = "0.01") -> TraceView:
    return view(lane([Step(model(n, cost), ()) for n in range(count)]))


@pytest.mark.parametrize("count", [0, 1, 50])
def test_what_is_usual_is_quiet(count: int) -> None:
    assert detect(calls(count)) == []


def test_calls_beyond_the_soft_cap_are_priced() -> None:
    [found] = detect(replace(calls(60), baseline=Baseline(llm_calls_p99=8)))
    assert (found.code, found.severity) == ("calls_per_request", "warning")
    assert found.direct_usd == found.avoidable_usd == Decimal("0.10")
    assert found.evidence == tuple(ref(n) for n in range(50, 60))
    assert found.wasted_ns == 10 * S


def test_nobody_is_warned_of_an_agent_that_is_hardly_known() -> None:
    [found] = detect(calls(200))
    assert found.severity == "info"
    assert "not known yet" in found.explanation


def test_calls_of_agents_below_count_once_each() -> None:
    above = lane([Step(model(n), ()) for n in range(30)])
    below = lane([Step(model(n), ()) for n in range(20, 60)], 1, above.ref)
    [found] = detect(view(above, below))
    assert found.details["calls"] == 60
    assert found.direct_usd == Decimal("0.10")


def test_paid_tools_after_the_cap_are_part_of_it() -> None:
    steps = [Step(model(n), (tool(1_000 + n, cost="0.5"),)) for n in range(51)]
    early = [step._replace(tools=(step.tools[0]._replace(start_ns=START_NS),)) for step in steps]
    assert detect(view(lane(early)))[0].direct_usd == Decimal("0.01")
    assert detect(view(lane(steps)))[0].direct_usd == Decimal("0.01") + 51 * Decimal("0.5")


def test_two_hundred_calls_are_critical_and_an_open_trace_is_caught() -> None:
    [found] = detect(replace(calls(201), is_open=True))
    assert (found.severity, found.is_open) == ("critical", True)


def test_an_agent_that_usually_needs_many_calls_is_left_alone() -> None:
    usual = Baseline(llm_calls_p99=100)
    assert detect(replace(calls(300), baseline=usual)) == []
    [found] = detect(replace(calls(301), baseline=usual))
    assert found.severity == "critical"
    assert caps(calls(0)) == (50, 200)


def test_a_limit_of_the_project_decides() -> None:
    limited = replace(calls(6), limits={"max_llm_calls_per_request": 5})
    [found] = detect(limited)
    assert found.severity == "critical"
    assert found.direct_usd == Decimal("0.01")
    assert detect(replace(limited, limits={"max_llm_calls_per_request": 6})) == []


def test_calls_without_a_price_are_unknown_not_free() -> None:
    [found] = detect(calls(60, None))
    assert found.direct_usd is None
    assert found.details["unpriced_calls"] == 10


@pytest.mark.parametrize(
    ("limit", "before", "code"),
    [
        ("max_usd_per_request", Baseline(), "usd_per_request"),
        ("max_usd_per_session", Baseline(session_usd=Decimal("0.95")), "usd_per_session"),
        ("max_usd_per_user_day", Baseline(user_day_usd=Decimal("0.95")), "usd_per_user_day"),
    ],
)
def test_dollars_after_the_limit_are_counted(limit: str, before: Baseline, code: str) -> None:
    allowed = 0.05 if code == "usd_per_request" else 1.0
    trace = replace(calls(20), limits={limit: allowed}, baseline=before)
    [found] = detect(trace)
    # Five calls reach the limit, the sixth exceeds it, fourteen follow.
    assert found.code == code
    assert found.direct_usd == Decimal("0.14")
    assert found.evidence[0] == ref(6)
    assert detect(replace(trace, limits={limit: allowed + 1})) == []


def test_of_a_session_beyond_its_limit_already_no_later_trace_tells_again() -> None:
    limits = {"max_usd_per_session": 1.0}
    later = replace(calls(20), limits=limits, baseline=Baseline(session_usd=Decimal("1.01")))
    assert detect(later) == []
    nobody = replace(calls(200, "1"), limits=limits, session_id="")
    assert [one.code for one in detect(nobody)] == ["calls_per_request"]


def test_a_finding_keeps_its_id_while_it_grows() -> None:
    assert detect(calls(60))[0].finding_id == detect(calls(99))[0].finding_id
