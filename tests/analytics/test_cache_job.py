"""The cache job beside the other jobs: changes, late calls, repricing, retention, deletion."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from spanledger_analytics._rows import asked
from spanledger_analytics.cache.causes import WITHOUT_LOSS
from spanledger_analytics.cache.changes import AnnouncedHours, ChangeReader
from spanledger_analytics.cache.job import CACHE, CacheJob
from spanledger_analytics.cache.memory import Memory
from spanledger_analytics.cache.reading import hashes
from spanledger_analytics.cache.step import Step
from spanledger_analytics.deletion.rows import CONDITIONS
from spanledger_analytics.retention.expiry import RetentionJob
from spanledger_analytics.touches import DELETED
from spanledger_storage.project_settings import Project, ProjectSettings, Retention
from spanledger_storage.retention_state import RetentionState
from spanledger_storage.store import Store
from tests.analytics.cache_planted import (
    T0_S,
    Lane,
    Rendered,
    S,
    growing,
    planted,
    render,
    timestamp,
    user_id,
)
from tests.analytics.caches import BOOK, Caches

SONNET = ("claude-sonnet-4-5",)


@pytest.fixture
def caches(store: Store) -> Caches:
    return Caches(store)


def some(scenario: Any = timestamp) -> list[Rendered]:
    return planted((scenario,), range(1), SONNET, dialects=("otel_genai",))


def by_span(caches: Caches) -> dict[str, dict[str, Any]]:
    return {span_id: row for (_, span_id), row in caches.rows().items()}


def span_id(rendered: Rendered) -> str:
    return rendered.span.span_id.hex()


def test_a_call_that_comes_late_changes_the_calls_after_it(caches: Caches) -> None:
    turns = growing("late", *SONNET, 4)
    rendered = render([Lane(tuple(turns), "a")], "otel_genai", itertools.count(1))
    caches.put([one for n, one in enumerate(rendered) if n != 2])
    caches.derive()
    rows = by_span(caches)
    assert rows[span_id(rendered[3])]["previous_span_id"] == span_id(rendered[1])
    caches.put([rendered[2]])
    assert caches.derive() == 2  # the call itself and the one after it
    rows = by_span(caches)
    assert rows[span_id(rendered[3])]["previous_span_id"] == span_id(rendered[2])
    assert rows[span_id(rendered[2])]["previous_span_id"] == span_id(rendered[1])


def test_an_opener_that_comes_late_changes_the_openers_of_its_pool(caches: Caches) -> None:
    rendered = some(user_id)
    opener, last = (one for one in rendered if one.turn.expect)
    late = [one for one in rendered if one.span.trace_id == opener.span.trace_id]
    caches.put([one for one in rendered if one not in late])
    caches.derive()
    assert by_span(caches)[span_id(last)]["previous_span_id"] == span_id(rendered[0])
    caches.put(late)
    caches.derive()
    assert by_span(caches)[span_id(last)]["previous_span_id"] == span_id(opener)


@pytest.mark.parametrize("apart_s", [1, 40])  # many openers within a minute, and few
def test_a_late_opener_among_many_gives_the_rows_of_one_in_time(
    caches: Caches, store: Store, apart_s: int
) -> None:
    lanes = [
        Lane((replace(turn, at_s=float(apart_s * number)),), "a")
        for number in range(24)
        for turn in growing(f"user {number}", *SONNET, 1, system="You help.", tools=("find",))
    ]
    rendered = render(lanes, "otel_genai", itertools.count(1))
    caches.put([one for number, one in enumerate(rendered) if number != 20])
    caches.derive()
    assert by_span(caches)[span_id(rendered[21])]["previous_span_id"] == span_id(rendered[19])
    caches.put([rendered[20]])
    caches.derive()
    rows = caches.rows()
    assert by_span(caches)[span_id(rendered[21])]["previous_span_id"] == span_id(rendered[20])
    store.execute("TRUNCATE TABLE cache_calls SYNC")
    Caches(store).derive_caches()
    assert caches.rows() == rows


def test_what_a_break_costs_is_exact(caches: Caches) -> None:
    rendered = some()
    caches.put(rendered)
    caches.derive()
    [broken] = [one for one in rendered if one.turn.expect]
    row = by_span(caches)[span_id(broken)]
    _, read, written = broken.usage
    before = rendered[-2].usage
    lost = before[1] + before[2] - read
    assert row["lost_tokens"] == lost
    assert lost <= written
    # Written at 3.75 a million instead of read at 0.30.
    assert row["lost_usd"] == lost * Decimal("3.45") / 10**6
    assert row["segment_kind"] == "system"
    assert row["position"] == len("You help. It is 2026-11-21 17:02:")
    assert row["gap_ns"] == 18 * S


def test_rows_of_entries_that_are_gone_are_removed(caches: Caches, store: Store) -> None:
    rendered = some()
    caches.put(rendered)
    caches.derive()
    [row] = store.sql_rows(
        "SELECT * FROM ledger FINAL WHERE span_id = {s:String}", {"s": span_id(rendered[2])}
    )
    columns = "project, entry_id, kind, time, trace_id, span_id, agent_name, service_name"
    store.execute(
        f"INSERT INTO ledger ({columns}, is_deleted, version) SELECT {columns}, 1, version + 1"
        f" FROM ledger FINAL WHERE entry_id = '{row['entry_id']}'"
    )
    caches.derive_caches()
    rows = by_span(caches)
    assert span_id(rendered[2]) not in rows
    assert rows[span_id(rendered[3])]["previous_span_id"] == span_id(rendered[1])


def test_findings_outlive_the_spans_they_were_made_of(caches: Caches, store: Store) -> None:
    rendered = some()
    caches.put(rendered)
    caches.derive()
    expected = caches.rows()
    store.execute("TRUNCATE TABLE spans SYNC")
    store.execute("TRUNCATE TABLE messages SYNC")
    store.execute("INSERT INTO ledger SELECT * REPLACE (version + 1 AS version) FROM ledger FINAL")
    assert caches.derive_caches() == 0
    Caches(store).derive_caches()
    assert caches.rows() == expected


def test_versions_ahead_of_the_clock_hide_nothing(store: Store) -> None:
    now = [1_000 * S]
    reader = ChangeReader(store, None, lambda: now[0])
    _entry(store, 0, 990 * S)
    _entry(store, 1, 1_600 * S)
    first = reader.next_batch()
    assert first is not None
    assert len(first.by_project["p"]) == 2
    reader.mark_handled(first)
    assert reader.position_ns == now[0]  # not 1,600
    _entry(store, 2, 995 * S)
    second = reader.next_batch()
    assert second is not None
    assert [one.version for one in second.by_project["p"]] == [995 * S]
    reader.mark_handled(second)
    assert reader.next_batch() is None
    now[0] = 1_700 * S
    assert reader.next_batch() is None


def test_a_merge_that_takes_rows_away_hides_none_that_come(store: Store) -> None:
    reader = ChangeReader(store, None, lambda: 2_000 * S)
    _entry(store, 0, 1_000 * S)
    _entry(store, 1, 1_000 * S)
    first = reader.next_batch()
    assert first is not None
    reader.mark_handled(first)
    store.execute(
        f"ALTER TABLE ledger DELETE WHERE entry_id = '{0:032x}' SETTINGS mutations_sync = 2"
    )
    _entry(store, 2, 1_000 * S)  # as many as before
    assert reader.next_batch() is None
    _entry(store, 3, 1_500 * S)  # what was handled is now old enough to be forgotten
    found: list[str] = []
    while batch := reader.next_batch():
        found += [one.entry_id for one in batch.by_project["p"]]
        reader.mark_handled(batch)
    assert sorted(found) == [f"{2:032x}", f"{3:032x}"]


def test_hashes_that_end_in_zeros_are_whole(caches: Caches, store: Store) -> None:
    rendered = some()
    caches.put(rendered)
    segments = [bytes(15) + b"\1", b"\1" + bytes(15)]
    told = ", ".join(f"unhex('{one.hex()}')" for one in segments)
    store.execute(
        f"INSERT INTO spans SELECT * REPLACE (version + 1 AS version, [{told}] AS input_messages)"
        " FROM spans FINAL WHERE role = 'llm'"
    )
    [row] = store.sql_rows(
        "SELECT toUnixTimestamp(toStartOfHour(start_time)) AS hour, trace_id, span_id"
        " FROM spans FINAL WHERE role = 'llm' LIMIT 1"
    )
    table = store.arrow(
        "cache_prompts",
        {
            "project": "p",
            "asked": asked(("hour", "trace_id", "span_id"), [tuple(row.values())]),
        },
    )
    assert list(hashes(table.column("segments")))[-1] == tuple(segments)


def test_more_calls_than_are_remembered_are_all_handled(caches: Caches, store: Store) -> None:
    rendered = some(user_id)
    caches.put(rendered)
    caches.derive()
    expected = caches.rows()
    rows = store.sql_rows(
        "SELECT toUnixTimestamp(toStartOfHour(time)) AS hour, trace_id, entry_id FROM ledger FINAL"
    )
    changed = [(int(str(r["hour"])), str(r["trace_id"]), str(r["entry_id"])) for r in rows]
    store.execute("TRUNCATE TABLE cache_calls SYNC")
    for version, part in enumerate(changed, 2 * 10**18):  # one by one: each bears on others
        Step(store, "p", BOOK, Memory(most_calls=1)).run([part], version)
    assert caches.rows() == expected


def _announce(store: Store) -> None:
    hour = T0_S // 3_600 * 3_600
    touch = pa.table(
        {
            "project": ["p"],
            "trace_id": [""],
            "hour": pa.array([hour], pa.uint32()),
            "flush_id": [f"{DELETED}1"],
            "spans": pa.array([0], pa.uint32()),
        }
    )
    store.insert("touches", touch, token="announced")


def _entry(store: Store, number: int, version: int) -> None:
    row = pa.table(
        {
            "project": ["p"],
            "entry_id": [f"{number:032x}"],
            "kind": ["llm"],
            "time": pa.array([T0_S * S], pa.timestamp("ns", "UTC")),
            "trace_id": ["t"],
            "version": pa.array([version], pa.uint64()),
        }
    )
    store.insert("ledger", row, token=f"entry-{number}")


def test_calls_after_a_deleted_one_are_compared_anew(caches: Caches, store: Store) -> None:
    rendered = some(user_id)
    caches.put(rendered)
    caches.derive()
    traces = list(dict.fromkeys(one.span.trace_id.hex() for one in rendered))
    middle = traces[1]
    later = next(one for one in rendered if one.span.trace_id.hex() == traces[2])
    assert by_span(caches)[span_id(later)]["previous_trace_id"] == middle
    store.execute(
        "CREATE TABLE deletion_targets (deletion String, what String, id String)"
        " ENGINE = MergeTree ORDER BY id"
    )
    store.execute(f"INSERT INTO deletion_targets VALUES ('d', 'trace', '{middle}')")
    for table in ("ledger", "cache_calls"):
        store.execute(
            f"ALTER TABLE {table} DELETE WHERE project = {{project:String}} AND"
            f" {CONDITIONS[table]} SETTINGS mutations_sync = 2",
            params={"project": "p", "deletion": "d"},
        )
    assert span_id(later) not in by_span(caches)
    _announce(store)
    caches.derive_caches()
    rows = caches.rows()
    assert by_span(caches)[span_id(later)]["previous_trace_id"] == traces[0]
    assert middle not in {row["previous_trace_id"] for row in rows.values()}
    assert caches.derive_caches() == 0


def test_announced_hours_come_again_until_they_were_handled(store: Store) -> None:
    announced = AnnouncedHours(store, None)
    _announce(store)
    first = announced.next_hours()
    assert first.by_project == {"p": {T0_S // 3_600 * 3_600}}
    assert announced.next_hours() == first  # the store hiccupped in between
    announced.mark_handled(first)
    assert announced.next_hours().by_project == {}


def test_a_late_call_does_not_derive_everything_since(
    caches: Caches, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *middle, last = growing("far", *SONNET, 5)
    day = 86_400.0
    turns = [replace(first, at_s=0), *(replace(t, at_s=day / 2 + t.at_s) for t in middle)]
    rendered = render(
        [Lane((*turns, replace(last, at_s=day)), "a")], "otel_genai", itertools.count(1)
    )
    caches.put(rendered[1:-1])
    caches.derive()
    steps: list[list[Any]] = []
    run = Step.run

    def noted(self: Step, changed: Any, version: int) -> Any:
        steps.append(list(changed))
        return run(self, changed, version)

    monkeypatch.setattr(Step, "run", noted)
    caches.put([rendered[0], rendered[-1]])
    caches.derive()
    assert [len(changed) for changed in steps] == [1, 1]
    rows = by_span(caches)
    assert rows[span_id(rendered[1])]["previous_span_id"] == span_id(rendered[0])
    assert rows[span_id(rendered[-1])]["previous_span_id"] == span_id(rendered[-2])


def test_a_new_price_changes_dollars_and_nothing_else(caches: Caches, store: Store) -> None:
    rendered = some()
    caches.put(rendered)
    caches.derive()
    before = caches.rows()
    halves = ", ".join(
        f"{column} / 2 AS {column}"
        for column in ("uncached_cost_usd", "cache_read_cost_usd", "cache_write_cost_usd")
    )
    changed = f"version + 1 AS version, 'other' AS price_id, {halves}"
    store.execute(f"INSERT INTO ledger SELECT * REPLACE ({changed}) FROM ledger FINAL")
    caches.derive_caches()
    money = {"full_cost_usd", "read_saving_usd", "write_extra_usd", "lost_usd"}
    factors = {"read_factor", "write_5m_factor", "write_1h_factor"}
    for key, row in caches.rows().items():
        known = before[key]
        assert {k: v for k, v in row.items() if k not in money | factors} == {
            k: v for k, v in known.items() if k not in money | factors
        }
        if row["full_cost_usd"] is not None:  # where plain input was paid, it tells the rate
            assert row["lost_usd"] == known["lost_usd"] / 2


@pytest.fixture
def state(state: sa.Engine) -> RetentionState:
    return RetentionState(state)


def test_rows_expire_with_the_ledger(caches: Caches, store: Store, state: RetentionState) -> None:
    caches.put(some())
    caches.derive()
    project = Project("p", ProjectSettings(retention=Retention(ledger_days=30)))
    now = [T0_S * S]
    job = RetentionJob(store, state, lambda: [project], lambda: now[0])
    for days, left in ((29, True), (32, False)):
        now[0] = (T0_S + days * 86_400) * S
        job.run_once()
        assert bool(caches.rows()) == left


def test_a_restarted_job_goes_on_where_it_was(caches: Caches, store: Store) -> None:
    rendered = some()
    caches.put(rendered[:2])
    caches.derive()
    position = caches.marks.get(CACHE)
    assert position
    again = Caches(store)
    again.marks.set(CACHE, position)
    again.cache = CacheJob(store, time.time_ns, again.marks, lambda: BOOK)
    again.put(rendered[2:])
    again.derive()
    causes = {row["cause"] for row in again.rows().values()}
    assert causes - set(WITHOUT_LOSS) == {"dynamic_text"}
