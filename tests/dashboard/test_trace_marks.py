"""What a trace is marked with: planted by hand, found or left alone."""

from __future__ import annotations

from typing import Any

from spanledger_dashboard.trace.data import Row
from spanledger_dashboard.trace.marks import GivenMarks, find_marks
from spanledger_dashboard.trace.shape import TraceShape
from tests.dashboard.trace_rows import TRACE, S, call, span, span_id, tool, trace

AGENT: dict[str, Any] = {
    "name": "invoke_agent",
    "role": "agent",
    "model": "",
    "duration_ns": 4000 * S,
}


def marks(spans: list[Row], *calls: Row, given: GivenMarks | None = None) -> dict[int, list[str]]:
    """Labels by the number of the span."""
    made = trace(spans, *calls)
    found: dict[int, list[str]] = {}
    ids = made.spans["span_id"].to_pylist()
    for mark in find_marks(made, TraceShape.of(made), given or {}):
        found.setdefault(int(str(ids[mark.row]), 16), []).append(mark.label)
    return found


def texts(spans: list[Row], *calls: Row) -> list[tuple[str, str]]:
    made = trace(spans, *calls)
    return [(m.text, m.target) for m in find_marks(made, TraceShape.of(made), {})]


def tools(*steps: tuple[int, int]) -> list[Row]:
    """An agent (span 1) and its tool calls (2, 3, …), by signatures of call and result."""
    made = [tool(n, 1, n, called, result) for n, (called, result) in enumerate(steps, start=2)]
    return [span(1, **AGENT), *made]


def test_the_same_call_with_the_same_result_three_times_is_a_loop() -> None:
    assert marks(tools((5, 6), (7, 8), (7, 8), (7, 8), (5, 6))) == dict.fromkeys(
        (3, 4, 5), ["loop ×3"]
    )


def test_two_calls_in_turn_are_a_loop_of_two() -> None:
    found = marks(tools(*[(1, 2), (3, 4)] * 3, (9, 9)))
    assert found == dict.fromkeys(range(2, 8), ["loop 2×3"])


def test_twice_is_no_loop_and_neither_is_a_poll_or_what_nobody_said() -> None:
    assert marks(tools((7, 8), (7, 8))) == {}
    assert marks(tools((7, 1), (7, 2), (7, 3), (7, 4))) == {}
    assert marks(tools((0, 0), (0, 0), (0, 0), (0, 0))) == {}


def test_a_loop_is_one_agent_s_own() -> None:
    spans = [span(1, **AGENT), span(2, **AGENT)]
    spans += [tool(n, 1 + n % 2, n, 7, 8) for n in range(3, 8)]
    # 3, 5 and 7 work for the second agent; 4 and 6, for the first, are only two.
    assert marks(spans) == dict.fromkeys((3, 5, 7), ["loop ×3"])


