"""From spans to findings: what tools said, what is usual, and what sessions spent."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_analytics.findings.detectors import DETECTORS
from spanledger_analytics.findings.limits import DetectorSettings
from spanledger_analytics.findings.silent_rates import silent_rates
from spanledger_storage.store import Store
from tests.analytics.finding_traces import T0, AgentTrace, S, Watched
from tests.otlp import Value, attributes

SESSION = "max_usd_per_session"
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


def embed(trace: AgentTrace, at_s: float, parent: Span) -> Decimal:
    """Add an embedding of 800,000 tokens; return what it costs, at $0.13 a million."""
    said: dict[str, Value] = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "text-embedding-3-large",
        "gen_ai.usage.input_tokens": 800_000,
    }
    trace.add("embeddings", at_s, at_s + 1, parent).attributes.extend(attributes(said))
    return Decimal("0.104")


def test_embeddings_count_against_a_limit(store: Store) -> None:
    watched = Watched(store, settings={"p": DetectorSettings({"max_usd_per_request": 0.5})})
    trace = AgentTrace(T0)
    clerk = trace.agent("clerk", 0, 20)
    trace.llm(1, clerk)
    costs = [embed(trace, 2 + n, clerk) for n in range(10)]
    trace.llm(13, clerk)
    watched.put(trace)
    watched.look()
    [found] = watched.findings()
    assert (found["code"], found["severity"]) == ("usd_per_request", "critical")
    # A call and four embeddings are within the limit, the fifth exceeds it.
    assert found["direct_usd"] == sum(costs[5:]) + CALL_USD
    assert Decimal(json.loads(found["details"])["spent_usd"]) == sum(costs) + 2 * CALL_USD


def test_a_sum_over_calls_counts_against_a_limit(store: Store) -> None:
    watched = Watched(store, settings={"p": DetectorSettings({"max_usd_per_request": 0.5})})
    trace = AgentTrace(T0)
    said: dict[str, Value] = {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 600_000,
        "gen_ai.usage.output_tokens": 0,
    }
    clerk = trace.agent("clerk", 0, 20)
    clerk.attributes.extend(attributes(said))
    trace.tool("look", 1, clerk)
    trace.tool("write", 3, clerk)
    watched.put(trace)
    watched.look()
    [found] = watched.findings()
    # $2.50 a million. What was called after the limit nobody knows.
    assert Decimal(json.loads(found["details"])["spent_usd"]) == Decimal("1.5")
    assert found["direct_usd"] == 0
    assert found["evidence_count"] == 1


def session(start_s: int, calls: int, session_id: str = "s1") -> AgentTrace:
    trace = AgentTrace(T0 + start_s * S)
    clerk = trace.agent("clerk", 0, 100, session__id=session_id, user__id="u1")
    for n in range(calls):
        trace.llm(1 + n, clerk, session__id=session_id, user__id="u1")
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


LIMITS = {name: float(10 * CALL_USD) for name in ("max_usd_per_session", "max_usd_per_user_day")}


@pytest.mark.parametrize("limit", LIMITS)
def test_traces_that_come_newest_first_go_beyond_a_limit(store: Store, limit: str) -> None:
    watched = Watched(store, settings={"p": DetectorSettings({limit: LIMITS[limit]})})
    first, second, third = (session(start_s, 4) for start_s in (0, 200, 400))
    for trace in (third, second, first):
        watched.put(trace)
        watched.look()
    [found] = watched.findings()
    # The eleventh call is the third of the last trace; one follows.
    assert (found["trace_id"], found["direct_usd"]) == (third.id, CALL_USD)
    assert Decimal(json.loads(found["details"])["spent_usd"]) == 12 * CALL_USD
    assert watched.look() == 0


def test_a_trace_that_grows_beneath_a_later_one_moves_what_is_told(store: Store) -> None:
    watched = Watched(store, settings={"p": DetectorSettings({SESSION: LIMITS[SESSION]})})
    first, second = session(0, 4), session(50, 4)
    more = AgentTrace(first.start_ns, first.trace_id)
    clerk = first.spans[0]
    watched.put(first)
    watched.look()
    watched.put(second)
    watched.look()
    assert watched.findings() == []
    for n in range(4):
        more.llm(60 + n, clerk, session__id="s1", user__id="u1")
    watched.put(more)
    watched.look()
    [told] = watched.findings()
    assert (told["trace_id"], told["direct_usd"]) == (second.id, CALL_USD)
    for n in range(4):
        more.llm(70 + n, clerk, session__id="s1", user__id="u1")
    watched.put(more)
    watched.look()
    [moved] = watched.findings()
    assert (moved["finding_id"], moved["detected_at"]) == (told["finding_id"], told["detected_at"])
    assert (moved["trace_id"], moved["direct_usd"]) == (first.id, CALL_USD)


def test_a_session_that_cost_less_than_was_thought_is_no_longer_told(store: Store) -> None:
    watched = Watched(store, settings={"p": DetectorSettings({SESSION: LIMITS[SESSION]})})
    first, second = session(0, 8), session(200, 4)
    corrected = AgentTrace(first.start_ns, first.trace_id)
    corrected.spans = [copy_of(span, 10) for span in first.spans]
    watched.put(first, second)
    watched.look()
    [told] = watched.findings()
    assert told["trace_id"] == second.id
    watched.put(corrected, at_ns=T0 + S)
    watched.look()
    assert watched.findings() == []


def copy_of(span: Span, input_tokens: int) -> Span:
    """Return a span as it is sent again, with another count."""
    made = Span.FromString(span.SerializeToString())
    for one in made.attributes:
        if one.key == "gen_ai.usage.input_tokens":
            one.value.int_value = input_tokens
    return made


def test_of_a_long_session_few_traces_are_looked_at_again(store: Store) -> None:
    watched = Watched(store, settings={"p": DetectorSettings({SESSION: LIMITS[SESSION]})})
    watched.put(*(session(n, 1) for n in range(1, 300)))
    watched.look()
    [before] = watched.findings()
    early = session(0, 1)
    watched.put(early)
    watched.views.clear()
    watched.look()
    [after] = watched.findings()
    # The one that goes beyond the limit now, and the one that did before.
    assert watched.views.keys() == {early.id, after["trace_id"], before["trace_id"]}
    assert len(watched.views) == 3
    assert Decimal(json.loads(after["details"])["before_usd"]) == 10 * CALL_USD


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
