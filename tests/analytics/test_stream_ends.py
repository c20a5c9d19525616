"""Streams that one library tells in two parts, as Logfire does: the request, and what came of it.

Times and counts of the first test are those of Logfire 5.2 beside Anthropic's client.
"""

from __future__ import annotations

from typing import Any

import pytest

from spanledger_analytics.calls import Call, derive_calls
from spanledger_analytics.spans import Span
from tests.analytics.made import llm, only, span, usages

ROOTS = [f"{n:032x}" for n in range(1, 9)]


def asked(span_id: str, parent: str = "0", **fields: Any) -> Span:
    said = {"scope_name": "logfire.openai", "dialect": "logfire", "service_instance": "i"}
    return llm(span_id, parent, **{**said, "lasts": 20, **fields})


def told(span_id: str, parent: str = "0", **fields: Any) -> Span:
    return asked(span_id, parent, **{"kind": "log", "lasts": 40, **fields})


def native(span_id: str, parent: str, **fields: Any) -> Span:
    return llm(span_id, parent, scope_name="sdk", service_instance="i", **fields)


def shown(calls: list[Call]) -> set[str]:
    return {"".join(sorted(span_id for _, span_id in call.sources)) for call in calls}


def test_a_stream_the_client_tells_of_too_is_one_call() -> None:
    call = only(
        derive_calls(
            [
                span("0", role="agent"),
                asked("a", at=152.28, lasts=2.39, response_model="claude-haiku-4-5"),
                native("n", "a", at=152.56, lasts=70.29, usage=(21_580, 7_188), response_id="m"),
                told("t", at=155.35, lasts=68.55, usage=(21_580, 7_188)),
            ]
        )
    )
    assert (call.tokens.input, call.tokens.output) == (21_580, 7_188)
    assert (call.primary.span_id, call.response_id, len(call.sources)) == ("a", "m", 3)


@pytest.mark.parametrize("usage", [(10, 5), (None, None)])
@pytest.mark.parametrize("is_root", [False, True])
def test_streams_in_a_row_are_as_many_calls(
    usage: tuple[int | None, int | None], *, is_root: bool
) -> None:
    parts = [
        part
        for n in range(3)
        for part in (
            asked(f"a{n}", at=100 * n),
            told(f"t{n}", at=100 * n + 21, usage=usage),
        )
    ]
    if is_root:
        parts = [
            part._replace(parent_span_id="", trace_id=trace)
            for part, trace in zip(parts, ROOTS, strict=False)
        ]
    calls = derive_calls(parts)
    assert shown(calls) == {"a0t0", "a1t1", "a2t2"}
    assert usages(calls) == [usage] * 3


def test_parallel_streams_of_equal_tokens_stay_apart() -> None:
    calls = derive_calls(
        [
            asked("a"),
            native("n", "a", at=1, lasts=90, usage=(10, 5)),
            asked("b", at=2),
            native("m", "b", at=3, lasts=92, usage=(10, 5)),
            told("t", at=21, lasts=71, usage=(10, 5)),
            told("u", at=23, lasts=73, usage=(10, 5)),
        ]
    )
    assert usages(calls) == [(10, 5)] * 2
    assert sorted(len(call.sources) for call in calls) == [3, 3]


def test_a_stream_read_later_is_told_by_the_clients_tokens() -> None:
    """Both were asked for before the first one was read, and that seconds later."""
    calls = derive_calls(
        [
            asked("a"),
            native("n", "a", at=1, lasts=5_000, usage=(10, 5)),
            asked("b", at=30),
            native("m", "b", at=31, lasts=6_000, usage=(20, 6)),
            told("t", at=4_000, lasts=1_010, usage=(10, 5)),
            told("u", at=5_020, lasts=1_020, usage=(20, 6)),
        ]
    )
    assert shown(calls) == {"ant", "bmu"}


def test_a_stream_that_broke_off_is_one_call_though_counts_differ() -> None:
    parts = [
        asked("a"),
        native("n", "a", at=1, lasts=50, usage=(10, 1)),
        told("t", at=21, lasts=31, usage=(10, 3)),
    ]
    call = only(derive_calls(parts))
    assert (call.tokens.output, "views_disagree" in call.flags) == (3, True)


def test_what_stands_over_several_calls_began_no_stream() -> None:
    calls = [
        asked("a", lasts=90),
        native("n", "a", at=1, lasts=30, usage=(10, 5)),
        native("m", "a", at=40, lasts=30, usage=(10, 5)),
    ]
    assert shown(derive_calls([*calls, told("t", at=91, usage=(10, 6))])) == {"n", "m", "t"}


@pytest.mark.parametrize(
    "other",
    [
        {"usage": (7, 2)},  # answered at once
        {"status": "error"},
        {"request_model": "gpt-4o-mini"},
        {"scope_name": "logfire.anthropic"},
        {"parent": "1"},
        {"at": 22},  # begins when the stream is read already
        {"at": -2_000},
    ],
)
def test_no_record_takes_another_call(other: dict[str, Any]) -> None:
    one = asked("a", **{"parent": "0", **other})
    assert len(derive_calls([one, told("t", at=21, usage=(10, 5))])) == 2


def test_a_record_without_its_span_takes_no_call_of_another_process() -> None:
    parts = [
        asked("a", "", trace=ROOTS[0], service_instance="j"),
        told("t", "", at=21, usage=(10, 5), trace=ROOTS[1]),
    ]
    assert len(derive_calls(parts)) == 2


def test_a_record_in_a_frameworks_call_is_that_call() -> None:
    parts = [
        llm("f", lasts=80, scope_name="framework"),
        asked("a", "f", at=1),
        told("t", "f", at=22, usage=(10, 5)),
    ]
    assert usages(derive_calls(parts)) == [(10, 5)]