def test_two_reports_of_one_execution_are_one_step() -> None:
    spans = [span(1, **AGENT)]
    for n in (10, 20):
        spans += [
            tool(n, 1, n, 7, 8),
            tool(n + 1, n, n, 7, 8),
            tool(n + 2, 1, n + 0.1, 7, 8, duration_ns=S // 2),
        ]
    assert marks(spans) == {}


def test_a_call_after_its_own_failure_is_a_retry() -> None:
    spans = [
        span(1, **AGENT),
        tool(2, 1, 2, 7, 8, status="error"),
        tool(3, 1, 3, 9, 9),
        tool(4, 1, 4, 7, 1),
    ]
    assert marks(spans) == {4: ["retry"]}


def test_without_signatures_only_the_next_call_of_the_tool_is_a_retry() -> None:
    other: dict[str, Any] = {"tool_name": "write"}
    spans = [
        span(1, **AGENT), tool(2, 1, 2, 0, 0, status="error"), tool(3, 1, 3, 0, 0),
        tool(4, 1, 4, 0, 0, status="error"), tool(5, 1, 5, 0, 0, **other), tool(6, 1, 6, 0, 0),
    ]  # fmt: skip
    assert marks(spans) == {3: ["retry"]}


def test_a_model_that_is_asked_again_after_it_failed_is_a_retry() -> None:
    spans = [span(1, **AGENT), span(2, 1, 2, status="error"), span(3, 1, 3), span(4, 1, 4)]
    assert marks(spans) == {3: ["retry"]}


def test_attempts_that_the_client_made_by_itself_are_told() -> None:
    assert marks([span(1, attempts=3), span(2, at=1, attempts=1)]) == {1: ["3 attempts"]}


def cached(number: int, read: int | None, write: int, **columns: Any) -> Row:
    made = {"input_tokens": 9000, "cache_read_tokens": read, "cache_write_tokens": write}
    return call(number, "0.01", **{**made, **columns})


def asked(*starts: float) -> list[Row]:
    return [span(1, **AGENT), *[span(n, 1, at) for n, at in enumerate(starts, start=2)]]


def test_a_prompt_read_anew_although_it_was_cached_is_a_cache_break() -> None:
    spans = asked(1, 10, 20)
    calls = cached(2, 0, 8000), cached(3, 8000, 500), cached(4, 0, 8900)
    assert marks(spans, *calls) == {4: ["cache break"]}
    assert "had 8,500 there" in texts(spans, *calls)[0][0]


def test_what_could_not_be_reused_is_no_cache_break() -> None:
    first = cached(2, 0, 8000)
    assert marks(asked(1, 1.5), first, cached(3, 0, 8000)) == {}  # still running
    assert 3 in marks(asked(1, 302), first, cached(3, 0, 8000))  # five minutes after its end
    assert "cache break" not in marks(asked(1, 303), first, cached(3, 0, 8000))[3]
    long = cached(2, 0, 8000, cache_write_1h_tokens=8000)
    assert "cache break" in marks(asked(1, 1800), long, cached(3, 0, 8000))[3]
    assert marks(asked(1, 10), first, cached(3, 0, 0, input_tokens=700)) == {}  # another prompt
    assert marks(asked(1, 10), first, cached(3, None, 0)) == {}  # nobody said
    assert marks(asked(1, 10), cached(2, 0, 900), cached(3, 0, 0)) == {}  # too short to cache
    assert marks(asked(1, 10), first, cached(3, 900, 0)) == {}  # a part was read


def test_a_call_to_another_model_breaks_no_cache() -> None:
    spans = [span(1, **AGENT), span(2, 1, 1), span(3, 1, 5, model="small"), span(4, 1, 9)]
    calls = cached(2, 0, 8000), cached(3, 0, 0), cached(4, 8000, 0)
    assert marks(spans, *calls) == {}


def test_waits_for_a_person_are_told_from_tools_that_only_sound_like_it() -> None:
    def step(number: int, name: str, **columns: Any) -> Row:
        return tool(number, 1, number, 0, 0, **{"name": name, "tool_name": name, **columns})

    spans = [
        span(1, **AGENT),
        step(2, "claude_code.tool.blocked_on_user", duration_ns=240 * S),
        step(3, "AskUserQuestion"),
        step(4, "human_review"),
        step(5, "humanize_text"),
        step(6, "check_approval_status"),
        step(7, "get_user_orders"),
        step(8, "node", status="error", error_type="GraphInterrupt"),
        step(9, "other", status="error", error_type="KeyboardInterrupt"),
        span(10, 1, 10, name="ask_user agent", role="agent", model=""),
    ]
    found = marks(spans)
    assert found == {2: ["person 4m"], 3: ["person 1.00s"], 4: ["person 1.00s"], 8: ["paused"]}


def test_a_long_silence_is_marked_where_it_ends() -> None:
    spans = [span(1, **AGENT), span(2, 1, 1), span(3, 1, 62), span(4, 1, 122.9)]
    assert marks(spans) == {3: ["idle 1m"]}


def test_a_root_after_the_end_of_everything_is_a_part_of_its_own() -> None:
    spans = [span(1, duration_ns=5 * S), span(2, at=1), span(3, at=30), span(4, 3, 30.5)]
    assert marks(spans) == {3: ["part 2 of 2"]}


def test_merged_spans_lead_to_the_one_that_counts_and_back() -> None:
    spans = [span(1), span(2, 1, 0.1)]
    made = call(1, "0.5", merged_span_ids=[span_id(2)], sources=3)
    assert marks(spans, made) == {1: ["3 sources"], 2: ["same call"]}
    assert [target for _, target in texts(spans, made)] == [
        f"{TRACE}/{span_id(2)}",
        f"{TRACE}/{span_id(1)}",
    ]


def test_links_lead_to_their_spans() -> None:
    other = "cd" * 16
    spans = [
        span(1),
        span(2, 1, 1, link_trace_ids=[TRACE, other], link_span_ids=[span_id(1), span_id(7)]),
    ]
    assert marks(spans) == {2: ["link", "link"]}
    assert [target for _, target in texts(spans)] == [
        f"{TRACE}/{span_id(1)}",
        f"{other}/{span_id(7)}",
    ]


def test_marks_of_others_are_shown_and_those_of_unknown_spans_are_not() -> None:
    given = {
        span_id(1): [
            {"kind": "budget", "text": "Over budget."},
            {"kind": "loop", "text": "x", "label": "y"},
        ],
        span_id(9): [{"kind": "budget", "text": "Elsewhere."}],
    }
    assert marks([span(1)], given=given) == {1: ["budget", "y"]}
