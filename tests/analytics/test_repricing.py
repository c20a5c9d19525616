"""Stored prices stay, and repricing changes them: on a real engine, beside a worker."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from spanledger_analytics import repricing
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.price_book.book import BookSource, PriceBook
from spanledger_analytics.price_book.overrides import Contract, Overrides
from spanledger_analytics.price_book.tool_list import ToolPrices
from spanledger_analytics.repricing import Scope, apply, plan
from spanledger_analytics.repricing_report import Report
from spanledger_analytics.spans import FROM_ATTRIBUTES, Span
from spanledger_storage.errors import StoreError
from spanledger_storage.service_price_rows import ToolPriceRow
from spanledger_storage.store import Store
from tests.marks import Marks
from tests.pricing import rate, real_book

MS = 1_000_000
HOUR_NS = 3_600 * 10**9
T0 = int(datetime(2026, 10, 31, 22, tzinfo=UTC).timestamp()) * 10**9
ALL = Scope(0, 2**63 - 1)
NONE = Overrides()
DOUBLE = Overrides(
    1,
    rates=(
        rate(1, "input", "5", provider="openai", model="gpt-4o"),
        rate(2, "output", "20", provider="openai", model="gpt-4o"),
    ),
)
IN_HOUSE = Overrides(
    2,
    rates=(
        rate(3, "input", "1", provider="openai", model="in-house"),
        rate(4, "output", "2", provider="openai", model="in-house"),
    ),
)

DEPLOYMENT = Overrides(
    4,
    rates=(
        rate(5, "input", "0.5", provider="azure", model="my-ptu"),
        rate(6, "output", "1", provider="azure", model="my-ptu"),
    ),
)

_numbers = itertools.count(1)


class Clock:
    """Nanoseconds that pass with every look, from the time the engine has: touches hold it."""

    def __init__(self) -> None:
        self.now = time.time_ns()

    def __call__(self) -> int:
        self.now += 1_000
        return self.now


class Instance:
    """A store with a worker whose price book is exchangeable."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock()
        self.marks = Marks()
        self.overrides = NONE
        self.job = self.new_job()

    @property
    def book(self) -> PriceBook:
        return real_book(self.overrides)

    def new_job(self) -> LedgerJob:
        return LedgerJob(self.store, self.clock, self.marks, lambda: self.book)

    def work(self) -> int:
        """Let the worker catch up; return how many entries it wrote."""
        written = self.job.run_once().entries_written
        self.job.run_usage_once()
        return written

    def apply(self, scope: Scope = ALL) -> Report:
        return apply(self.store, self.book, scope, now_ns=self.clock)

    def put(self, *spans: Span) -> None:
        put(self.store, spans)

    def entries(self) -> list[dict[str, Any]]:
        return self.store.sql_rows("SELECT * FROM ledger_current ORDER BY time, entry_id")

    def costs(self) -> list[Decimal | None]:
        return [entry["total_cost_usd"] for entry in self.entries()]

    def totals(self) -> list[Decimal | None]:
        """Of the ledger, the traces, the trajectories and the hourly usage."""
        return [
            self.store.sql_rows(f"SELECT sum(total_cost_usd) AS s FROM {table}")[0]["s"]  # type: ignore[misc]
            for table in (
                "ledger_current",
                "traces FINAL WHERE is_deleted = 0",
                "trajectories FINAL WHERE is_deleted = 0",
                "usage_hourly FINAL WHERE is_deleted = 0",
            )
        ]


@pytest.fixture
def instance(store: Store) -> Instance:
    return Instance(store)


def call(number: int, at: int = 0, **fields: Any) -> Span:
    """A call of 1,000 input tokens (200 from the cache) and 50 output tokens."""
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
    return Span(f"{number:032x}", settings.pop("span_id", "1"), **settings)


PARENT = call(
    1, span_id="0", role="agent", agent_name="planner", input_tokens=None,
    cache_read_tokens=None, output_tokens=None,
)  # fmt: skip


