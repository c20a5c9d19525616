"""The findings job: what detectors are shown of traces, and what happens to what they say."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal

import pytest

from spanledger_analytics.findings.finding import Finding
from spanledger_analytics.findings.lanes import Lane, TraceView
from spanledger_analytics.findings.limits import DetectorSettings
from spanledger_storage.store import Store
from tests.analytics.finding_traces import T0, AgentTrace, S, Watched, message
from tests.otlp import Value, attributes

NAMES = ("agent_name", "agent_version")


def long_ones(view: TraceView) -> list[Finding]:
    """A finding of every lane with more than two turns."""
    return [
        Finding(
            kind="loop",
            code="long",
            anchor=(view.trace_id, lane.ref.span_id),
            severity="warning",
            title=f"{len(lane.steps)} turns",
            explanation="",
            first_seen_ns=lane.start_ns,
            last_seen_ns=lane.end_ns,
            is_open=view.is_open,
            direct_usd=view.total_cost_usd,
        )
        for lane in view.lanes
        if len(lane.steps) > 2
    ]


def fails(view: TraceView) -> list[Finding]:
    raise ValueError(f"secret words of {view.user_id}")


def lane(view: TraceView, agent: str) -> Lane:
    [found] = [one for one in view.lanes if one.agent_name == agent]
    return found


def turns(found: Lane) -> list[tuple[bool, list[str]]]:
    return [(step.model is not None, [tool.name for tool in step.tools]) for step in found.steps]


def team() -> AgentTrace:
    """A planner that hands over to a writer; the planner's second tool fails."""
    trace = AgentTrace()
    planner = trace.agent("planner", 0, 60, session__id="s1", user__id="u1")
    trace.llm(1, planner, asked=[message("user", "Plan it")], answer="I look it up")
    trace.tool("search", 3, planner, arguments={"q": "x"}, result={"hits": [1, 2]})
    trace.tool("fetch", 5, planner, arguments={"u": 1}, status="error")
    trace.llm(7, planner, answer="Now write")
    handed = trace.tool("ask_writer", 9, planner, arguments={"task": "write"})
    writer = trace.agent("writer", 9.2, 30, handed)
    inner = trace.add("node", 9.5, 20, writer)
    trace.llm(10, inner, input_tokens=1_000)
    trace.tool("save", 12, inner, arguments={"f": "a"}, result="done")
    return trace


def test_each_agent_has_a_lane_of_turns(store: Store) -> None:
    watched = Watched(store, {})
    trace = team()
    watched.put(trace)
    watched.look()
    view = watched.views[trace.id]
    planner, writer = lane(view, "planner"), lane(view, "writer")
    assert turns(planner) == [(True, ["search", "fetch"]), (True, ["ask_writer"])]
    assert turns(writer) == [(True, ["save"])]
    assert (planner.parent, writer.parent) == (None, planner.ref)
    assert (view.session_id, view.user_id, view.agent_name) == ("s1", "u1", "planner")
    assert not view.is_open
    assert not planner.is_open
    assert (planner.start_ns, planner.end_ns) == (T0, T0 + 60 * S)
    search, fetch = planner.steps[0].tools
    assert (search.is_error, fetch.is_error, fetch.evidence) == (False, True, "declared")
    assert search.call_sig != fetch.call_sig != 0
    assert search.result_sig != 0
    call = writer.steps[0].model
    assert call is not None
    assert (call.model, call.input_tokens) == ("gpt-4o-mini", 1_000)
    priced = [step.model for one in view.lanes for step in one.steps if step.model]
    costs = [one.total_cost_usd for one in priced if one.total_cost_usd is not None]
    assert len(costs) == len(priced) == 3
    assert sum(costs) == view.total_cost_usd


def test_texts_are_read_when_they_are_asked_for(store: Store) -> None:
    watched = Watched(store, {})
    trace = AgentTrace()
    agent = trace.agent("bot", 0, 60)
    trace.llm(1, agent, asked=[message("user", "Hello")], answer="It is 21 degrees")
    trace.tool("weather", 3, agent, arguments={"a": "Bonn", "b": "x" * 9_000})
    trace.llm(5, agent)
    watched.put(trace)
    watched.look()
    view = watched.views[trace.id]
    first, last = view.lanes[0].steps
    assert first.model is not None
    assert last.model is not None
    assert view.texts.output(first.model) == "It is 21 degrees"
    assert view.texts.output(last.model) == ""
    assert '"Bonn"' in view.texts.arguments(first.tools[0])
    assert len(view.texts.arguments(first.tools[0])) == 4_096


