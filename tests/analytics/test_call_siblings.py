"""Two records of one call of which neither is the other's parent, and how they are told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from spanledger_analytics.calls import derive_calls
from spanledger_analytics.spans import Span
from tests.analytics.made import TRACE, llm, only, sources, span, usages


def test_siblings_with_one_response_id_are_one_call() -> None:
    call = only(
        derive_calls(
            [
                span("0", role="agent", agent_name="a"),
                llm("1", "0", usage=(10, 1), response_id="r", scope_name="traceloop"),
                llm("2", "0", usage=(10, 1), response_id="r", at=1, lasts=98, scope_name="native"),
            ]
        )
    )
    assert call.primary.span_id == "1"


def test_response_id_joins_across_traces_and_the_agents_trace_owns_the_call() -> None:
    call = only(
        derive_calls(
            [
                span("0", role="agent", agent_name="a", session_id="s"),
                llm("1", "0", usage=(10, 1), response_id="r", scope_name="callback"),
                llm(
                    "2",
                    trace="b" * 32,
                    usage=(10, 1),
                    cache_write_5m_tokens=4,
                    response_id="r",
                    at=1,
                    lasts=98,
                    scope_name="native",
                ),
            ]
        )
    )
    assert call.primary.key == (TRACE, "1")
    assert call.context.agent_name == "a"
    assert (call.tokens.cache_write, call.tokens.cache_write_5m) == (4, 4)


@pytest.mark.parametrize("scope", ["scope", "other"])
def test_id_that_a_test_double_repeats_does_not_join_different_calls(scope: str) -> None:
    calls = derive_calls(
        [
            llm("1", response_id="chatcmpl-123", usage=(10, 1)),
            llm("2", response_id="chatcmpl-123", usage=(10, 1), at=300, scope_name=scope),
        ]
    )
    assert len(calls) == 2


def test_parallel_calls_of_one_scope_with_a_repeated_id_stay_apart() -> None:
    spans = [llm(f"{i}", response_id="x", usage=(10, 1), at=i) for i in range(3)]
    native = [
        llm(f"n{i}", response_id="x", usage=(10, 1), at=i + 0.5, lasts=99, scope_name="native")
        for i in range(3)
    ]
    calls = derive_calls(spans + native)
    assert sorted(len(call.sources) for call in calls) == [2, 2, 2]


def native_twin(span_id: str, trace: str = "b" * 32, **fields: Any) -> Span:
    settings: dict[str, Any] = {"usage": (10, 1), "at": 1, "lasts": 98, "response_id": "r9"}
    settings |= {"scope_name": "native", "service_instance": "i1", "trace": trace, **fields}
    return llm(span_id, **settings)


def test_views_without_an_id_join_by_process_tokens_and_time() -> None:
    outer = llm("1", "0", usage=(10, 1), service_instance="i1", scope_name="callback")
    assert len(derive_calls([outer, native_twin("2")])) == 1
    assert len(derive_calls([outer, native_twin("2", service_instance="i2")])) == 2
    assert len(derive_calls([outer, native_twin("2", usage=(10, 2))])) == 2
    assert len(derive_calls([outer, native_twin("2", at=60)])) == 2
    assert len(derive_calls([outer, native_twin("2", scope_name="callback")])) == 2
    assert len(derive_calls([outer, native_twin("2", request_model="claude")])) == 2


def test_parallel_equal_calls_pair_one_to_one() -> None:
    outer = [
        llm(f"o{i}", "0", usage=(10, 1), service_instance="i1", at=i, scope_name="callback")
        for i in range(10)
    ]
    inner = [native_twin(f"n{i}", f"{i:032x}", at=i + 0.5, response_id=f"r{i}") for i in range(10)]
    calls = derive_calls(outer + inner)
    assert sorted(len(call.sources) for call in calls) == [2] * 10


@pytest.mark.parametrize("ids", [("", ""), ("r1", ""), ("", "r2")])
def test_parallel_equal_calls_of_nested_views_stay_apart(ids: tuple[str, str]) -> None:
    """The outer view of the shorter call lies inside the inner view of the longer one."""
    calls = derive_calls(
        [
            llm("1", "0", usage=(10, 1), scope_name="framework"),
            llm("2", "1", usage=(10, 1), at=1, lasts=98, scope_name="sdk", response_id=ids[0]),
            llm("3", "0", usage=(10, 1), lasts=200, scope_name="framework"),
            llm("4", "3", usage=(10, 1), at=1, lasts=198, scope_name="sdk", response_id=ids[1]),
        ]
    )
    assert sorted(sources(calls)) == [["1", "2"], ["3", "4"]]


def test_failed_siblings_of_two_scopes_are_one_failed_call() -> None:
    call = only(
        derive_calls(
            [
                span("0", role="agent"),
                llm("1", "0", status="error", scope_name="traceloop"),
                llm("2", "0", status="error", at=1, lasts=98, scope_name="native"),
            ]
        )
    )
    assert call.status == "error"


def failed(span_id: str, trace: str, **fields: Any) -> Span:
    said: dict[str, Any] = {"service_instance": "i", "status": "error", "trace": trace * 32}
    return llm(span_id, **{**said, "scope_name": f"scope {span_id[0]}", **fields})


def test_failed_calls_in_traces_of_their_own_are_one_call_each() -> None:
    """Three that fail at once, each seen by two libraries that do not nest."""
    views = [
        view
        for n in range(3)
        for view in (
            failed(f"a{n}", f"{n}", at=n),
            failed(f"b{n}", f"{n + 3}", at=n + 0.3, lasts=99),
        )
    ]
    calls = derive_calls(views)
    assert sorted(sources(calls)) == [["a0", "b0"], ["a1", "b1"], ["a2", "b2"]]
    assert {call.status for call in calls} == {"error"}


@pytest.mark.parametrize(
    "other",
    [
        {"status": "ok"},
        {"usage": (10, 1)},
        {"request_model": "gpt-4o-mini"},
        {"service_instance": "j"},
        {"scope_name": "scope a"},
        {"at": 50},
        {"parent": "0"},  # of an agent, so that the other is not its view
        {"role": "embedding"},
    ],
)
def test_failed_calls_that_only_resemble_each_other_are_two(other: dict[str, Any]) -> None:
    one, two = failed("a", "1"), failed("b", "2", at=1, lasts=98)
    assert len(derive_calls([one, two])) == 1
    role, parent = other.pop("role", "llm"), other.pop("parent", "")
    two = failed("b", "2", **{"at": 1, "lasts": 98, **other})
    assert len(derive_calls([one, two._replace(role=role, parent_span_id=parent)])) == 2


def log(span_id: str, parent: str, **fields: Any) -> Span:
    """A call that a log record told of."""
    return llm(span_id, parent, **{"kind": "log", "scope_name": "events", **fields})


def claude_code(**fields: Any) -> list[Span]:
    """A turn of Claude Code with one request, and the log record of the same request."""
    split = {"cache_write_tokens": 40, "cache_write_5m_tokens": 30, "cache_write_1h_tokens": 10}
    record = {"usage": (100, 5), "at": 900, **split, "reported_cost_usd": Decimal("0.02")}
    return [
        span("0", role="agent", lasts=2_000),
        llm("1", "0", usage=(100, 5), cache_write_tokens=40, scope_name="tracing"),
        log("2", "0", **{**record, "request_id": "req-1", **fields}),
    ]


def test_log_record_of_a_request_fills_the_gaps_of_its_span() -> None:
    call = only(derive_calls(claude_code()))
    assert (call.tokens.input, call.tokens.cache_write_5m, call.tokens.cache_write_1h) == (
        100,
        30,
        10,
    )
    assert (call.request_id, call.reported_cost_usd) == ("req-1", Decimal("0.02"))
    assert call.primary.span_id == "1"
    assert call.flags == ()


@pytest.mark.parametrize(
    "fields",
    [{"at": 2_500}, {"usage": (101, 5)}, {"request_model": "claude"}, {"trace": "b" * 32}],
    ids=["more than a second apart", "other tokens", "other model", "other trace"],
)
def test_log_record_of_another_request_is_another_call(fields: dict[str, Any]) -> None:
    assert len(derive_calls(claude_code(**fields))) == 2


def test_log_records_of_requests_in_a_row_each_find_their_span() -> None:
    spans = [span("0", role="agent", lasts=5_000)]
    for i in range(5):
        spans.append(llm(f"s{i}", "0", usage=(100, 5), at=i * 150, scope_name="tracing"))
        spans.append(log(f"l{i}", "0", usage=(100, 5), at=i * 150 + 120))
    assert sources(derive_calls(spans)) == [[f"s{i}", f"l{i}"] for i in range(5)]


def test_a_log_record_joins_the_call_of_its_own_trace_before_one_at_the_same_time() -> None:
    """Two sessions of one service at once; the clock of the first one's record is 5 ms late."""
    other, said = "b" * 32, {"usage": (100, 5), "service_name": "claude-code"}
    calls = derive_calls(
        [
            span("0", role="agent", lasts=2_000),
            llm("1", "0", scope_name="tracing", **said),
            log("2", "0", at=5, **said),
            span("5", role="agent", lasts=2_000, trace=other),
            llm("6", "5", at=4, lasts=102, scope_name="tracing", trace=other, **said),
            log("7", "5", at=9, lasts=102, trace=other, **said),
        ]
    )
    assert sources(calls) == [["1", "2"], ["6", "7"]]


