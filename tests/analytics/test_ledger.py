"""The ledger steps on a real engine: what is written, and what is not written again."""

from __future__ import annotations

import itertools
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from genai_prices.types import ModelPrice

from spanledger_analytics import touches
from spanledger_analytics.entries import entry_id
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.ledger import LedgerResult, run_ledger
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.spans import FROM_ATTRIBUTES, Span
from spanledger_analytics.touches import OVERLAP_US, TouchReader
from spanledger_analytics.traces import derive_traces
from spanledger_analytics.usage import recompute_usage, stale_hours
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store
from tests.marks import Marks
from tests.pricing import book_of, model

MS = 1_000_000
HOUR_NS = 3_600 * 10**9
T0 = 1_790_000_000 * 10**9 // HOUR_NS * HOUR_NS  # the start of an hour
A, B = "a" * 32, "b" * 32

_numbers = itertools.count(1)
_clock = itertools.count(T0)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.bundled()


def llm(trace_id: str, span_id: str, parent: str = "", at: int = 0, **fields: Any) -> Span:
    settings: dict[str, Any] = {
        "role": "llm",
        "status": "ok",
        "provider": "openai",
        "request_model": "gpt-4o",
        "scope_name": "scope",
        "service_name": "svc",
        "input_tokens": 1_000,
        "cache_read_tokens": 200,
        "output_tokens": 50,
        "start_ns": T0 + at * MS,
        "end_ns": T0 + (at + 100) * MS,
        **fields,
    }
    return Span(trace_id, span_id, parent_span_id=parent, **settings)


def agent(trace_id: str, span_id: str, at: int = 0, **fields: Any) -> Span:
    return llm(
        trace_id,
        span_id,
        at=at,
        **{
            "role": "agent",
            "name": "run",
            "agent_name": "planner",
            "input_tokens": None,
            "cache_read_tokens": None,
            "output_tokens": None,
            "request_model": "",
            **fields,
        },
    )