def test_texts_of_all_traces_are_read_together(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(view: TraceView) -> list[Finding]:
        step = view.lanes[0].steps[0]
        asked = view.texts.arguments(step.tools[0])
        answered = view.texts.output(step.model) if asked and step.model else ""
        heard[view.trace_id].append((asked, answered))
        return []

    watched = Watched(store, {"says": says})
    traces = [AgentTrace() for _ in range(4)]
    for number, trace in enumerate(traces):
        trace.llm(1, answer=f"Answer {number}")
        trace.tool("look", 3, arguments={"n": number})
        trace.llm(5)
    heard: dict[str, list[tuple[str, str]]] = {trace.id: [] for trace in traces}
    statements: list[str] = []
    arrow = Store.arrow

    def noted(self: Store, name: str, params: dict[str, object] | None = None) -> object:
        statements.append(name)
        return arrow(self, name, params)

    monkeypatch.setattr(Store, "arrow", noted)
    watched.put(*traces)
    watched.look()
    for number, trace in enumerate(traces):
        assert heard[trace.id][-1] == (f'{{"n": {number}}}', f"Answer {number}")
    assert statements.count("findings_tool_texts") == 1
    assert statements.count("findings_message_texts") == 1


def test_an_open_trace_is_looked_at_and_its_lane_stays_the_same(store: Store) -> None:
    watched = Watched(store, {"long": long_ones})
    trace = AgentTrace()
    agent = trace.agent("bot", 0, 100)
    trace.spans = []  # it arrives when it ends
    for turn in range(3):
        trace.llm(1 + 10 * turn, agent, gen_ai__agent__name="bot")
        trace.tool("look", 3 + 10 * turn, agent)
    watched.put(trace)
    assert watched.look() == 1
    [early] = watched.findings()
    assert (early["is_open"], early["agent_name"], early["title"]) == (1, "bot", "3 turns")
    trace.spans = [agent]
    watched.put(trace)
    watched.look()
    [late] = watched.findings()
    assert (late["finding_id"], late["detected_at"]) == (early["finding_id"], early["detected_at"])
    assert late["is_open"] == 0
    assert late["direct_usd"] == watched.views[trace.id].total_cost_usd


def test_one_run_told_by_two_instrumentations_is_one_lane(store: Store) -> None:
    watched = Watched(store, {})
    trace = AgentTrace()
    outer = trace.agent("bot", 0, 60)
    watched.put(trace, scope="framework")
    inner = trace.agent("bot", 1, 59, outer)
    trace.llm(2, inner)
    trace.tool("look", 4, inner, arguments={"a": 1})
    watched.put(trace, scope="wrapper")
    watched.look()
    [only] = watched.views[trace.id].lanes
    assert only.ref.span_id == outer.span_id.hex()
    assert turns(only) == [(True, ["look"])]


def test_what_a_person_says_in_between_is_known(store: Store) -> None:
    watched = Watched(store, {})
    trace = AgentTrace()
    agent = trace.agent("bot", 0, 60)
    said: list[dict[str, object]] = [message("user", "Hello")]
    for turn, answer in enumerate(("Hi", "Sure", "Done")):
        trace.llm(1 + 10 * turn, agent, asked=said, answer=answer)
        said = [*said, message("assistant", answer), message("user", f"And {turn}?")]
    watched.put(trace)
    watched.look()
    assert watched.views[trace.id].lanes[0].human_ns == (T0 + 11 * S, T0 + 21 * S)


def test_a_program_that_repeats_itself_is_no_person(store: Store) -> None:
    watched = Watched(store, {})
    trace = AgentTrace()
    agent = trace.agent("bot", 0, 60)
    said: list[dict[str, object]] = [message("user", "Hello")]
    for turn in range(4):
        trace.llm(1 + 10 * turn, agent, asked=said, answer=f"Thinking {turn}")
        said = [message("user", "Hello"), message("assistant", f"Thinking {turn}")]
        said += [message("user", f"note {turn}")] if turn == 2 else []
    watched.put(trace)
    watched.look()
    # What the model answered comes back as its own message: only the note is somebody's.
    assert watched.views[trace.id].lanes[0].human_ns == (T0 + 31 * S,)


def test_running_again_writes_nothing_also_after_a_restart(store: Store) -> None:
    watched = Watched(store, {"long": long_ones})
    trace = AgentTrace()
    for turn in range(4):
        trace.llm(1 + 10 * turn)
    watched.put(trace)
    assert watched.look() == 1
    assert watched.look() == 0
    watched.job = watched.new_job()
    assert watched.look() == 0
    watched.marks.set("findings", 0)
    watched.job = watched.new_job()
    assert watched.look() == 0
    [row] = store.sql_rows("SELECT count() AS n FROM findings")
    assert row["n"] == 1


def test_what_detectors_no_longer_say_goes(store: Store) -> None:
    watched = Watched(store, {"long": long_ones})
    trace = AgentTrace()
    for turn in range(4):
        trace.llm(1 + 10 * turn)
    watched.put(trace)
    watched.look()
    watched.settings["p"] = DetectorSettings(disabled=frozenset({"long"}))
    trace.llm(50)
    watched.put(trace)
    assert watched.look() == 1
    assert watched.findings() == []


def test_a_detector_that_fails_stops_no_other_and_removes_nothing(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(store, {"fails": fails, "long": long_ones})
    trace = AgentTrace()
    for turn in range(4):
        trace.llm(1 + 10 * turn, user__id="ann")
    watched.put(trace)
    with caplog.at_level(logging.ERROR):
        watched.look()
        trace.llm(50)
        watched.put(trace)
        watched.look()
    assert [row["title"] for row in watched.findings()] == ["5 turns"]
    [record] = caplog.records
    assert "detector fails failed" in record.message
    assert "secret" not in record.message


def test_limits_and_tools_of_a_project_reach_its_traces(store: Store) -> None:
    settings = DetectorSettings({"max_usd_per_request": 0.5}, frozenset({"wait"}))
    watched = Watched(store, {}, {"p": settings})
    one, other = AgentTrace(), AgentTrace()
    one.llm(1)
    other.llm(1)
    watched.put(one)
    watched.put(other, project="q")
    watched.look()
    view = watched.views[one.id]
    assert view.limits == {"max_usd_per_request": 0.5}
    assert view.poll_tools == {"wait"}
    # A call alone is only looked at where a limit says so.
    assert other.id not in watched.views


def test_many_traces_and_a_large_one_are_read_in_bounded_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_analytics.findings.job._TRACES_PER_STEP", 3)
    monkeypatch.setattr("spanledger_analytics.findings.job._SPANS_PER_STEP", 8)
    watched = Watched(store, {"long": long_ones})
    large = AgentTrace()
    for turn in range(20):
        large.llm(1 + 2 * turn)
    small = [AgentTrace(T0 + n * S) for n in range(10)]
    for trace in small:
        trace.llm(1)
        trace.tool("look", 3)
    watched.put(large, *small)
    watched.look()
    assert len(watched.views) == 11
    assert [row["title"] for row in watched.findings()] == ["20 turns"]


def test_costs_of_paid_tools_are_of_the_tool(store: Store) -> None:
    watched = Watched(store, {})
    trace = AgentTrace()
    agent = trace.agent("bot", 0, 60)
    trace.llm(1, agent)
    trace.tool("search", 3, agent, arguments={"q": "x"})
    watched.put(trace)
    watched.look()
    view = watched.views[trace.id]
    [tool] = view.lanes[0].steps[0].tools
    assert tool.cost_usd is None  # nobody gave it a price
    assert isinstance(view.total_cost_usd, Decimal)
    assert replace(view, limits={}) == view


def test_a_loop_is_found_while_it_burns_and_healthy_work_is_not(store: Store) -> None:
    watched = Watched(store)
    looping, healthy = AgentTrace(), AgentTrace()
    root = looping.agent("bot", 0, 100, session__id="s1", user__id="u1")
    for turn in range(8):
        looping.llm(1 + 5 * turn, root, gen_ai__agent__name="bot", session__id="s1")
        looping.tool("search", 3 + 5 * turn, root, arguments={"q": "x"}, result={"hits": []})
    looping.spans.remove(root)  # it has not ended
    agent = healthy.agent("bot", 0, 60)
    for turn, name in enumerate(("search", "read", "write")):
        healthy.llm(1 + 5 * turn, agent, answer=f"Step {turn}")
        healthy.tool(name, 3 + 5 * turn, agent, arguments={"n": turn}, result={"ok": turn})
    watched.put(looping, healthy)
    watched.look()
    found = watched.findings()
    assert {row["trace_id"] for row in found} == {looping.id}
    loop = next(row for row in found if row["kind"] == "loop")
    view = watched.views[looping.id]
    each = {step.model.total_cost_usd for step in view.lanes[0].steps if step.model}
    assert loop["is_open"] == 1
    assert loop["session_id"] == "s1"
    assert {loop["direct_usd"]} == {7 * cost for cost in each if cost}  # the first was needed
    assert loop["direct_usd"] < view.total_cost_usd
    assert watched.look() == 0


def test_fees_of_requests_are_no_part_of_what_carrying_costs(store: Store) -> None:
    watched = Watched(store)
    trace = AgentTrace()
    agent = trace.agent("seeker", 0, 300)
    prompts = [4_000 * n for n in range(1, 13)]
    for n, prompt in enumerate(prompts):
        said: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "perplexity",
            "gen_ai.request.model": "sonar-pro",
            "gen_ai.usage.input_tokens": prompt,
            "gen_ai.usage.output_tokens": 10,
        }
        trace.add("chat", 10 * n, 10 * n + 1, agent).attributes.extend(attributes(said))
    watched.put(trace)
    watched.look()
    [found] = [row for row in watched.findings() if row["kind"] == "context_bloat"]
    # $3 a million; each request costs $0.014 besides. 8,000 is the median of the first three.
    assert found["carried_usd"] == sum(max(0, p - 8_000) for p in prompts) * Decimal("0.000003")