def test_failed_requests_record_joins_the_failed_span_not_a_silent_one() -> None:
    calls = derive_calls(
        [
            span("0", role="agent", lasts=2_000),
            llm("1", "0", scope_name="tracing"),
            llm("2", "0", at=110, status="error", scope_name="tracing"),
            log("3", "0", at=60, lasts=30, status="error"),
        ]
    )
    assert sources(calls) == [["1"], ["2", "3"]]


@pytest.mark.parametrize("usage", [(10, 1), (None, None), (10, None)])
def test_record_written_inside_a_call_describes_it_beside_its_children(
    usage: tuple[int | None, int | None],
) -> None:
    call = only(
        derive_calls(
            [
                llm("1", usage=(10, 1), scope_name="framework"),
                llm("2", "1", usage=(10, 1), at=1, lasts=98, scope_name="sdk"),
                log("3", "1", usage=usage, at=99, lasts=0, request_id="req-1"),
            ]
        )
    )
    assert (usages([call]), call.request_id) == ([(10, 1)], "req-1")
    assert len(call.sources) == 3


def test_several_records_inside_one_span_are_the_calls_it_sums_up() -> None:
    calls = derive_calls(
        [
            llm("1", usage=(30, 3), lasts=500, scope_name="framework"),
            log("2", "1", usage=(10, 1), at=100, lasts=0),
            log("3", "1", usage=(20, 2), at=300, lasts=0),
        ]
    )
    assert usages(calls) == [(10, 1), (20, 2)]


