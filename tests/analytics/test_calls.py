"""The rules from spans to calls, on traces made by hand: what counts, and what nests."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_analytics.calls import derive_calls
from tests.analytics.made import llm, only, sources, span, usages


def test_resent_span_is_one_call_and_newest_version_wins() -> None:
    old = llm("1", usage=(10, 1), version=1)
    new = llm("1", usage=(10, 2), version=2)
    assert usages(derive_calls([new, old, old])) == [(10, 2)]


def test_usage_on_agents_workflows_and_tools_is_not_counted() -> None:
    calls = derive_calls(
        [
            span("1", role="workflow", usage=(30, 3)),
            span("2", "1", role="agent", usage=(30, 3)),
            span("3", "2", role="tool", usage=(5, 5)),
            span("4", "2", role="other", usage=(5, 5)),
            llm("5", "2", usage=(10, 1)),
            llm("6", "2", at=200, usage=(20, 2)),
        ]
    )
    assert usages(calls) == [(10, 1), (20, 2)]


def test_trace_with_usage_only_on_agents_counts_the_topmost() -> None:
    calls = derive_calls(
        [
            span("1", role="workflow"),
            span("2", "1", role="agent", usage=(30, 3), agent_name="planner"),
            span("3", "2", role="agent", usage=(10, 1)),
            span("4", "1", role="agent", usage=(7, 7), at=50),
            llm("5", "3", at=60),
        ]
    )
    assert usages(calls) == [(30, 3), (7, 7), (None, None)]
    assert [c.usage_source for c in calls] == ["aggregate", "aggregate", "none"]
    assert [c.flags for c in calls] == [("aggregate",), ("aggregate",), ()]
    assert calls[0].context.agent_name == "planner"


def test_agents_do_not_count_when_the_calls_are_known_from_another_trace() -> None:
    calls = derive_calls(
        [
            span("1", role="agent", usage=(10, 1)),
            llm("2", "1", response_id="r", scope_name="framework", at=1, lasts=90),
            llm("3", trace="b" * 32, response_id="r", usage=(10, 1), at=5, lasts=50),
        ]
    )
    assert only(calls).usage_source == "span"


def test_framework_client_and_server_spans_are_one_call() -> None:
    call = only(
        derive_calls(
            [
                llm("1", usage=(100, 20), scope_name="framework", provider="langchain"),
                span("2", "1", role="other", at=1, lasts=98),
                llm(
                    "3",
                    "2",
                    at=2,
                    lasts=90,
                    usage=(100, 20),
                    cache_read_tokens=40,
                    reasoning_tokens=5,
                    response_model="gpt-4o-2024-08-06",
                    response_id="r1",
                    provider="openai",
                ),
                span("4", "3", role="server", at=3, lasts=80, usage=(100, 20), provider="vllm"),
            ]
        )
    )
    assert [span_id for _, span_id in call.sources] == ["1", "3", "4"]
    assert call.tokens[:2] == (100, 40)
    assert call.tokens.reasoning == 5
    assert (call.model, call.response_id) == ("gpt-4o-2024-08-06", "r1")
    assert call.provider == "vllm"
    assert call.usage_source == "merged"


def test_server_span_alone_is_a_call_only_with_tokens() -> None:
    calls = derive_calls([span("1", role="server", usage=(5, 1)), span("2", role="server", at=300)])
    assert sources(calls) == [["1"]]


def test_server_span_completes_a_stream_the_client_did_not_count() -> None:
    call = only(
        derive_calls([llm("1"), span("2", "1", role="server", at=1, lasts=90, usage=(50, 9))])
    )
    assert (call.tokens.input, call.tokens.output, call.usage_source) == (50, 9, "span")
    assert call.primary.span_id == "1"


def test_nested_embeddings_are_one_and_an_embedding_below_a_call_is_its_own() -> None:
    calls = derive_calls(
        [
            span("1", role="embedding", usage=(8, None)),
            span("2", "1", role="embedding", usage=(8, None), at=1, lasts=90),
            llm("3", usage=(10, 1), at=200),
            span("4", "3", role="embedding", usage=(8, None), at=201, lasts=50),
        ]
    )
    assert [(c.kind, c.tokens.input) for c in calls] == [
        ("embedding", 8),
        ("llm", 10),
        ("embedding", 8),
    ]


def test_span_whose_children_add_up_to_it_is_an_aggregate() -> None:
    calls = derive_calls(
        [
            llm("1", usage=(30, 3), lasts=500),
            llm("2", "1", usage=(10, 1), at=1),
            llm("3", "1", usage=(20, 2), at=200),
        ]
    )
    assert sources(calls) == [["2"], ["3"]]


def test_router_over_several_answers_counts_the_answers() -> None:
    calls = derive_calls(
        [
            llm("1", usage=(20, 2), lasts=500),
            llm("2", "1", usage=(15, 1), at=1),
            llm("3", "1", usage=(20, 2), at=200, request_model="claude"),
        ]
    )
    assert sources(calls) == [["2"], ["3"]]


def test_wrapper_without_usage_counts_its_children() -> None:
    calls = derive_calls(
        [llm("1", lasts=500), llm("2", "1", usage=(10, 1), at=1), llm("3", "1", at=200)]
    )
    assert usages(calls) == [(10, 1), (None, None)]


def test_failed_attempt_at_the_same_model_belongs_to_the_call() -> None:
    call = only(
        derive_calls(
            [
                llm("1", usage=(10, 1), lasts=500),
                llm("2", "1", at=1, status="error", error_type="429"),
                llm("3", "1", usage=(10, 1), at=200),
            ]
        )
    )
    assert (call.status, call.error_type, call.attempts) == ("ok", "", 2)
    assert len(call.sources) == 3


def test_failed_attempt_at_another_model_is_a_failed_call() -> None:
    calls = derive_calls(
        [
            llm("1", usage=(10, 1), lasts=500),
            llm("2", "1", at=1, status="error", error_type="429", request_model="claude"),
            llm("3", "1", usage=(10, 1), at=200),
        ]
    )
    assert [(c.status, c.usage_source) for c in calls] == [("ok", "merged"), ("error", "none")]


def test_call_that_failed_every_time_is_one_failed_call() -> None:
    call = only(
        derive_calls(
            [
                llm("1", status="error", lasts=500),
                llm("2", "1", at=1, status="error", error_type="500"),
                llm("3", "1", at=200, status="error", error_type="500"),
            ]
        )
    )
    assert (call.status, call.error_type, call.usage_source) == ("error", "500", "none")


def test_router_none_of_whose_models_answered_is_its_failed_calls() -> None:
    calls = derive_calls(
        [
            llm("1", status="error", lasts=500, request_model="router"),
            llm("2", "1", at=1, status="error", request_model="gpt-4o"),
            llm("3", "1", at=200, status="error", request_model="claude"),
        ]
    )
    assert sources(calls) == [["2"], ["3"]]


def test_span_that_knows_tokens_its_silent_children_do_not_is_the_call() -> None:
    call = only(
        derive_calls(
            [llm("1", usage=(30, 3), lasts=500), llm("2", "1", at=1), llm("3", "1", at=200)]
        )
    )
    assert usages([call]) == [(30, 3)]


def test_helper_asked_in_the_midst_of_a_call_is_a_call_beside_it() -> None:
    outer = llm("1", usage=(20_000, 3_000), lasts=900, request_model="gpt-5-pro")
    helper = llm("2", "1", usage=(300, 30), at=1, request_model="gpt-4.1-mini")
    another = helper._replace(span_id="3", input_tokens=301)
    root = span("0", role="llm", usage=(20_601, 3_060), lasts=950)
    assert usages(derive_calls([outer, helper])) == [(20_000, 3_000), (300, 30)]
    both = [outer._replace(parent_span_id="0"), helper, another]
    assert sources(derive_calls([root, *both])) == [["1"], ["2"], ["3"]]


@pytest.mark.parametrize(
    "inner",
    [
        {"usage": (20_400, 3_100)},  # counted by another tokenizer
        {"usage": (300, 3_000)},  # without what a cache gave
        {"usage": (300, 30), "request_model": "openai/gpt-5-pro-2026-01-01"},
        {"usage": (None, None)},
        {"usage": (300, 30), "role": "server"},
    ],
)
def test_an_inner_view_that_counts_otherwise_is_no_call_of_its_own(inner: dict[str, Any]) -> None:
    outer = llm("1", usage=(20_000, 3_000), lasts=900, request_model="gpt-5-pro")
    view = span("2", "1", at=1, **{"role": "llm", "request_model": "deployment-7", **inner})
    assert sources([only(derive_calls([outer, view]))]) == [["1", "2"]]


def test_a_call_without_tokens_above_a_tool_that_asks_another_model_is_unknown() -> None:
    calls = derive_calls(
        [
            llm("1", lasts=900, request_model="gpt-5-pro"),
            span("2", "1", role="tool", at=200, lasts=600),
            llm("3", "2", usage=(300, 30), at=210, request_model="gpt-4.1-mini"),
        ]
    )
    assert usages(calls) == [(None, None), (300, 30)]


def test_sub_agent_called_by_a_tool_below_a_call_is_its_own_call() -> None:
    calls = derive_calls(
        [
            llm("1", usage=(100, 10), lasts=900),
            llm("2", "1", usage=(100, 10), at=1, lasts=100, scope_name="native"),
            span("3", "1", role="tool", at=200, lasts=600),
            llm("4", "3", usage=(50, 5), at=210),
        ]
    )
    assert usages(calls) == [(100, 10), (50, 5)]
    assert sources(calls)[0] == ["1", "2"]


def test_wrapper_around_an_agent_is_the_one_call_inside_it() -> None:
    call = only(
        derive_calls(
            [llm("1", lasts=900), span("2", "1", role="agent"), llm("3", "2", usage=(5, 1), at=9)]
        )
    )
    assert sources([call]) == [["1", "3"]]


def test_exclusive_input_becomes_inclusive() -> None:
    call = only(derive_calls([llm("1", usage=(5, 1), cache_read_tokens=80, cache_write_tokens=9)]))
    assert (call.tokens.input, call.tokens.uncached) == (94, 5)


def test_unknown_usage_is_not_zero() -> None:
    call = only(derive_calls([llm("1")]))
    assert set(call.tokens) == {None}
    assert (call.usage_source, call.status) == ("none", "ok")


def test_zeros_on_a_failed_call_are_unknown_and_on_an_answered_one_are_zeros() -> None:
    calls = derive_calls(
        [llm("1", usage=(0, 0), status="error"), llm("2", usage=(0, 0), at=300, status="ok")]
    )
    assert usages(calls) == [(None, None), (0, 0)]


def test_nearest_ancestor_says_for_whom_a_call_was_made() -> None:
    calls = derive_calls(
        [
            span(
                "1",
                role="workflow",
                workflow_name="w",
                session_id="s",
                task_id="t",
                agent_name="boss",
                agent_version="2",
            ),
            span("2", "1", role="agent", agent_name="scout"),
            llm("3", "2", usage=(1, 1)),
            llm("4", "1", usage=(1, 1), at=300, session_id="own", agent_name="boss"),
            span("5", role="other", at=400, user_id="u"),
            llm("6", "missing", usage=(1, 1), at=500),
        ]
    )
    scout, boss, orphan = (call.context for call in calls)
    assert scout[:6] == ("scout", "", "w", "s", "u", "t")
    assert boss[:6] == ("boss", "2", "w", "own", "u", "t")
    # Two sessions in the trace: an orphan belongs to neither, but there is one user.
    assert orphan[:6] == ("", "", "", "", "u", "")


def test_parent_cycles_end() -> None:
    calls = derive_calls(
        [
            llm("1", "2", usage=(10, 1)),
            llm("2", "1", usage=(10, 1), at=1, lasts=90),
            llm("3", "3", usage=(7, 1), at=300),
            span("4", "5", role="agent", usage=(1, 1), trace="c" * 32),
            span("5", "4", role="agent", trace="c" * 32),
        ]
    )
    assert sum(call.tokens.input or 0 for call in calls) == 18
    assert all("parent_cycle" in call.flags for call in calls)


def test_calls_below_a_circle_are_flagged_and_others_are_not() -> None:
    ring = [span("1", "2", role="agent"), span("2", "1", role="agent")]
    calls = derive_calls([*ring, llm("3", "2", usage=(1, 1)), llm("4", usage=(1, 1), at=300)])
    assert [call.flags for call in calls] == [("parent_cycle",), ()]


def test_attempts_of_a_workflows_activity_are_the_calls_they_made() -> None:
    """Temporal: one RunActivity span per attempt, all below one StartActivity."""
    calls = derive_calls(
        [
            span("0", role="other", lasts=0, name="StartActivity:ask"),
            span("1", "0", role="other", at=20, lasts=200, status="error", name="RunActivity:ask"),
            llm("2", "1", at=30, lasts=50, status="error", error_type="429"),
            span("3", "0", role="other", at=500, lasts=200, name="RunActivity:ask"),
            llm("4", "3", at=510, usage=(10, 1)),
        ]
    )
    assert [(c.status, c.usage_source) for c in calls] == [("error", "none"), ("ok", "span")]
    assert usages(calls) == [(None, None), (10, 1)]


def test_broken_stream_keeps_its_output_unknown() -> None:
    call = only(derive_calls([llm("1", usage=(100, None), status="error", cache_read_tokens=9)]))
    assert (call.tokens.input, call.tokens.cache_read, call.tokens.output) == (100, 9, None)
    assert call.usage_source == "span"


def test_stream_that_failed_at_first_and_told_no_usage_later_did_not_fail() -> None:
    call = only(
        derive_calls(
            [
                llm("1", lasts=500, scope_name="framework"),
                llm("2", "1", at=1, lasts=50, status="error", error_type="429"),
                llm("3", "1", at=100, lasts=300),
            ]
        )
    )
    assert (call.status, call.attempts, call.usage_source) == ("ok", 2, "none")


@settings(max_examples=100, deadline=None)
@given(
    parents=st.lists(st.integers(-2, 12), min_size=1, max_size=12),
    roles=st.lists(
        st.sampled_from(["llm", "embedding", "server", "tool", "agent", "other"]), min_size=12
    ),
    seed=st.integers(0, 2**32),
)
def test_any_graph_of_spans_gives_the_same_calls_in_any_order(
    parents: list[int], roles: list[str], seed: int
) -> None:
    rng = random.Random(seed)
    spans = [
        span(
            f"{i}",
            f"{parent}",
            role=roles[i],
            usage=rng.choice([(None, None), (10, 1), (20, 2), (30, 3)]),
            status=rng.choice(["ok", "unset", "error"]),
            at=rng.randrange(50),
            response_id=rng.choice(["", "x", "y"]),
            scope_name=rng.choice(["a", "b"]),
        )
        for i, parent in enumerate(parents)
    ]
    expected = derive_calls(spans)
    shuffled = spans * 2
    rng.shuffle(shuffled)
    assert derive_calls(shuffled) == expected
    seen = [key for call in expected for key in call.sources]
    assert len(seen) == len(set(seen))
