"""Every execution of a tool is counted once, in the agent's trace (R9)."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger_analytics.spans import Span, newest_versions
from spanledger_analytics.tool_traces import Interval, traces_around, traces_inside
from spanledger_analytics.tools import derive_tool_calls, is_same_tool
from tests.analytics.made import TRACE, span, tool

OTHER = "b" * 32


def calls(*spans: Span) -> list[tuple[str, str]]:
    return [call.key for call in derive_tool_calls(newest_versions(list(spans)))]


def server(span_id: str, parent: str = "", **fields: Any) -> Span:
    return tool(span_id, parent, **{"scope_name": "mcp", "at": 1, "lasts": 90, **fields})


def test_framework_client_and_server_below_one_another_are_one_call() -> None:
    client = span("2", "1", role="other", at=1, lasts=95)
    assert calls(tool("1"), client, server("3", "2")) == [(TRACE, "1")]


def test_tools_below_an_agent_that_a_tool_started_are_calls_of_their_own() -> None:
    found = calls(tool("1"), span("2", "1", role="agent"), tool("3", "2", at=10, lasts=20))
    assert found == [(TRACE, "1"), (TRACE, "3")]


def test_tool_that_runs_another_tool_is_two_calls() -> None:
    part = tool("3", "2", tool_name="", at=2, lasts=10)
    assert len(calls(tool("1"), tool("2", "1", tool_name="fetch", at=1, lasts=20), part)) == 2
    ids = tool("1", tool_call_id="a"), tool("2", "1", tool_call_id="b", at=1, lasts=20)
    assert len(calls(*ids)) == 2


def test_server_span_in_a_trace_of_its_own_belongs_to_the_agents_trace() -> None:
    framework = tool("1", "0", tool_name="mcp__srv__search", tool_call_id="c")
    assert calls(framework, server("2", trace=OTHER)) == [(TRACE, "1")]
    assert calls(server("2", trace=OTHER)) == [(OTHER, "2")]


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_name": "other"},
        {"service_name": "elsewhere"},
        {"at": 60},
        {"scope_name": "scope"},
        {"parent": "9"},
        {"service_instance": "i2"},
    ],
    ids=["other tool", "other service", "later", "same scope", "not a root", "other process"],
)
def test_server_span_of_another_call_stays_a_call(fields: dict[str, Any]) -> None:
    parent = fields.pop("parent", "")
    assert len(calls(tool("1", "0", service_instance="i1"), server("2", parent, trace=OTHER,
                     **fields))) == 2  # fmt: skip


def test_parallel_calls_of_one_tool_pair_one_to_one() -> None:
    outer = [tool(f"o{i}", "0", at=i, tool_call_id=f"c{i}") for i in range(20)]
    inner = [server(f"i{i}", trace=f"{i:032x}", at=i + 1, lasts=90) for i in range(20)]
    assert [trace for trace, _ in calls(*outer, *inner)] == [TRACE] * 20


def test_call_id_means_one_execution_until_it_succeeded() -> None:
    def twice(status: str) -> list[tuple[str, str]]:
        first = tool("1", "0", tool_call_id="call_0", status=status)
        return calls(first, tool("2", "0", tool_call_id="call_0", at=500))

    assert len(twice("error")) == 1  # tried again
    assert len(twice("ok")) == 2  # a client that numbers the calls of each answer


def test_log_record_of_a_tool_is_the_tools_call() -> None:
    record = tool("2", "0", kind="log", scope_name="events", tool_call_id="c", at=150)
    assert calls(tool("1", "0", tool_call_id="c"), record) == [(TRACE, "1")]
    assert calls(tool("1", "0"), record) == [(TRACE, "1")]
    unnamed = tool("2", "0", kind="log", tool_name="", tool_call_id="c", at=150)
    assert calls(tool("1", "0", tool_call_id="c"), unnamed) == [(TRACE, "1")]


def test_parent_cycles_among_tools_end() -> None:
    assert len(calls(tool("1", "2"), tool("2", "1", at=1, lasts=9), tool("3", "3", at=300))) == 2


def test_names_are_one_tools_but_for_a_prefix() -> None:
    assert is_same_tool("mcp__srv__search", "search")
    assert is_same_tool("Plugin-search", "search")
    assert is_same_tool("", "search")
    assert not is_same_tool("a.search", "b.search")
    assert not is_same_tool("research", "search")


def interval(trace: str, start: int, end: int, **names: str) -> Interval:
    named = {"service_name": "svc", "tool_name": "search", **names}
    return Interval(trace, named["service_name"], named["tool_name"], start * 10**7, end * 10**7)


def test_traces_inside_and_around_are_found_by_service_tool_and_time() -> None:
    inner = [
        interval("in", 2, 3, tool_name="mcp__s__search"),
        interval("out", 2, 9),
        interval("before", 0, 3),
        interval("elsewhere", 2, 3, service_name="x"),
        interval("other", 2, 3, tool_name="fetch"),
    ]
    outer = [interval("a", 1, 4), interval("b", 5, 6)]
    assert traces_inside(inner, outer) == {"in"}
    assert traces_around(inner, [interval("a", 5, 8)]) == {"out"}
    assert traces_inside([], outer) == traces_around(outer, []) == set()
