"""Views of traces: each call once, in one lane, whatever the tree of spans looks like."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_analytics.findings.build import build_view
from spanledger_analytics.findings.lanes import Lane, TraceView
from spanledger_analytics.findings.material import Call, Extra, Head, Material
from spanledger_analytics.spans import Span
from tests.processor_time import processor_s

TRACE = "a" * 32
NO_EXTRA = Extra("ok", "", 7, 8, "", 0, "", "")


class Node(NamedTuple):
    role: str
    parent: int
    start: int
    is_there: bool


def material(nodes: list[Node]) -> Material:
    head = Head(TRACE, "", "open", "", "", "", "", "", 0, 10**6, None, ())
    made = Material(head, [0])
    for number, node in enumerate(nodes):
        span_id = f"{number:016x}"
        if node.role == "llm":
            made.calls.append(
                Call("llm", TRACE, span_id, node.start, 5, None, "openai", "m", "ok", "", 1, None,
                     None, 1, Decimal(number), None, None, None, None, "")
            )  # fmt: skip
        if node.is_there:
            made.extras[span_id] = NO_EXTRA
            made.spans[span_id] = Span(
                TRACE,
                span_id,
                "" if node.parent < 0 else f"{node.parent:016x}",
                role=node.role,
                start_ns=node.start,
                end_ns=node.start + 5,
                agent_name=f"agent {number}" if node.role == "agent" else "",
                tool_name=f"tool {number}" if node.role == "tool" else "",
            )
    return made


def models(view: TraceView) -> list[str]:
    steps = [step for lane in view.lanes for step in lane.steps]
    return sorted(step.model.ref.span_id for step in steps if step.model)


def tools(view: TraceView) -> list[str]:
    steps = [step for lane in view.lanes for step in lane.steps]
    return sorted(tool.name for step in steps for tool in step.tools)


nodes = st.lists(
    st.builds(
        Node,
        st.sampled_from(["llm", "tool", "agent", "other"]),
        st.integers(-1, 14),  # parents that come later, that are missing, and circles
        st.integers(0, 1_000),
        st.booleans() | st.just(True),
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(nodes)
def test_each_call_is_in_one_lane_once_and_in_order(planted: list[Node]) -> None:
    view = build_view(material(planted), {})
    assert models(view) == [f"{n:016x}" for n, node in enumerate(planted) if node.role == "llm"]
    there = [f"tool {n}" for n, node in enumerate(planted) if node.role == "tool" and node.is_there]
    # One below another is one execution only under one name, and names differ here.
    assert tools(view) == sorted(there)
    assert len({lane.ref for lane in view.lanes}) == len(view.lanes)
    for lane in view.lanes:
        starts = [step.start_ns for step in lane.steps]
        assert starts == sorted(starts)
        assert lane.end_ns >= max((step.end_ns for step in lane.steps), default=lane.start_ns)


@settings(max_examples=100, deadline=None)
@given(nodes)
def test_a_span_belongs_to_the_nearest_agent(planted: list[Node]) -> None:
    view = build_view(material(planted), {})
    for lane in view.lanes:
        for step in lane.steps:
            for ref in [step.model.ref] if step.model else [tool.ref for tool in step.tools]:
                agent = nearest_agent(planted, int(ref.span_id, 16))
                if agent is not None:
                    assert lane.ref.span_id == f"{agent:016x}"


def nearest_agent(planted: list[Node], number: int) -> int | None:
    """The agent at or above a span; None: there is none, or the way up is not known."""
    seen: set[int] = set()
    while 0 <= number < len(planted) and number not in seen and planted[number].is_there:
        if planted[number].role == "agent":
            return number
        seen.add(number)
        number = planted[number].parent
    return None


def test_an_agent_that_has_not_arrived_keeps_its_lane() -> None:
    missing = [Node("agent", -1, 0, False)]
    turns = [Node("llm", 0, 10 + n, True) for n in range(3)]
    early = build_view(material(missing + turns), {})
    late = build_view(material([Node("agent", -1, 0, True), *turns]), {})
    assert [lane.ref for lane in early.lanes] == [lane.ref for lane in late.lanes]
    assert [lane.is_open for lane in (*early.lanes, *late.lanes)] == [True, False]


@pytest.mark.endurance
def test_a_long_lane_takes_time_in_proportion_to_its_length() -> None:
    def taken(turns: int) -> float:
        planted = [Node("agent", -1, 0, True)]
        planted += [Node(("llm", "tool")[n % 2], 0, n, True) for n in range(turns)]
        made = material(planted)
        [lane] = build_view(made, {}).lanes
        assert length(lane) == turns
        return processor_s(lambda: build_view(made, {}))

    assert taken(20_000) < 40 * max(taken(2_000), 0.01)


def length(lane: Lane) -> int:
    return sum((step.model is not None) + len(step.tools) for step in lane.steps)
