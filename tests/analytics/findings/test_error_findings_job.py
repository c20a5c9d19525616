"""From spans to findings: what tools said, what is usual, and what sessions spent."""

from __future__ import annotations

import json
from decimal import Decimal

from spanledger_analytics.findings.detectors import DETECTORS
from spanledger_analytics.findings.limits import DetectorSettings
from spanledger_analytics.findings.silent_rates import silent_rates
from spanledger_storage.store import Store
from tests.analytics.finding_traces import T0, AgentTrace, S, Watched

CALL_USD = 100 * Decimal("0.00000015") + 10 * Decimal("0.0000006")  # gpt-4o-mini


def booking(result: object, answer: str, start_ns: int = T0) -> AgentTrace:
    trace = AgentTrace(start_ns)
    clerk = trace.agent("clerk", 0, 20)
    trace.llm(1, clerk)
    trace.tool("book", 3, clerk, arguments={"flight_id": "A1"}, result=result)
    trace.llm(5, clerk, answer=answer)
    return trace


def test_a_payload_error_that_nobody_admits_is_found_and_counted_by_day(store: Store) -> None:
    watched = Watched(store)
    silent = booking({"ok": False, "error": "sold out"}, "Your flight is booked.")
    honest = booking({"ok": False, "error": "sold out"}, "Sorry, it is sold out.")
    fine = booking({"ok": True}, "Your flight is booked.")
    watched.put(silent, honest, fine)
    watched.look()
    [found] = watched.findings()
    assert (found["trace_id"], found["kind"], found["severity"]) == (
        silent.id,
        "silent_failure",
        "info",
    )
    assert found["direct_usd"] == CALL_USD
    assert watched.look() == 0
    day_s = T0 // S // 86_400 * 86_400
    [rate] = silent_rates(store, "p", day_s, day_s + 2 * 86_400)
    assert (rate.agent, rate.traces, rate.silent, rate.certain) == ("clerk", 3, 1, 1)
    assert (rate.failed, rate.examples) == (1, (silent.id,))
    assert rate.direct_usd == CALL_USD
    assert rate.rate == 1 / 3


def test_a_turn_in_which_three_tools_failed_costs_once(store: Store) -> None:
    watched = Watched(store)
    trace = AgentTrace(T0)
    clerk = trace.agent("clerk", 0, 20)
    trace.llm(1, clerk)
    for n, tool in enumerate(("pay", "mail", "crm")):
        trace.tool(tool, 3 + n / 10, clerk, arguments={"id": n}, result={"ok": False})
    trace.llm(5, clerk, answer="All done.")
    watched.put(trace)
    watched.look()
    assert [row["direct_usd"] for row in watched.findings()] == [CALL_USD] * 3
    day_s = T0 // S // 86_400 * 86_400
    [rate] = silent_rates(store, "p", day_s, day_s + 2 * 86_400)
    assert rate.direct_usd == CALL_USD


def session(start_s: int, calls: int) -> AgentTrace:
    trace = AgentTrace(T0 + start_s * S)
    clerk = trace.agent("clerk", 0, 100, session__id="s1", user__id="u1")
    for n in range(calls):
        trace.llm(1 + n, clerk, session__id="s1", user__id="u1")
    return trace


def test_a_session_goes_beyond_its_limit_once(store: Store) -> None:
    limits = {"max_usd_per_session": float(10 * CALL_USD)}
    watched = Watched(store, settings={"p": DetectorSettings(limits)})
    first, second, third = session(0, 8), session(200, 8), session(400, 8)
    watched.put(first, second, third)
    watched.look()
    [found] = watched.findings()
    # The eleventh call of the session exceeds it; five follow in its trace.
    assert (found["trace_id"], found["code"]) == (second.id, "usd_per_session")
    assert found["direct_usd"] == 5 * CALL_USD
    assert Decimal(json.loads(found["details"])["before_usd"]) == 8 * CALL_USD


def test_what_is_usual_for_an_agent_is_learnt(store: Store) -> None:
    watched = Watched(store, {"amplification": DETECTORS["amplification"]})
    watched.put(*(session(n, 20) for n in range(20)))
    watched.look()
    many = session(100, 55)
    watched.put(many)
    watched.look()
    assert watched.findings() == []
    # The runaway itself does not count as usual.
    assert watched.views[many.id].baseline.llm_calls_p99 == 20
    loop = session(200, 70)
    watched.put(loop)
    watched.look()
    [found] = watched.findings()
    assert (found["trace_id"], found["direct_usd"]) == (loop.id, 10 * CALL_USD)
