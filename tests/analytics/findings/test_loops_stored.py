"""Loops of real spans: through ingestion, ledger and findings job."""

from __future__ import annotations

import json
from decimal import Decimal

from spanledger_analytics.findings.detectors import loops
from spanledger_analytics.findings.limits import DetectorSettings
from spanledger_storage.store import Store
from tests.analytics.finding_traces import AgentTrace, Watched

LOOPS = {"loops": loops.detect}


def searching(count: int, arguments: list[object], tool: str = "search") -> AgentTrace:
    trace = AgentTrace()
    agent = trace.agent("bot", 0, 100)
    for turn in range(count):
        trace.llm(1 + 2 * turn, agent, input_tokens=1_000_000 + 1_000 * turn)
        asked = arguments[turn % len(arguments)]
        trace.tool(tool, 2 + 2 * turn, agent, arguments=asked, result={"hits": []})
    trace.spans.remove(agent)  # it is still at work
    return trace


def test_a_loop_is_found_while_it_goes_on_and_costs_what_the_ledger_says(store: Store) -> None:
    watched = Watched(store, LOOPS)
    trace = searching(5, [{"q": "x"}])
    watched.put(trace)
    watched.look()
    [row] = watched.findings()
    assert (row["kind"], row["code"], row["severity"], row["is_open"]) == (
        "loop",
        "exact",
        "critical",
        1,
    )
    costs = {
        str(one["span_id"]): Decimal(str(one["total_cost_usd"]))
        for one in store.sql_rows("SELECT span_id, total_cost_usd FROM ledger_current")
    }
    wasted = sorted(costs, key=lambda span_id: int(span_id, 16))[1:]
    assert row["direct_usd"] == sum(costs[span_id] for span_id in wasted)
    assert json.loads(row["details"])["copies"] == 5


def test_other_words_are_read_from_the_store_and_polls_left_alone(store: Store) -> None:
    watched = Watched(store, LOOPS, {"p": DetectorSettings(poll_tools=frozenset({"look"}))})
    ways: list[object] = [{"q": "x", "n": 1}, {"n": "1", "q": "x"}, {"q": "x", "n": 1, "also": []}]
    watched.put(searching(3, ways), searching(6, [{"q": "x"}], tool="look"))
    watched.look()
    assert [row["code"] for row in watched.findings()] == ["near"]