def put(store: Store, spans: Iterable[Span]) -> None:
    """Store spans and announce them as the collector does."""
    spans = list(spans)
    flush = f"flush-{next(_numbers)}"
    times = pa.timestamp("ns", "UTC")
    columns = {
        name: [getattr(span, name) for span in spans]
        for name in Span._fields
        if name not in ("start_ns", "end_ns", "dimensions", *FROM_ATTRIBUTES)
    }
    columns = {
        name: values for name, values in columns.items() if any(v is not None for v in values)
    }
    table = pa.table(
        {
            "project": ["p"] * len(spans),
            **columns,
            "start_time": pa.array([span.start_ns for span in spans], type=times),
            "end_time": pa.array([span.end_ns for span in spans], type=times),
        }
    )
    store.insert("spans", table, token=f"spans-{flush}")
    notes = pa.table(
        {
            "project": ["p"] * len(spans),
            "trace_id": [span.trace_id for span in spans],
            "hour": pa.array(
                [span.start_ns // HOUR_NS * 3_600 for span in spans], type=pa.uint32()
            ),
            "flush_id": [flush] * len(spans),
            "spans": pa.array([1] * len(spans), type=pa.uint32()),
        }
    )
    store.insert("touches", notes, token=f"touches-{flush}")


# 800 x 2.50 + 200 x 1.25 + 50 x 10, and at double rates with cache reads as they were.
ONCE, TWICE = Decimal("0.00275"), Decimal("0.00525")


def test_newer_prices_change_no_stored_entry(instance: Instance) -> None:
    instance.put(call(1))
    assert instance.work() == 1
    before = instance.entries()
    instance.overrides = DOUBLE
    instance.put(call(1, version=2))
    assert instance.work() == 0
    assert instance.new_job().run_once().entries_written == 0
    assert instance.entries() == before


def test_late_context_keeps_the_price(instance: Instance) -> None:
    instance.put(call(1, parent_span_id="0", span_id="1"))
    instance.work()
    instance.overrides = DOUBLE
    instance.put(
        call(
            1,
            span_id="0",
            role="agent",
            agent_name="planner",
            input_tokens=None,
            cache_read_tokens=None,
            output_tokens=None,
        )  # fmt: skip
    )
    assert instance.work() == 1
    (entry,) = instance.entries()
    assert (entry["agent_name"], entry["total_cost_usd"]) == ("planner", ONCE)
    assert entry["price_id"] == "data:openai/gpt-4o@base"


def test_a_second_view_of_the_same_usage_keeps_the_price(instance: Instance) -> None:
    outer = call(1, span_id="0", end_ns=T0 + 200 * MS, request_model="", response_model="gpt-4o")
    instance.put(outer)
    instance.work()
    instance.overrides = DOUBLE
    instance.put(call(1, parent_span_id="0", at=1, scope_name="sdk"))
    instance.work()
    (entry,) = instance.entries()
    assert (entry["usage_source"], entry["request_model"]) == ("merged", "gpt-4o")
    assert entry["total_cost_usd"] == ONCE


def test_usage_that_changes_is_priced_and_billed_now(instance: Instance) -> None:
    instance.put(call(1))
    instance.work()
    instance.overrides = DOUBLE
    instance.put(call(1, version=2, output_tokens=100))
    assert instance.work() == 1
    (entry,) = instance.entries()
    assert entry["total_cost_usd"] == entry["billed_cost_usd"] == Decimal("0.00625")
    assert entry["price_id"] == entry["billed_price_id"] == "data:openai/gpt-4o@base+own:1,2"


def test_unpriced_entry_gets_a_price_as_soon_as_there_is_one(instance: Instance) -> None:
    instance.put(call(1, request_model="in-house"))
    instance.work()
    (entry,) = instance.entries()
    assert (entry["price_status"], entry["flags"]) == ("unpriced", ["unknown_model"])
    assert (entry["billed_price_id"], entry["billed_cost_usd"]) == ("", None)
    instance.overrides = IN_HOUSE
    instance.put(call(1, version=2, request_model="in-house"))
    instance.work()
    (entry,) = instance.entries()
    assert (entry["price_status"], entry["flags"]) == ("priced", [])
    assert entry["billed_cost_usd"] == entry["total_cost_usd"] == Decimal("0.0011")


def test_book_source_follows_the_revision() -> None:
    state = [NONE]
    loads = itertools.count()

    def load() -> Overrides:
        next(loads)
        return state[0]

    books = BookSource(load, lambda: state[0].revision)
    first = books()
    assert books() is first
    state[0] = DOUBLE
    assert books().overrides == DOUBLE
    assert next(loads) == 2


def test_dry_run_tells_and_changes_nothing(instance: Instance) -> None:
    hour = 3_600_000
    instance.put(call(1), call(2, at=hour), call(3, at=3 * hour), call(4, request_model="in-house"))
    instance.work()
    before = instance.entries()
    instance.overrides = Overrides(3, rates=(*DOUBLE.rates, *IN_HOUSE.rates))
    report = plan(instance.store, instance.book, ALL)
    told = [
        (c.month, c.model, c.entries, c.changed, c.newly_priced, c.before_usd, c.after_usd)
        for c in report.changes
    ]
    assert told == [
        ("2026-10", "gpt-4o", 2, 2, 0, 2 * ONCE, 2 * TWICE),
        ("2026-10", "in-house", 1, 1, 1, Decimal(0), Decimal("0.0011")),
        ("2026-11", "gpt-4o", 1, 1, 0, ONCE, TWICE),
    ]
    assert report.difference_usd == 3 * (TWICE - ONCE) + Decimal("0.0011")
    assert instance.entries() == before


def test_apply_changes_ledger_trajectories_and_usage_but_not_the_bill(instance: Instance) -> None:
    instance.put(call(1), call(1, span_id="2", at=200, request_model="in-house"), call(2, at=300))
    instance.work()
    instance.overrides = Overrides(3, rates=(*DOUBLE.rates, *IN_HOUSE.rates))
    told = plan(instance.store, instance.book, ALL)
    assert instance.apply() == told
    instance.work()
    assert sorted(instance.costs(), key=str) == [Decimal("0.0011"), TWICE, TWICE]
    assert instance.totals() == [2 * TWICE + Decimal("0.0011")] * 4
    billed = {(e["model"], e["billed_price_id"]): e["billed_cost_usd"] for e in instance.entries()}
    assert billed["gpt-4o", "data:openai/gpt-4o@base"] == ONCE
    assert billed["in-house", "own:openai/in-house+own:3,4"] == Decimal("0.0011")
    (trace,) = instance.store.sql_rows(
        "SELECT unpriced_calls FROM traces FINAL WHERE llm_calls = 2"
    )
    assert trace["unpriced_calls"] == 0


def test_a_trajectory_over_several_traces_follows(instance: Instance) -> None:
    day = 86_400_000
    instance.put(*(call(n, at=n * day, session_id="s") for n in (1, 2, 3)))
    instance.work()
    instance.overrides = DOUBLE
    instance.apply()
    [row] = instance.store.sql_rows(
        "SELECT traces, total_cost_usd FROM trajectories FINAL WHERE is_deleted = 0"
    )
    assert (row["traces"], row["total_cost_usd"]) == (3, 3 * TWICE)
    instance.work()
    assert instance.totals() == [3 * TWICE] * 4


def test_repricing_twice_changes_nothing_more(instance: Instance) -> None:
    instance.put(*(call(n, at=n * 1_000) for n in range(20)))
    instance.work()
    instance.overrides = DOUBLE
    assert instance.apply().written == 20
    instance.work()
    rows = instance.store.sql_rows("SELECT count() AS n FROM ledger")
    entries = instance.entries()
    again = instance.apply()
    assert (again.entries, again.written, again.difference_usd) == (20, 0, Decimal(0))
    assert instance.work() == 0
    assert instance.store.sql_rows("SELECT count() AS n FROM ledger") == rows
    assert instance.entries() == entries


def test_repricing_back_restores_every_column(instance: Instance) -> None:
    instance.put(call(1), call(2, request_model="in-house"))
    instance.work()
    before = instance.entries()
    instance.overrides = Overrides(3, rates=(*DOUBLE.rates, *IN_HOUSE.rates))
    instance.apply()
    assert instance.entries() != before
    instance.overrides = NONE
    instance.apply()
    after = instance.entries()
    # Whoever was priced once was billed once.
    for entry in (*before, *after):
        if entry["model"] == "in-house":
            del entry["billed_price_id"], entry["billed_cost_usd"]
    assert after == before


def test_repricing_after_the_clock_was_set_back_is_written(instance: Instance) -> None:
    instance.put(call(1))
    instance.work()
    for overrides, cost in ((DOUBLE, TWICE), (NONE, ONCE), (DOUBLE, TWICE)):
        instance.overrides = overrides
        assert instance.apply().written == 1
        assert instance.costs() == [cost]
        instance.work()
        assert instance.totals() == [cost] * 4
        instance.clock.now -= HOUR_NS


def test_scope_is_half_open_and_narrowed_by_provider_and_model(instance: Instance) -> None:
    dated = call(2, at=1_000, response_model="gpt-4o-2024-08-06")
    instance.put(call(1), dated, call(3, at=2_000, request_model="gpt-4o-mini"))
    instance.work()
    instance.overrides = DOUBLE
    second = T0 + 1_000 * MS
    assert instance.apply(Scope(T0, second)).entries == 1
    assert instance.costs()[:2] == [TWICE, ONCE]
    assert instance.apply(Scope(second, second + 1, model="gpt-4o-mini")).entries == 0
    assert instance.apply(Scope(T0, second, provider="anthropic")).entries == 0
    # "gpt-4o" is what the data call it, whatever date the name on the wire carries.
    assert instance.apply(Scope(second, second + 1, "openai", "gpt-4o")).written == 1
    assert instance.costs()[:2] == [TWICE, TWICE]


def test_a_deployments_own_rate_reaches_calls_whose_response_names_the_model(
    instance: Instance,
) -> None:
    instance.put(
        call(
            1,
            provider="azure.ai.openai",
            request_model="my-ptu",
            response_model="gpt-4o-2024-08-06",
            cache_read_tokens=None,
        )
    )
    instance.work()
    # 1,000 x 2.50 + 50 x 10, and at the deployment's rates 1,000 x 0.50 + 50 x 1.
    assert instance.costs() == [Decimal("0.003")]
    instance.overrides = DEPLOYMENT
    assert instance.work() == 0  # a stored price stays until somebody reprices
    narrowed = replace(ALL, provider="azure", model="my-ptu")
    assert instance.apply(narrowed).written == 1
    assert instance.costs() == [Decimal("0.00055")]
    assert instance.apply(narrowed).written == 0


def test_a_fee_per_request_of_an_agents_sum_is_not_guessed(instance: Instance) -> None:
    agent = call(1, role="agent", provider="perplexity", request_model="sonar-pro")
    instance.put(agent)
    instance.work()
    [entry] = instance.entries()
    assert (entry["usage_source"], entry["total_cost_usd"]) == ("aggregate", None)
    assert "unknown_requests" in entry["flags"]
    assert (instance.work(), instance.apply().written) == (0, 0)


def test_contract_is_written_and_named(instance: Instance) -> None:
    instance.put(call(1))
    instance.work()
    contract = Contract("acme-2026", "openai", "", Decimal("0.9"), None, 0, None)
    instance.overrides = Overrides(1, contracts=(contract,))
    instance.apply()
    (entry,) = instance.entries()
    assert (entry["contract_id"], entry["list_cost_usd"]) == ("acme-2026", ONCE)
    assert entry["total_cost_usd"] == Decimal("0.002475")
    assert entry["billed_cost_usd"] == ONCE


def test_many_chunks_and_a_part_of_an_hour_give_the_same(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.put(*(call(n, at=n * 400_000) for n in range(30)), *(call(100 + n) for n in range(30)))
    instance.work()
    instance.overrides = DOUBLE
    whole = plan(instance.store, instance.book, ALL)
    monkeypatch.setattr(repricing, "_ENTRIES_PER_CHUNK", 7)
    monkeypatch.setattr(repricing, "_ROWS_PER_CHUNK", 7)
    assert plan(instance.store, instance.book, ALL) == whole
    assert instance.apply() == whole
    instance.work()
    assert instance.costs() == [TWICE] * 60
    assert instance.totals() == [60 * TWICE] * 4


def test_killed_in_the_middle_it_goes_on(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.put(*(call(n, at=n * 400_000) for n in range(30)))
    instance.work()
    instance.overrides = DOUBLE
    monkeypatch.setattr(repricing, "_ENTRIES_PER_CHUNK", 10)
    insert, inserts = instance.store.insert, itertools.count(1)

    def fail_at_the_second(table: str, rows: pa.Table, *, token: str) -> None:
        if next(inserts) == 2:
            raise StoreError("unanswered", permanent=False)
        insert(table, rows, token=token)

    monkeypatch.setattr(instance.store, "insert", fail_at_the_second)
    with pytest.raises(StoreError):
        instance.apply()
    monkeypatch.setattr(instance.store, "insert", insert)
    changed = instance.costs().count(TWICE)
    assert 0 < changed < 30
    assert instance.apply().written == 30 - changed
    instance.work()
    assert instance.totals() == [30 * TWICE] * 4


def test_usage_follows_when_the_worker_was_stopped(instance: Instance) -> None:
    instance.put(call(1))
    instance.work()
    instance.overrides = DOUBLE
    instance.apply()
    instance.job = instance.new_job()
    instance.job.run_usage_once()
    assert instance.totals() == [TWICE] * 4


def test_usage_follows_long_after_the_versions_were_overtaken(instance: Instance) -> None:
    instance.put(call(1))
    instance.work()
    instance.overrides = DOUBLE
    instance.apply()
    instance.clock.now += HOUR_NS
    instance.put(call(2, at=4 * 3_600_000))
    instance.work()
    assert instance.totals() == [2 * TWICE] * 4


class Interrupted:
    """Runs something between a worker's reading and writing of the ledger."""

    def __init__(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]
    ) -> None:
        self._insert = store.insert
        self._then: Callable[[], object] | None = then
        monkeypatch.setattr(store, "insert", self)

    def __call__(self, table: str, rows: pa.Table, *, token: str) -> None:
        if table == "ledger" and self._then is not None:
            then, self._then = self._then, None
            then()
        self._insert(table, rows, token=token)


def test_a_step_under_way_does_not_undo_a_repricing(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.put(call(1, parent_span_id="0"))
    instance.work()
    stale = instance.book
    instance.overrides = DOUBLE
    instance.put(PARENT)
    # The worker read the old price, and writes after the repricing.
    Interrupted(instance.store, monkeypatch, instance.apply)
    instance.job = LedgerJob(instance.store, instance.clock, instance.marks, lambda: stale)
    # Twice: what it had to say besides lost as well, and is derived again by the next run.
    assert [instance.job.run_once().entries_written for _ in range(2)] == [1, 1]
    instance.work()
    (entry,) = instance.entries()
    assert (entry["agent_name"], entry["total_cost_usd"]) == ("planner", TWICE)
    assert instance.totals() == [TWICE] * 4


def test_an_entry_removed_meanwhile_stays_removed(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.put(call(1, at=1))
    instance.work()
    instance.overrides = DOUBLE
    # A late framework span is the outer view of the same call: the entry gets another key.
    outer = call(1, span_id="0", scope_name="framework", end_ns=T0 + 300 * MS)
    instance.put(outer)
    Interrupted(instance.store, monkeypatch, instance.apply)
    instance.work()
    instance.work()
    assert [entry["span_id"] for entry in instance.entries()] == ["0"]
    assert instance.costs() == [TWICE]
    assert instance.totals() == [TWICE] * 4


def test_a_step_between_pricing_and_writing_does_not_undo_it(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.put(call(1, parent_span_id="0"))
    instance.work()
    stale = instance.book
    instance.job = LedgerJob(instance.store, instance.clock, instance.marks, lambda: stale)
    instance.overrides = DOUBLE
    instance.put(PARENT)
    # The worker reads and writes after the repricing read, and before it writes.
    Interrupted(instance.store, monkeypatch, instance.work)
    instance.apply()
    instance.work()
    (entry,) = instance.entries()
    assert (entry["agent_name"], entry["total_cost_usd"]) == ("planner", TWICE)
    assert instance.totals() == [TWICE] * 4


def test_a_worker_that_has_not_heard_of_a_repricing_is_not_behind_it(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.put(call(1, parent_span_id="0"))
    instance.work()
    instance.overrides = DOUBLE

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(repricing, "_follow", killed)
    with pytest.raises(KeyboardInterrupt):
        instance.apply()
    instance.put(PARENT)
    instance.work()
    (entry,) = instance.entries()
    assert (entry["agent_name"], entry["total_cost_usd"]) == ("planner", TWICE)


def test_an_entry_removed_after_a_repricing_can_come_back(instance: Instance) -> None:
    instance.put(call(1))
    instance.work()
    instance.overrides = DOUBLE
    instance.apply()
    instance.put(call(1, version=2, role="other"))
    instance.work()
    assert instance.entries() == []
    instance.put(call(1, version=3))
    instance.work()
    assert instance.totals() == [TWICE] * 4


def test_counts_beyond_64_bits_are_priced_exactly(instance: Instance) -> None:
    instance.put(call(1, input_tokens=2**53, cache_read_tokens=None, output_tokens=2**53))
    instance.work()
    expected = 2**53 * Decimal("12.5") / 10**6
    assert instance.costs() == [expected]
    instance.overrides = DOUBLE
    instance.apply()
    assert instance.costs() == [2 * expected]


def test_an_empty_ledger_has_nothing_to_reprice(instance: Instance) -> None:
    report = instance.apply(Scope(T0, T0 + int(timedelta(days=31).total_seconds()) * 10**9))
    assert (report.entries, report.written, report.difference_usd) == (0, 0, Decimal(0))


def listed(*prices: ToolPriceRow) -> Overrides:
    return Overrides(7, tools=ToolPrices(prices))


def used(trace: int, span_id: str = "1", **fields: Any) -> Span:
    """A call of a tool that says nothing of its cost."""
    tokens = dict.fromkeys(("input_tokens", "cache_read_tokens", "output_tokens"))
    settings: dict[str, Any] = {"role": "tool", "tool_name": "search", **tokens, **fields}
    return call(trace, span_id=span_id, **settings)


SEARCH = ToolPriceRow("", "", "search", Decimal(1), "call", "", 1, True, 0, None, id=1)


def test_a_trace_whose_only_entry_goes_costs_nothing_any_more(instance: Instance) -> None:
    instance.overrides = listed(SEARCH)
    instance.put(used(1))
    instance.work()
    assert instance.totals() == [Decimal(1)] * 4
    instance.store.execute("TRUNCATE TABLE touches")  # what was touched lately is touched again
    instance.overrides = listed(replace(SEARCH, tool="fetch", id=2))
    assert instance.apply().written == 1
    instance.work()
    assert instance.entries() == []
    assert [total or 0 for total in instance.totals()] == [0] * 4


def test_a_tool_call_seen_in_two_traces_is_reported_once(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_analytics.tool_repricing._TRACES_PER_STEP", 1)
    instance.overrides = listed(SEARCH)
    instance.put(used(1, "2", parent_span_id="1"))
    instance.put(used(2, at=10, end_ns=T0 + 60 * MS, scope_name="mcp"))
    instance.work()
    assert len(instance.entries()) == 1
    instance.overrides = listed(replace(SEARCH, price_usd=Decimal(2), id=2))
    report = plan(instance.store, instance.book, ALL)
    assert (report.entries, report.written, report.difference_usd) == (1, 1, Decimal(1))
    assert instance.apply() == report