def put(store: Store, project: str, *spans: Span, is_announced: bool = True) -> str:
    """Store spans and announce them as the collector does; return the flush id."""
    flush_id = f"flush-{next(_numbers)}"
    columns: dict[str, list[object]] = {
        name: [getattr(span, name) for span in spans]
        for name in Span._fields
        if name not in ("start_ns", "end_ns", "dimensions", *FROM_ATTRIBUTES)
    }
    times = pa.timestamp("ns", "UTC")
    names = pa.map_(pa.string(), pa.string())
    table = pa.table(
        {
            "project": [project] * len(spans),
            **columns,
            "start_time": pa.array([span.start_ns for span in spans], type=times),
            "end_time": pa.array([span.end_ns for span in spans], type=times),
            "resource_attributes": pa.array(
                [[("service.instance.id", span.service_instance)] for span in spans], type=names
            ),
        }
    )
    known = [name for name in table.column_names if table.column(name).null_count < len(spans)]
    store.insert("spans", table.select(known), token=f"spans-{flush_id}")
    if not is_announced:
        return flush_id
    hours = sorted({(span.trace_id, span.start_ns // HOUR_NS * 3_600) for span in spans})
    notes = pa.table(
        {
            "project": [project] * len(hours),
            "trace_id": [trace_id for trace_id, _ in hours],
            "hour": pa.array([hour for _, hour in hours], type=pa.uint32()),
            "flush_id": [flush_id] * len(hours),
            "spans": pa.array([1] * len(hours), type=pa.uint32()),
        }
    )
    store.insert("touches", notes, token=f"touches-{flush_id}")
    return flush_id


def derive(store: Store, book: PriceBook, *traces: str, project: str = "p") -> LedgerResult:
    return run_ledger(store, project, traces, version=next(_clock), book=book)


def ledger(store: Store, project: str = "p") -> list[dict[str, Any]]:
    sql = "SELECT * FROM ledger_current WHERE project = {project:String} ORDER BY time, entry_id"
    return store.sql_rows(sql, {"project": project})


def written(result: LedgerResult) -> tuple[int, int, int]:
    assert bool(result.traces_written) == bool(result.trajectories_written)
    return result.entries_written, result.entries_removed, result.traces_written


def test_entry_holds_the_call_and_its_price(store: Store, book: PriceBook) -> None:
    put(store, "p", agent(A, "1", session_id="s"), llm(A, "2", "1", at=10, response_id="r"))
    result = derive(store, book, A)
    assert (result.traces, result.spans, *written(result)) == (1, 2, 1, 0, 1)
    (entry,) = ledger(store)
    assert entry["entry_id"] == entry_id("p", A, "2")
    assert (entry["agent_name"], entry["session_id"], entry["model"]) == ("planner", "s", "gpt-4o")
    assert (entry["input_tokens"], entry["uncached_tokens"], entry["cache_read_tokens"]) == (
        1_000,
        800,
        200,
    )
    # 2.50, 1.25 and 10 USD per million tokens.
    assert entry["total_cost_usd"] == Decimal("0.00275")
    assert entry["total_cost_usd"] == (
        entry["uncached_cost_usd"] + entry["cache_read_cost_usd"] + entry["output_cost_usd"]
    )
    assert entry["price_status"] == "priced"
    assert entry["price_id"].endswith(":openai/gpt-4o@base")
    assert entry["cache_write_tokens"] is None
    assert entry["duration_ns"] == 100 * MS


def test_second_run_writes_nothing(store: Store, book: PriceBook) -> None:
    put(
        store,
        "p",
        agent(A, "1"),
        llm(A, "2", "1", reported_cost_usd=Decimal("0.1"), stream=True, attempts=2, ttft_ns=5),
        llm(A, "3", "1", at=200, input_tokens=None, cache_read_tokens=None, output_tokens=None),
    )
    assert written(derive(store, book, A)) == (2, 0, 1)
    assert written(derive(store, book, A)) == (0, 0, 0)


def test_resend_changes_nothing(store: Store, book: PriceBook) -> None:
    spans = [agent(A, "1"), llm(A, "2", "1", version=1)]
    put(store, "p", *spans)
    derive(store, book, A)
    put(store, "p", *(span._replace(version=2) for span in spans))
    assert written(derive(store, book, A)) == (0, 0, 0)


def test_late_parent_changes_the_entry(store: Store, book: PriceBook) -> None:
    put(store, "p", llm(A, "2", "1"))
    derive(store, book, A)
    assert ledger(store)[0]["agent_name"] == ""
    put(store, "p", agent(A, "1"))
    assert written(derive(store, book, A)) == (1, 0, 1)
    assert [entry["agent_name"] for entry in ledger(store)] == ["planner"]


def test_entry_that_no_longer_holds_is_removed(store: Store, book: PriceBook) -> None:
    put(store, "p", llm(A, "2", "1", at=1))
    derive(store, book, A)
    # The late framework span turns out to be the outer view of the same call.
    put(store, "p", llm(A, "1", scope_name="framework", end_ns=T0 + 300 * MS))
    assert written(derive(store, book, A)) == (1, 1, 1)
    (entry,) = ledger(store)
    assert (entry["span_id"], entry["usage_source"]) == ("1", "merged")
    spans = [(key["trace_id"], key["span_id"]) for key in entry["source_spans"]]
    assert spans == [(A, "1"), (A, "2")]


def test_a_view_around_a_priced_call_that_comes_late_does_not_change_its_price(
    store: Store, book: PriceBook
) -> None:
    dearer = book_of(
        model(ModelPrice(input_mtok=Decimal(100), output_mtok=Decimal(100)), "gpt-4o"),
        provider="openai",
    )
    put(store, "p", llm(A, "2", "1", at=1))
    derive(store, book, A)
    put(store, "p", llm(A, "1", scope_name="framework", end_ns=T0 + 300 * MS))
    derive(store, dearer, A)
    (entry,) = ledger(store)
    first = Decimal("0.00275")  # 800 at $2.50, 200 read at $1.25 and 50 written at $10 a million
    assert (entry["total_cost_usd"], entry["billed_cost_usd"]) == (first, first)
    assert written(derive(store, dearer, A)) == (0, 0, 0)
    # A start beyond the call, as from a clock that was wrong, is another usage.
    put(store, "p", llm(A, "1", scope_name="framework", at=900, version=2))
    put(store, "p", llm(A, "2", "1", at=900, version=2))
    derive(store, dearer, A)
    assert [one["total_cost_usd"] for one in ledger(store)] == [Decimal("0.105")]


def test_unknown_usage_and_unknown_price_are_null(store: Store, book: PriceBook) -> None:
    nothing: dict[str, Any] = {
        "input_tokens": None,
        "cache_read_tokens": None,
        "output_tokens": None,
    }
    put(
        store,
        "p",
        llm(A, "1", **nothing),
        llm(A, "2", at=200, request_model="in-house"),
        llm(A, "3", at=400, provider="vllm"),
    )
    derive(store, book, A)
    entries = ledger(store)
    assert [entry["total_cost_usd"] for entry in entries] == [None] * 3
    statuses = [(entry["usage_source"], entry["price_status"]) for entry in entries]
    assert statuses == [("none", "unpriced"), ("span", "unpriced"), ("span", "self_hosted")]


def test_projects_do_not_see_each_other(store: Store, book: PriceBook) -> None:
    put(store, "p", agent(A, "1"), llm(A, "2", "1", response_id="r"))
    put(store, "q", llm(A, "2", "1", response_id="r", scope_name="other", input_tokens=7_000))
    derive(store, book, A)
    derive(store, book, A, project="q")
    (mine,), (theirs,) = ledger(store), ledger(store, "q")
    assert (mine["input_tokens"], theirs["input_tokens"]) == (1_000, 7_000)
    assert mine["entry_id"] != theirs["entry_id"]


def test_response_id_ties_a_trace_that_was_not_touched(store: Store, book: PriceBook) -> None:
    put(store, "p", agent(A, "0"), llm(A, "1", "0", response_id="r"))
    derive(store, book, A)
    put(store, "p", llm(B, "2", at=1, response_id="r", scope_name="native", end_ns=T0 + 90 * MS))
    result = derive(store, book, B)
    assert result.traces == 2
    (entry,) = ledger(store)
    assert (entry["trace_id"], entry["usage_source"]) == (A, "merged")


def test_call_without_an_id_finds_its_native_span_in_another_trace(
    store: Store, book: PriceBook
) -> None:
    native = llm(
        B,
        "2",
        at=1,
        response_id="r",
        scope_name="native",
        service_instance="i",
        end_ns=T0 + 90 * MS,
    )
    put(store, "p", agent(A, "0"), llm(A, "1", "0", service_instance="i"))
    stranger = native._replace(trace_id="c" * 32, service_instance="j", response_id="other")
    put(store, "p", native, stranger)
    for touched in (A, B):
        assert derive(store, book, touched).traces == 2
    derive(store, book, "c" * 32)
    assert [entry["trace_id"] for entry in ledger(store)] == [A, "c" * 32]


def streamed(trace_id: str, span_id: str, **fields: Any) -> Span:
    said: dict[str, Any] = {"scope_name": "logfire.openai", "service_instance": "i"}
    return llm(trace_id, span_id, **{**said, **fields})


NOTHING: Any = dict.fromkeys(("input_tokens", "cache_read_tokens", "output_tokens"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            streamed(A, "1", **NOTHING),
            streamed(B, "2", at=101, kind="log"),
        ),
        (
            streamed(A, "1", status="error", **NOTHING),
            streamed(B, "2", at=1, end_ns=T0 + 90 * MS, status="error", scope_name="b", **NOTHING),
        ),
    ],
)
def test_views_that_no_token_ties_are_found_in_traces_of_their_own(
    store: Store, book: PriceBook, one: Span, other: Span
) -> None:
    stranger = other._replace(trace_id="c" * 32, service_instance="j")
    put(store, "p", one)
    derive(store, book, A)
    put(store, "p", other, stranger)
    for touched in (B, A):
        assert derive(store, book, touched).traces == 2
    assert written(derive(store, book, B)) == (0, 0, 0)
    derive(store, book, "c" * 32)
    assert [entry["trace_id"] for entry in ledger(store)] == [A, "c" * 32]
    assert ledger(store)[0]["output_tokens"] == other.output_tokens


def test_repeated_id_ties_only_calls_of_one_time(store: Store, book: PriceBook) -> None:
    spans = [llm(f"{i:032x}", "1", at=i * 200, response_id="fixed") for i in range(60)]
    put(store, "p", *spans)
    assert derive(store, book, spans[0].trace_id).traces == 1


def test_expired_spans_keep_their_costs(store: Store, book: PriceBook) -> None:
    put(store, "p", llm(A, "1"))
    derive(store, book, A)
    store.execute("TRUNCATE TABLE spans")
    assert written(derive(store, book, A)) == (0, 0, 0)
    assert len(ledger(store)) == 1


def test_a_trace_is_the_sum_of_its_calls(store: Store, book: PriceBook) -> None:
    put(
        store,
        "p",
        agent(A, "1", session_id="s", task_id="t", task_outcome="solved"),
        llm(A, "2", "1", at=10),
        llm(A, "3", "1", at=300, request_model="in-house"),
        llm(A, "4", "1", at=600, status="error", input_tokens=None, output_tokens=None),
        llm(A, "5", "1", at=800, role="tool", tool_call_id="c", input_tokens=None),
        llm(A, "6", "5", at=801, role="tool", tool_call_id="c", input_tokens=None),
    )
    derive(store, book, A)
    (row,) = store.sql_rows("SELECT * FROM traces FINAL")
    expected = {
        "trace_id": A,
        "name": "run",
        "root_span_id": "1",
        "status": "closed",
        "outcome": "solved",
        "agent_name": "planner",
        "agents": ["planner"],
        "models": ["gpt-4o", "in-house"],
        "span_count": 6,
        "error_count": 1,
        "llm_calls": 3,
        "tool_calls": 1,
        "unpriced_calls": 1,
        "calls_without_usage": 0,
        "input_tokens": 2_000,
        "output_tokens": 100,
        "total_cost_usd": Decimal("0.00275"),
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ({}, ("completed", 0.5)),
        ({"task_outcome": "escalated", "task_score": 0.1}, ("escalated", 0.1)),
        ({"task_score": 0.9}, ("completed", 0.5)),
    ],
)
def test_the_outcome_of_a_trace_is_the_roots_or_the_one_told_last(
    root: dict[str, Any], expected: tuple[str, float]
) -> None:
    spans = [
        agent(A, "1", **root),
        llm(A, "2", "1", at=10, task_outcome="failed", task_score=0.2),
        llm(A, "3", "1", at=900, task_outcome="completed", task_score=0.5),
        llm(A, "4", "1", at=300, task_outcome="failed"),
    ]
    (row,) = derive_traces("p", spans, [])
    assert (row.outcome, row.score) == expected


def test_a_trace_that_starts_earlier_than_known_is_still_one(store: Store, book: PriceBook) -> None:
    put(store, "p", llm(A, "2", "1", at=1_000))
    derive(store, book, A)
    put(store, "p", agent(A, "1", at=-5_000, end_ns=T0 + 5_000 * MS))
    derive(store, book, A)
    (row,) = store.sql_rows("SELECT *, toUnixTimestamp64Nano(start_time) AS ns FROM traces FINAL")
    assert (row["ns"], row["status"]) == (T0 - 5_000 * MS, "closed")
    assert written(derive(store, book, A)) == (0, 0, 0)


def many_spans() -> list[Span]:
    """Calls over four hours with two models, agents, kinds, and every state of usage."""
    spans: list[Span] = []
    for i in range(120):
        trace_id = f"{i:032x}"
        at = i * 120_000
        spans.append(agent(trace_id, "1", at=at, agent_name=f"agent{i % 3}"))
        fields: dict[str, Any] = {"request_model": ["gpt-4o", "in-house"][i % 2]}
        if i % 7 == 0:
            fields |= {"input_tokens": None, "cache_read_tokens": None, "output_tokens": None}
        if i % 11 == 0:
            fields["status"] = "error"
        if i % 5 == 0:
            fields["role"] = "embedding"
        spans.append(llm(trace_id, "2", "1", at=at + 1, **fields))
    return spans


def summed(store: Store) -> dict[tuple[object, ...], list[object]]:
    """The hourly usage as it should be, from the ledger's rows, one by one."""
    sums: defaultdict[tuple[object, ...], list[Any]] = defaultdict(lambda: [0] * 7)
    for e in ledger(store):
        hour = e["time"].replace(minute=0, second=0, microsecond=0)
        sums_of = sums[hour, e["kind"], e["provider"], e["model"], e["agent_name"]]
        known = e["usage_source"] != "none"
        parts = (
            1,
            int(e["status"] == "error"),
            int(known and e["price_status"] == "unpriced"),
            int(not known and e["status"] != "error"),
            e["input_tokens"] or 0,
            e["output_tokens"] or 0,
            e["total_cost_usd"] or 0,
        )
        for i, part in enumerate(parts):
            sums_of[i] += part
    return dict(sums)


def hourly(store: Store) -> dict[tuple[object, ...], list[object]]:
    rows = store.sql_rows("SELECT * FROM usage_hourly FINAL WHERE is_deleted = 0")
    keys = ("hour", "kind", "provider", "model", "agent_name")
    values = (
        "calls",
        "errors",
        "unpriced_calls",
        "calls_without_usage",
        "input_tokens",
        "output_tokens",
        "total_cost_usd",
    )
    return {tuple(r[k] for k in keys): [r[v] for v in values] for r in rows}


def test_hourly_usage_equals_the_sum_of_the_ledger(store: Store, book: PriceBook) -> None:
    spans = many_spans()
    put(store, "p", *spans)
    derive(store, book, *{span.trace_id for span in spans})
    hours, newest = stale_hours(store, 0)
    recompute_usage(store, hours, next(_clock))
    expected = summed(store)
    assert len({key[0] for key in expected}) == 4
    assert hourly(store) == expected
    recompute_usage(store, hours, next(_clock))
    assert hourly(store) == expected
    assert stale_hours(store, newest)[0] == set()


def test_hourly_usage_of_a_vanished_key_is_removed(store: Store, book: PriceBook) -> None:
    put(store, "p", llm(A, "2", "1", at=1))
    derive(store, book, A)
    recompute_usage(store, stale_hours(store, 0)[0], next(_clock))
    put(store, "p", agent(A, "1"))
    result = derive(store, book, A)
    recompute_usage(store, [("p", hour) for hour in result.hours], next(_clock))
    assert [key[4] for key in hourly(store)] == ["planner"]
    assert hourly(store) == summed(store)


def new_job(store: Store, watermarks: Marks, book: PriceBook) -> LedgerJob:
    return LedgerJob(store, lambda: next(_clock), watermarks, lambda: book, max_traces=50)


def test_job_drains_flushes_and_a_new_job_changes_nothing(store: Store, book: PriceBook) -> None:
    spans = many_spans()
    for start in range(0, len(spans), 40):
        put(store, "p", *spans[start : start + 40])
    watermarks = Marks()
    job = new_job(store, watermarks, book)
    stats = job.run_once()
    assert (stats.traces, stats.spans, stats.entries_written) == (120, 240, 120)
    assert stats.is_drained
    assert stats.newest_touched_ns == watermarks.positions["ledger"] * 1_000
    assert job.run_once().traces == 0
    assert job.run_usage_once() == 4
    assert job.run_usage_once() == 0
    restarted = new_job(store, watermarks, book)
    stats = restarted.run_once()
    assert (stats.traces, stats.entries_written) == (120, 0)
    assert restarted.run_usage_once() == 0
    assert hourly(store) == summed(store)


def test_hours_left_by_a_dead_worker_are_recomputed(store: Store, book: PriceBook) -> None:
    put(store, "p", llm(A, "1"))
    watermarks = Marks()
    new_job(store, watermarks, book).run_once()
    assert hourly(store) == {}
    assert new_job(store, watermarks, book).run_usage_once() == 1
    assert hourly(store) == summed(store)


def test_hours_of_a_step_that_failed_halfway_are_not_forgotten(
    store: Store, book: PriceBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "p", llm(A, "1"))
    job = new_job(store, Marks(), book)
    insert = store.insert

    def refuse_traces(table: str, rows: pa.Table, *, token: str) -> None:
        if table == "traces":
            raise StoreError("unanswered", permanent=False)
        insert(table, rows, token=token)

    monkeypatch.setattr(store, "insert", refuse_traces)
    with pytest.raises(StoreError):
        job.run_once()
    monkeypatch.setattr(store, "insert", insert)
    assert job.run_once().entries_written == 0
    assert job.run_usage_once() == 1
    assert hourly(store) == summed(store)


def test_clock_set_back_does_not_lose_changes(store: Store, book: PriceBook) -> None:
    put(store, "p", llm(A, "2", "1"))
    watermarks = Marks()
    new_job(store, watermarks, book).run_once()
    put(store, "p", agent(A, "1"))
    LedgerJob(store, lambda: 1, watermarks, lambda: book).run_once()
    assert [entry["agent_name"] for entry in ledger(store)] == ["planner"]


def test_a_touch_whose_hour_was_lost_with_the_engine_is_counted(
    store: Store, book: PriceBook
) -> None:
    job = new_job(store, Marks(), book)
    put(store, "p", llm(A, "1"))
    job.run_once()
    # As an engine leaves it that is killed between the two inserts.
    store.execute("DETACH TABLE trace_hours_feed")
    try:
        put(store, "p", llm(B, "2"), llm(A, "3", start_ns=T0 + HOUR_NS))
    finally:
        store.execute("ATTACH TABLE trace_hours_feed")
    job.run_once()
    assert sorted(entry["span_id"] for entry in ledger(store)) == ["1", "2", "3"]


def test_flush_that_shows_up_behind_the_position_is_read_once(store: Store) -> None:
    put(store, "p", llm(A, "1"))
    reader = TouchReader(store, None)
    first = reader.next_batch()
    assert first is not None
    reader.mark_handled(first)
    late = pa.table(
        {
            "project": ["p"],
            "trace_id": [B],
            "hour": pa.array([T0 // 10**9], type=pa.uint32()),
            "flush_id": ["late"],
            "touched_at": pa.array(
                [reader.position_us - OVERLAP_US // 2], type=pa.timestamp("us", "UTC")
            ),
        }
    )
    store.insert("touches", late, token="late")
    second = reader.next_batch()
    assert second is not None
    assert second.traces == (("p", B),)
    reader.mark_handled(second)
    assert reader.next_batch() is None
    assert reader.position_us == first.newest_us


def test_batches_are_bounded_and_come_again_until_handled(store: Store) -> None:
    for i in range(5):
        put(store, "p", *(llm(f"{i}{j}".rjust(32, "0"), "1") for j in range(4)))
    reader = TouchReader(store, None, max_traces=8)
    first = reader.next_batch()
    assert first is not None
    assert len(first.traces) == 8
    assert reader.next_batch() == first
    seen = set(first.traces)
    reader.mark_handled(first)
    are_last = [first.is_last]
    while (batch := reader.next_batch()) is not None:
        assert len(batch.traces) <= 8
        seen |= set(batch.traces)
        are_last.append(batch.is_last)
        reader.mark_handled(batch)
    assert len(seen) == 20
    assert are_last == [False, False, True]  # nobody has to look again after the last


def test_backlog_longer_than_one_look_is_read_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(touches, "_MAX_ROWS", 6)
    for i in range(6):
        put(store, "p", *(llm(f"{i}{j}".rjust(32, "0"), "1") for j in range(4)))
    reader = TouchReader(store, None)
    seen: list[tuple[str, str]] = []
    was_last = False
    while (batch := reader.next_batch()) is not None:
        assert not was_last
        was_last = batch.is_last
        seen += batch.traces
        reader.mark_handled(batch)
    assert len(seen) == len(set(seen)) == 24


def test_single_flush_larger_than_any_bound_comes_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(touches, "_MAX_ROWS", 6)
    put(store, "p", *(llm(f"{j}".rjust(32, "0"), "1") for j in range(20)))
    put(store, "p", llm(A, "1"))
    reader = TouchReader(store, None, max_traces=5)
    batch = reader.next_batch()
    assert batch is not None
    assert len(batch.traces) == 20
    reader.mark_handled(batch)
    last = reader.next_batch()
    assert last is not None
    assert last.traces == (("p", A),)
