"""Log records as views of calls: they fill gaps, and never make a second call."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger_analytics.calls import derive_calls
from spanledger_analytics.spans import Span

MS = 1_000_000
T0 = 1_790_000_000_000_000_000
A, B = "a" * 32, "b" * 32


def llm(span_id: str, parent: str = "", at: int = 0, **fields: Any) -> Span:
    settings: dict[str, Any] = {
        "role": "llm",
        "kind": "client",
        "scope_name": "library",
        "service_name": "svc",
        "request_model": "claude-sonnet-4-5",
        "input_tokens": 1_000,
        "output_tokens": 50,
        "start_ns": T0 + at * MS,
        "end_ns": T0 + (at + 100) * MS,
        "usage_source": "span",
        **fields,
    }
    trace_id = settings.pop("trace_id", A)
    return Span(trace_id, span_id, parent_span_id=parent, **settings)


def log(span_id: str, parent: str = "", at: int = 0, **fields: Any) -> Span:
    return llm(span_id, parent, at, **{"kind": "log", "usage_source": "log", **fields})


def agent(span_id: str) -> Span:
    return Span(A, span_id, role="agent", start_ns=T0, end_ns=T0 + 10_000 * MS)


def test_a_record_in_a_call_that_a_second_library_reports_too_is_one_call() -> None:
    record = log("l", "p", at=99, end_ns=T0 + 99 * MS)
    [call] = derive_calls([llm("p"), llm("c", "p", scope_name="sdk"), record])
    assert {span_id for _, span_id in call.sources} == {"p", "c", "l"}
    assert call.usage_source == "merged"
    assert "double_instrumented" in call.flags


@pytest.mark.parametrize("late_ms", [-20, 0, 20])
def test_a_record_beside_its_span_is_the_same_call_and_never_the_primary(late_ms: int) -> None:
    span = llm("s", "turn")
    record = log("l", "turn", at=late_ms, scope_name="events", cache_write_1h_tokens=7)
    [call] = derive_calls([agent("turn"), span, record])
    assert call.primary.span_id == "s"
    assert call.tokens.cache_write_1h == 7
    assert "double_instrumented" not in call.flags


def test_two_calls_of_equal_size_have_a_record_each() -> None:
    spans = [llm("s1", "turn", at=0), llm("s2", "turn", at=40)]
    records = [log(f"l{n}", "turn", at=at, scope_name="events") for n, at in ((1, 1), (2, 41))]
    calls = derive_calls([agent("turn"), *spans, *records])
    assert [{key[1] for key in call.sources} for call in calls] == [{"s1", "l1"}, {"s2", "l2"}]


def test_a_record_of_the_same_library_in_a_trace_of_its_own_is_told_by_the_response_id() -> None:
    span = llm("s", response_id="r-1")
    record = log("l", trace_id=B, at=99, end_ns=T0 + 99 * MS, response_id="r-1")
    [call] = derive_calls([span, record])
    assert call.primary.span_id == "s"
    assert call.tokens.input == 1_000


def adk(*usages: tuple[int, int], last: tuple[int, int]) -> list[tuple[str, int | None]]:
    """Models and input of the calls of Google ADK's span, which keeps the last call's counts.

    Of each call it also writes a record, which names no model.
    """
    span = llm("s", end_ns=T0 + 900 * MS, input_tokens=last[0], output_tokens=last[1])
    records = [
        log(
            f"l{n}",
            "s",
            at=100 * n,
            end_ns=T0 + 100 * n * MS,
            request_model="",
            input_tokens=usage[0],
            output_tokens=usage[1],
        )
        for n, usage in enumerate(usages, 1)
    ]
    return sorted((call.model, call.tokens.input) for call in derive_calls([span, *records]))


def test_records_tell_of_the_calls_that_their_span_forgot() -> None:
    model = "claude-sonnet-4-5"
    assert adk((21_780, 7_258), last=(21_780, 7_258)) == [(model, 21_780)]
    found = adk((21_780, 7_258), (21_800, 7_265), (21_820, 7_272), last=(21_820, 7_272))
    assert found == [(model, 21_780), (model, 21_800), (model, 21_820)]
    assert adk((10, 1), (10, 1), last=(10, 1)) == [(model, 10)] * 2


def test_records_alone_are_calls() -> None:
    calls = derive_calls([log("l1", "gone", at=0), log("l2", "gone", at=500)])
    assert [call.usage_source for call in calls] == ["log", "log"]
