"""A sum on an agent, and the calls that other traces of its session tell one by one.

Times and counts are those of a turn of ``ClaudeSDKClient`` with OpenInference and the telemetry of
Claude Code, which the client starts before the turn.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from spanledger_analytics.calls import derive_calls
from spanledger_analytics.ledger import LedgerResult, run_ledger
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.spans import Span
from spanledger_storage.store import Store
from tests.analytics.made import T0, TRACE, llm, only, span, usages
from tests.analytics.test_ledger import ledger, put

TOLD, OTHER = "b" * 32, "c" * 32
HOUR_MS = 3_600_000
_versions = itertools.count(T0)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.bundled()


def turn(**fields: Any) -> Span:
    said: dict[str, Any] = {"at": 2_687, "lasts": 183, "usage": (36_400, 1), "session_id": "s"}
    return span("0", role="agent", **{"service_name": "svc", **said, **fields})


def told(*, at: float = 2_782, lasts: float = 81, trace: str = TOLD, **fields: Any) -> list[Span]:
    """The program's turn with one call."""
    said = {"trace": trace, "session_id": "s", "service_name": "svc", **fields}
    usage = said.pop("usage", (36_400, 12_375))
    model = {"request_model": "claude-sonnet-4-5", "provider": "anthropic", "usage": usage}
    root = span("1", role="agent", at=at - 90, lasts=lasts + 97, **said)
    return [root, llm("2", "1", at=at, lasts=lasts, **{**said, **model})]


def test_calls_of_another_trace_take_the_place_of_their_sum() -> None:
    call = only(derive_calls([turn(), *told()]))
    assert (call.tokens.input, call.tokens.output, call.usage_source) == (36_400, 12_375, "span")


def test_several_calls_may_add_up_to_a_sum() -> None:
    """And may exceed it: a library that leaves cached input out of its sum."""
    parts = [*told(usage=(20_000, 5)), *told(usage=(16_500, 7), trace=OTHER)]
    assert usages(derive_calls([turn(), *parts])) == [(20_000, 5), (16_500, 7)]


def test_another_services_calls_may_be_the_very_ones() -> None:
    calls = derive_calls([turn(), *told(service_name="claude-code")])
    assert usages(calls) == [(36_400, 12_375)]


def test_a_sum_around_a_sum_is_told_too() -> None:
    inner = turn()._replace(span_id="5", parent_span_id="0", start_ns=turn().start_ns + 1)
    assert usages(derive_calls([turn(), inner, *told()])) == [(36_400, 12_375)]


NOT_ITS_CALLS = [
    {"session_id": "t"},
    {"session_id": ""},
    {"at": 2_950},  # the next turn
    {"at": 2_600},  # the one before
    {"lasts": 300},
    {"usage": (None, None)},
    {"usage": (36_399, 12_375)},  # a tool's: the agent's own were not recorded
    {"usage": (40_000, 5), "service_name": "other"},  # a service that the agent asked
]


@pytest.mark.parametrize("other", NOT_ITS_CALLS, ids=str)
def test_other_calls_leave_a_sum_in_place(other: dict[str, Any]) -> None:
    calls = derive_calls([turn(), *told(**other)])
    assert [call.usage_source for call in calls].count("aggregate") == 1
    assert len(calls) == 2


def test_a_sum_without_a_session_stays() -> None:
    assert len(derive_calls([turn(session_id=""), *told(session_id="")])) == 2


def derive(store: Store, book: PriceBook, trace_id: str) -> LedgerResult:
    return run_ledger(store, "p", [trace_id], version=next(_versions), book=book)


def sources(store: Store) -> list[tuple[object, object]]:
    return [(row["usage_source"], row["input_tokens"]) for row in ledger(store)]


@pytest.mark.parametrize("is_sum_first", [True, False])
def test_the_ledger_counts_once_whichever_trace_comes_first(
    store: Store, book: PriceBook, *, is_sum_first: bool
) -> None:
    parts = [(TRACE, [turn()]), (TOLD, told())]
    for trace_id, spans in parts if is_sum_first else reversed(parts):
        put(store, "p", *spans)
        derive(store, book, trace_id)
        if is_sum_first and trace_id == TRACE:
            assert sources(store) == [("aggregate", 36_400)]
    assert sources(store) == [("span", 36_400)]
    for trace_id in (TRACE, TOLD, TRACE):
        again = derive(store, book, trace_id)
        assert (again.entries_written, again.entries_removed, again.traces_written) == (0, 0, 0)


def test_the_ledger_finds_the_calls_of_a_turn_that_took_hours(
    store: Store, book: PriceBook
) -> None:
    whole = turn(at=0, lasts=5 * HOUR_MS, usage=(72_800, 2))
    calls = {TOLD: told(at=2 * HOUR_MS), OTHER: told(at=4 * HOUR_MS, trace=OTHER)}
    put(store, "p", whole, *calls[TOLD])
    derive(store, book, TOLD)
    derive(store, book, TRACE)
    assert sources(store) == [("aggregate", 72_800), ("span", 36_400)]
    put(store, "p", *calls[OTHER])
    derive(store, book, OTHER)
    assert sources(store) == [("span", 36_400)] * 2


@pytest.mark.parametrize("other", NOT_ITS_CALLS, ids=str)
def test_the_ledger_keeps_a_sum_that_nobody_else_tells(
    store: Store, book: PriceBook, other: dict[str, Any]
) -> None:
    put(store, "p", turn(), *told(**other))
    put(store, "q", *told())  # another project's
    for trace_id in (TRACE, TOLD, TRACE):
        derive(store, book, trace_id)
    assert [source for source, _ in sources(store)].count("aggregate") == 1