def test_views_of_one_trace_need_no_service_instance() -> None:
    outer = llm("1", "0", usage=(10, 1), scope_name="callback")
    inner = llm("2", usage=(10, 1), at=1, lasts=98, scope_name="native")
    assert len(derive_calls([outer, inner])) == 1
    assert len(derive_calls([outer, inner._replace(scope_name="callback")])) == 2
    assert len(derive_calls([outer, inner._replace(trace_id="b" * 32)])) == 2


@pytest.mark.parametrize("times", [(0, 300), (0, 50)], ids=["in a row", "at one time"])
def test_id_on_several_calls_is_flagged_on_each(times: tuple[int, int]) -> None:
    calls = derive_calls(
        [llm(f"{n}", response_id="x", usage=(10, n), at=at) for n, at in enumerate(times)]
    )
    assert [call.flags for call in calls] == [("reused_response_id",)] * 2


def test_id_in_other_traces_is_flagged_only_at_the_same_time() -> None:
    def traces(at: int) -> list[Span]:
        first = llm("1", response_id="x", usage=(10, 1))
        return [first, llm("2", response_id="x", usage=(10, 2), at=at, trace="b" * 32)]

    assert [call.flags for call in derive_calls(traces(50))] == [("reused_response_id",)] * 2
    assert [call.flags for call in derive_calls(traces(500))] == [()] * 2


