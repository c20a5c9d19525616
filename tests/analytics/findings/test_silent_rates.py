"""Agents that hide failures of tools more often than they usually do."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest

from spanledger_analytics.findings.silent_rate_job import SilentRateJob
from spanledger_analytics.findings.silent_rates import DAY_NS, SilentRate, finding, raised
from spanledger_storage.store import Store
from tests.analytics.finding_traces import T0, AgentTrace, Watched

TODAY = date(2026, 5, 20)


def rate(days_ago: int, traces: int, failed: int, agent: str = "clerk") -> SilentRate:
    day = TODAY - timedelta(days=days_ago)
    return SilentRate(day, agent, traces, failed, failed, failed, (), Decimal("0.5"))


def test_a_steady_rate_is_quiet_however_many_runs_fail() -> None:
    rates = [rate(n, 1_000, 80) for n in range(15)]
    assert raised(rates, [TODAY]) == []


def test_a_rate_that_rose_is_told_with_what_is_usual() -> None:
    before = [rate(n, 100, 2) for n in range(1, 15)]
    [one] = raised([*before, rate(0, 40, 12)], [TODAY])
    assert (one.usual_traces, one.usual_failed) == (1_400, 28)
    assert one.usual_rate == pytest.approx(29 / 1_420)
    told = finding(one, ["book"], [], 0)
    assert (told.severity, told.code, told.is_sure) == ("warning", "rate", True)
    assert told.title == "clerk hid a failed tool in 30% of its runs (usually 2.0%)"
    assert told.pattern == "silent_failure / rate / clerk"


def test_what_is_usual_is_of_the_two_weeks_before_and_of_the_agent_itself() -> None:
    now = rate(0, 40, 12)
    long_ago = [rate(n, 100, 60) for n in range(15, 30)]
    other = [rate(n, 100, 60, "other") for n in range(1, 15)]
    [one] = raised([*long_ago, *other, now], [TODAY])
    assert (one.now, one.usual_traces) == (now, 0)


@pytest.mark.parametrize(
    ("traces", "failed", "is_told"), [(4, 4, False), (60, 5, False), (40, 16, True)]
)
def test_a_new_agent_is_told_of_where_it_is_plain_and_not_sure(
    traces: int, failed: int, is_told: bool
) -> None:
    found = raised([rate(0, traces, failed)], [TODAY])
    assert len(found) == is_told
    assert all(not finding(one, [], [], 0).is_sure for one in found)


def test_days_that_are_not_judged_are_quiet() -> None:
    assert raised([rate(3, 40, 30)], [TODAY]) == []


def test_the_job_tells_once_per_day_and_takes_back_what_does_not_hold(store: Store) -> None:
    start_ns = T0 // DAY_NS * DAY_NS + DAY_NS // 4
    watched = Watched(store)
    runs = [_run(start_ns + n * 10**9, is_failed=n % 2 == 0) for n in range(16)]
    watched.put(*runs)
    watched.look()
    now = start_ns + DAY_NS // 8
    job = SilentRateJob(store, lambda: now)
    assert job.run_once() == 1
    [told] = [row for row in watched.findings() if row["code"] == "rate"]
    assert (told["trace_id"], told["agent_name"], told["is_open"]) == ("", "clerk", 1)
    # Of each run the failed call, the turn that asked for it, and the answer.
    assert (told["evidence_count"], told["direct_usd"]) == (24, None)
    details = json.loads(told["details"])
    assert (details["runs"], details["failed_runs"], details["tools"]) == (16, 8, ["book"])
    assert {row["severity"] for row in watched.findings() if row["trace_id"]} == {"info"}
    now += 2 * DAY_NS
    assert job.run_once() == 0
    now -= 2 * DAY_NS
    watched.put(*(_run(start_ns + n * 10**9, is_failed=False) for n in range(100, 200)))
    watched.look()
    assert job.run_once() == 0
    assert [row for row in watched.findings() if row["code"] == "rate"] == []


def _run(start_ns: int, *, is_failed: bool) -> AgentTrace:
    trace = AgentTrace(start_ns)
    clerk = trace.agent("clerk", 0, 20)
    trace.llm(1, clerk)
    result = {"ok": False, "error": "sold out"} if is_failed else {"ok": True}
    trace.tool("book", 3, clerk, arguments={"flight_id": "A1"}, result=result)
    trace.llm(5, clerk, answer="Your flight is booked.")
    return trace
