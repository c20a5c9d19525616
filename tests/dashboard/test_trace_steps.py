"""What the views of a trace are made of: steps, turns, who spoke, who asked whom."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from spanledger_dashboard.trace.conversation import in_order
from spanledger_dashboard.trace.decision_turns import turns_of
from spanledger_dashboard.trace.graph import NO_AGENT, Node, edges_of, graph_option, with_rest
from spanledger_dashboard.trace.parts import trajectory_of
from spanledger_dashboard.trace.steps import Steps, steps_of

SPAN: dict[str, Any] = {
    "parent_span_id": "",
    "kind": "internal",
    "name": "",
    "status": "ok",
    "error": "",
    "duration_ns": 10,
    "ttft_ns": None,
    "agent_name": "",
    "model": "",
    "input_tokens": None,
    "output_tokens": None,
    "finish_reason": "",
    "tool_name": "",
    "tool_call_id": "",
    "call_sig": 0,
    "result_sig": 0,
    "answer_hash": "",
    "message_count": 0,
}


def span(
    span_id: str, role: str, start_ns: int, parent: str = "", **columns: Any
) -> dict[str, Any]:
    made = {"span_id": span_id, "role": role, "start_ns": start_ns, "parent_span_id": parent}
    return SPAN | made | columns


def entry(span_id: str, cost: str | None, *merged: str, **columns: Any) -> dict[str, Any]:
    return {
        "span_id": span_id,
        "kind": "llm",
        "agent_name": "",
        "model": "m",
        "input_tokens": 100,
        "output_tokens": 10,
        "total_cost_usd": None if cost is None else Decimal(cost),
        "merged_span_ids": list(merged),
        **columns,
    }


def ids(steps: Steps) -> list[str]:
    return [step.span_id for step in steps.all]


def fleet() -> Steps:
    """An agent asks a model, runs a tool and a sub-agent, and asks again."""
    return steps_of(
        [
            span("boss", "agent", 0, agent_name="boss", duration_ns=100),
            span("node", "workflow", 1, "boss"),
            span("ask1", "llm", 2, "node", model="big"),
            span("twin", "llm", 3, "ask1", model="big"),
            span("tool", "tool", 20, "node", tool_name="sql", status="error", error="Timeout"),
            span("inner", "tool", 21, "tool", tool_name="sql"),
            span("helper", "agent", 30, "boss", agent_name="helper", duration_ns=30),
            span("ask2", "llm", 31, "helper", model="small"),
            span("ask3", "llm", 70, "boss", model="big"),
        ],
        [
            entry("ask1", "0.5", "twin"),
            entry("ask2", "0.125"),
            entry("ask3", None),
            entry("gone", "0.25"),
        ],
    )


def test_each_call_and_each_tool_is_one_step() -> None:
    steps = fleet()
    assert ids(steps) == ["boss", "ask1", "tool", "helper", "ask2", "ask3"]
    ask = steps.all[1]
    assert (ask.what, ask.agent, ask.owner_id, ask.merged) == ("big", "boss", "boss", 1)
    assert ask.sources == ("ask1", "twin")
    assert steps.all[4].agent == "helper"
    assert steps.rest_usd == Decimal("0.25")


def test_without_entries_every_call_is_a_step_and_nothing_costs() -> None:
    steps = steps_of([span("a", "llm", 0), span("b", "llm", 1, "a")], [])
    assert ids(steps) == ["a", "b"]
    assert not any(step.is_counted or step.cost_usd is not None for step in steps.all)


def test_spans_that_are_each_others_parents_end_the_climb() -> None:
    ring = [span(f"s{n}", "agent", n, f"s{(n + 1) % 80}") for n in range(80)]
    assert len(steps_of(ring, []).all) == 80


def test_turns_hold_what_followed_each_decision_and_sum_to_the_trace() -> None:
    turns = turns_of(fleet().all)
    assert [(t.call.span_id, [s.span_id for s in t.actions]) for t in turns.all] == [
        ("ask1", ["tool", "helper"]),
        ("ask2", []),
        ("ask3", []),
    ]
    assert [t.cost_usd for t in turns.all] == [Decimal("0.5"), Decimal("0.125"), None]
    assert turns.all[0].duration_ns == 58  # from 2 to the end of the helper at 60
    assert [s.span_id for s in turns.apart] == ["boss"]


def test_what_an_agent_did_before_its_first_call_prepared_it() -> None:
    steps = steps_of(
        [
            span("bot", "agent", 0),
            span("embed", "embedding", 1, "bot"),
            span("find", "retrieval", 2, "bot"),
            span("ask", "llm", 3, "bot"),
        ],
        [entry("embed", "0.01", kind="embedding"), entry("ask", "0.02")],
    )
    (turn,) = turns_of(steps.all).all
    assert [s.span_id for s in turn.before] == ["embed", "find"]
    assert turn.cost_usd == Decimal("0.03")


def test_each_message_is_said_once_and_every_answer_stands_with_its_call() -> None:
    steps = fleet()
    said = [
        ("question", False, [(0, 1, "boss"), (2, 1, "ask1"), (3, 1, "twin"), (70, 1, "ask3")]),
        ("thought", True, [(2, 2, "ask1")]),
        ("thought", True, [(3, 2, "twin")]),
        ("thought", False, [(70, 2, "ask3")]),  # sent along as history
        ("result", False, [(70, 3, "ask3")]),
        ("thought", True, [(70, 4, "ask3")]),  # the same words again are another answer
    ]
    found = [(u.step.span_id, u.message_hash, u.is_answer) for u in in_order(said, steps.all)]
    assert found == [
        ("ask1", "question", False),
        ("ask1", "thought", True),
        ("ask2", "", True),  # it answered, and nobody wrote down what
        ("ask3", "result", False),
        ("ask3", "thought", True),
    ]


def test_where_only_the_inner_span_holds_messages_it_speaks_for_the_call() -> None:
    said = [("hello", False, [(3, 1, "twin")]), ("hi", True, [(3, 2, "twin")])]
    found = [(u.step.span_id, u.message_hash) for u in in_order(said, fleet().all)]
    assert found[:2] == [("ask1", "hello"), ("ask1", "hi")]


def test_edges_add_up_who_asked_whom_and_for_how_much() -> None:
    edges = {(e.source.name, e.target.name): e for e in edges_of(fleet().all)}
    assert {k: (e.calls, e.errors, e.cost_usd) for k, e in edges.items()} == {
        ("boss", "big"): (2, 0, Decimal("0.5")),
        ("boss", "helper"): (1, 0, Decimal("0.125")),
        ("helper", "small"): (1, 0, Decimal("0.125")),
        ("boss", "sql"): (1, 1, None),
    }


def test_a_call_without_an_agent_still_has_a_node() -> None:
    (edge,) = edges_of(steps_of([span("a", "llm", 0, model="m")], []).all)
    assert (edge.source, edge.target) == (Node("agent", NO_AGENT), Node("model", "m"))


def test_forty_tools_are_drawn_as_twenty_and_the_rest_together() -> None:
    spans = [span("bot", "agent", 0, agent_name="bot")]
    spans += [span(f"t{n}", "tool", n, "bot", tool_name=f"tool {n:02}") for n in range(1, 41)]
    edges = edges_of(steps_of(spans, []).all)
    drawn = with_rest(edges)
    assert len(edges) == 40
    assert len(drawn) == 21
    assert drawn[-1].target == Node("tool", "20 other tools")
    assert sum(e.calls for e in drawn) == 40


def test_hostile_names_are_no_markup_in_the_tooltips_of_the_graph() -> None:
    steps = steps_of([span("t", "tool", 0, tool_name="<img src=x onerror=alert(1)> {a|b}")], [])
    option = str(graph_option(edges_of(steps.all), "Calls"))
    assert "‹img src=x onerror=alert(1)› ❴a¦b❵" in option


def part(trace_id: str, start_ms: int, *, session: bool = True) -> dict[str, Any]:
    return {
        "trace_id": trace_id,
        "name": trace_id,
        "start_ms": start_ms,
        "duration_ns": 1,
        "error_count": 0,
        "total_cost_usd": None,
        "is_same_session": session,
    }


def test_a_trajectory_is_its_parts_in_order_and_what_is_linked() -> None:
    found = [part("a", 1), part("b", 2), part("c", 3, session=False)]
    links = [
        {"trace_id": "c", "span_id": "s1", "own_span_id": "", "is_incoming": True},
        {"trace_id": "lost", "span_id": "s2", "own_span_id": "", "is_incoming": False},
    ]
    made = trajectory_of("b", found, links)
    assert [(p.trace_id, p.link, p.span_id) for p in made.parts] == [
        ("a", "", ""),
        ("b", "", ""),
        ("c", "from", "s1"),
        ("lost", "to", "s2"),
    ]
    assert made.previous is not None
    assert made.previous.trace_id == "a"
    assert made.next is not None
    assert made.next.trace_id == "c"
    assert made.parts[3].start_ms is None


def test_a_trace_that_the_jobs_have_not_seen_is_alone() -> None:
    made = trajectory_of("new", [], [])
    assert (len(made.parts), made.previous, made.next) == (1, None, None)