def test_one_call_in_two_traces_does_not_reuse_its_id() -> None:
    views = [
        llm("1", "0", response_id="x", usage=(10, 1)),
        llm("2", trace="b" * 32, response_id="x", usage=(10, 1), at=1, lasts=98, scope_name="n"),
    ]
    assert only(derive_calls(views)).flags == ("double_instrumented",)


def test_views_that_disagree_are_flagged_and_the_larger_total_stays() -> None:
    views = [
        llm("1", usage=(10, 6), scope_name="traceloop"),
        llm("2", "1", usage=(10, 5), at=1, lasts=98, scope_name="native"),
    ]
    call = only(derive_calls(views))
    assert usages([call]) == [(10, 6)]
    assert call.flags == ("double_instrumented", "views_disagree")


def test_parts_that_views_file_differently_never_inflate_the_total() -> None:
    views = [
        llm("1", usage=(100, 5), cache_read_tokens=90, scope_name="a"),
        llm("2", "1", usage=(101, 5), cache_write_tokens=90, at=1, lasts=98, scope_name="b"),
    ]
    tokens = only(derive_calls(views)).tokens
    assert (tokens.input, tokens.cache_read, tokens.cache_write) == (101, None, 90)


def test_a_service_without_instance_ids_is_one_process() -> None:
    """LangSmith and older SDKs send a service's name and no service.instance.id."""
    framework = llm("1", usage=(733, 23), scope_name="langsmith", service_name="app")
    native = llm(
        "2",
        trace="b" * 32,
        usage=(733, 23),
        scope_name="native",
        service_name="app",
        response_id="msg_1",
        at=5,
        lasts=50,
    )
    assert len(derive_calls([framework, native])) == 1
    assert len(derive_calls([framework, native._replace(service_name="other")])) == 2


def test_sibling_views_of_an_embedding_are_one() -> None:
    views = [
        span("1", "0", role="embedding", usage=(8, None), scope_name="wrapper"),
        span("2", "0", role="embedding", usage=(8, None), at=1, lasts=90, scope_name="official"),
    ]
    assert usages(derive_calls(views)) == [(8, None)]


def test_a_sibling_that_knows_the_tokens_completes_a_silent_view() -> None:
    silent = [llm(f"s{i}", "0", at=200 * i, scope_name="framework") for i in range(3)]
    known = [
        llm(f"k{i}", "0", usage=(10 + i, 1), at=200 * i + 5, lasts=90, scope_name="official")
        for i in (0, 2)
    ]
    assert usages(derive_calls([*silent, *known])) == [(10, 1), (None, None), (12, 1)]


def test_a_silent_view_takes_no_call_that_another_view_already_shows() -> None:
    """Two calls at once; the framework's view of the second found its partner by its tokens."""
    spans = [
        llm("s", "0", lasts=300, scope_name="framework"),
        llm("f", "0", usage=(10, 1), at=10, scope_name="framework"),
        llm("o", "0", usage=(10, 1), at=15, lasts=80, scope_name="official"),
    ]
    assert usages(derive_calls(spans)) == [(None, None), (10, 1)]


def test_fast_mode_is_known_when_one_view_tells_it() -> None:
    tiers = ("fast", "standard")
    outer, inner = (
        llm(str(place + 1), str(place), at=place, usage=(10, 1), scope_name=tier, service_tier=tier)
        for place, tier in enumerate(tiers)
    )
    assert only(derive_calls([outer, inner])).service_tier == "fast"


def test_views_that_divide_one_sum_differently_are_counted_once() -> None:
    openllmetry = llm("1", trace="b" * 32, usage=(5720, 1918), response_id="r", scope_name="tl")
    other = llm("2", at=1, lasts=50, usage=(6001, 1637), response_id="r", scope_name="oi")
    assert usages(derive_calls([openllmetry, other])) == [(6001, 1637)]
    halves = [llm("1", usage=(10, None)), llm("2", "1", at=1, lasts=50, usage=(None, 10))]
    assert usages(derive_calls(halves)) == [(10, 10)]
