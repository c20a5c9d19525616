"""Traces that go on are put off while there is much to do: none is forgotten, none waits long."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from spanledger_analytics.holding import Holding
from spanledger_analytics.job import LEDGER, LedgerJob
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.spans import Span
from spanledger_storage.store import Store
from tests.analytics.test_ledger import HOUR_NS, agent, llm, put
from tests.marks import Marks

S = 10**9
ONE, TWO, THREE = ("p", "1" * 32), ("p", "2" * 32), ("p", "3" * 32)


class Clock:
    def __init__(self) -> None:
        self.ns = 1_790_000_000 * S

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


def busy(clock: Clock, seconds: float) -> Holding:
    holding = Holding(20, clock)
    holding.was_busy(seconds)
    return holding


def test_a_trace_that_goes_on_waits_eight_times_as_long_as_runs_take(clock: Clock) -> None:
    holding = busy(clock, 1)
    holding.add([ONE, TWO], {ONE}, 500)
    assert holding.due() == [TWO]
    holding.handled([TWO])
    clock.ns += 7 * S
    holding.add([ONE], {ONE}, 900)  # the next piece does not let it wait anew
    assert holding.due() == []
    clock.ns += S
    assert holding.due() == [ONE]
    assert holding.due() == [ONE]  # until it is said to be handled
    holding.handled([ONE])
    assert (holding.due(), len(holding)) == ([], 0)


@pytest.mark.parametrize(("seconds", "waits_s"), [(0.24, 0), (0.25, 2), (2.5, 20), (60, 20)])
def test_how_long_traces_wait(clock: Clock, seconds: float, waits_s: int) -> None:
    holding = busy(clock, seconds)
    holding.add([ONE], {ONE}, 1)
    for _ in range(waits_s):
        assert holding.due() == []
        clock.ns += S
    assert holding.due() == [ONE]


def test_its_first_span_ends_the_waiting(clock: Clock) -> None:
    holding = busy(clock, 3)
    holding.add([ONE, TWO], {ONE, TWO}, 1)
    assert holding.due() == []
    holding.add([TWO], set(), 2)
    assert holding.due() == [TWO]
    holding.add([TWO], {TWO}, 3)  # a late piece: it is still to be handled
    assert holding.due() == [TWO]


def test_nothing_waits_any_longer_when_runs_take_little_again(clock: Clock) -> None:
    holding = busy(clock, 2)
    holding.add([ONE], {ONE}, 1)
    for _ in range(9):
        holding.was_busy(0.01)
        assert holding.due() == []
    holding.was_busy(0.01)
    assert holding.due() == [ONE]


def test_a_clock_that_is_set_back_lets_nothing_wait(clock: Clock) -> None:
    holding = busy(clock, 2)
    holding.add([ONE], {ONE}, 1)
    clock.ns -= 3_600 * S
    assert holding.due() == [ONE]


def test_the_position_stays_before_what_is_put_off(clock: Clock) -> None:
    holding = busy(clock, 1)
    assert holding.position_us(777) == 777
    holding.add([ONE, TWO], {ONE, TWO}, 500)
    holding.add([THREE, ONE], {THREE, ONE}, 600)
    assert holding.position_us(777) == 499
    holding.handled([ONE, TWO])
    assert holding.position_us(777) == 599
    holding.handled([THREE])
    assert holding.position_us(777) == 777


def arrive(store: Store, *spans: Span) -> None:
    """Store spans and say of each trace, as the collector does, whether its first span came."""
    flush_id = put(store, "p", *spans, is_announced=False)
    traces = sorted({span.trace_id for span in spans})
    rooted = {span.trace_id for span in spans if not span.parent_span_id}
    hour = min(span.start_ns for span in spans) // HOUR_NS * 3_600
    notes = pa.table(
        {
            "project": ["p"] * len(traces),
            "trace_id": traces,
            "hour": pa.array([hour] * len(traces), type=pa.uint32()),
            "flush_id": [flush_id] * len(traces),
            "spans": pa.array([1] * len(traces), type=pa.uint32()),
            "has_root": pa.array([int(t in rooted) for t in traces], type=pa.uint8()),
        }
    )
    store.insert("touches", notes, token=f"touches-{flush_id}")


def entries(store: Store) -> Sequence[tuple[object, object]]:
    found = store.sql_rows(
        "SELECT span_id, agent_name FROM ledger_current WHERE kind = 'llm' ORDER BY span_id"
    )
    return [(row["span_id"], row["agent_name"]) for row in found]


def let_everything_be_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger_analytics.holding._LEAST_BUSY_S", 0)
    monkeypatch.setattr("spanledger_analytics.holding._TIMES_BUSY", 10**6)


def new_job(store: Store, clock: Clock, watermarks: Marks, most_s: float) -> LedgerJob:
    book = PriceBook.bundled()
    return LedgerJob(store, clock, watermarks, lambda: book, most_holding_s=most_s)


def test_a_busy_job_derives_a_trace_when_it_is_over(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watermarks = Marks()
    job = new_job(store, clock, watermarks, 20)
    let_everything_be_busy(monkeypatch)
    trace_id = ONE[1]
    arrive(store, llm(TWO[1], "9"))
    assert (job.run_once().traces, entries(store)) == (1, [("9", "")])
    before = watermarks.positions[LEDGER]
    arrive(store, llm(trace_id, "1", parent="0"))
    stats = job.run_once()
    assert (stats.traces, stats.held, stats.is_drained) == (0, 1, True)
    assert entries(store) == [("9", "")]
    assert watermarks.positions[LEDGER] >= before
    arrive(store, llm(trace_id, "2", parent="0"), agent(trace_id, "0"))
    stats = job.run_once()
    assert (stats.traces, stats.held) == (1, 0)
    assert entries(store) == [("1", "planner"), ("2", "planner"), ("9", "")]
    [newest] = store.sql_rows("SELECT toUnixTimestamp64Micro(max(touched_at)) AS us FROM touches")
    assert watermarks.positions[LEDGER] == newest["us"]


def test_what_is_put_off_is_handled_in_time_without_anything_new(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watermarks = Marks()
    job = new_job(store, clock, watermarks, 20)
    job.run_once()
    assert LEDGER not in watermarks.positions  # it has handled nothing yet
    let_everything_be_busy(monkeypatch)
    arrive(store, llm(ONE[1], "1", parent="0"))
    assert job.run_once().held == 1
    clock.ns += 19 * S
    assert (job.run_once().traces, entries(store)) == (0, [])
    clock.ns += S
    stats = job.run_once()
    assert (stats.traces, stats.held, entries(store)) == (1, 0, [("1", "")])
    assert job.run_usage_once() == 1


def test_a_worker_that_dies_leaves_nothing_it_put_off_behind(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watermarks = Marks()
    job = new_job(store, clock, watermarks, 20)
    job.run_once()
    let_everything_be_busy(monkeypatch)
    # New readers hand the last two minutes out anyway: what was put off has to be kept by itself.
    monkeypatch.setattr("spanledger_analytics.touches.OVERLAP_US", 0)
    arrive(store, llm(ONE[1], "1", parent="0"))
    arrive(store, llm(TWO[1], "9"))
    assert job.run_once().held == 1
    assert entries(store) == [("9", "")]
    monkeypatch.undo()
    monkeypatch.setattr("spanledger_analytics.touches.OVERLAP_US", 0)
    assert new_job(store, clock, watermarks, 0).run_once().traces == 2
    assert entries(store) == [("1", ""), ("9", "")]
