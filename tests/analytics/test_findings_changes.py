"""Which traces are looked at again: each newest version once, whatever the clocks say."""

from __future__ import annotations

from spanledger_analytics.findings.changes import ChangedTrace, ChangeReader, TraceBatch, parts
from spanledger_storage.store import Store

S = 10**9
NOW = 1_790_000_000 * S


def write(store: Store, trace_id: str, version: int, spans: int = 1, project: str = "p") -> None:
    store.execute(
        "INSERT INTO traces (project, trace_id, start_time, end_time, span_count, llm_calls,"
        f" tool_calls, version) VALUES ('{project}', '{trace_id}', {NOW // S}, {NOW // S},"
        f" {spans}, 2, 3, {version})"
    )


def changed(trace_id: str, spans: int) -> ChangedTrace:
    return ChangedTrace(trace_id, spans, 5, start_ns=NOW)


def take(reader: ChangeReader) -> dict[str, list[ChangedTrace]]:
    batch = reader.next_batch()
    if batch is None:
        return {}
    reader.mark_handled(batch)
    return batch.by_project


def test_each_trace_comes_once_until_it_changes(store: Store) -> None:
    reader = ChangeReader(store, 0, lambda: NOW)
    write(store, "a", NOW - 9 * S, spans=4)
    write(store, "a", NOW - 8 * S, spans=7)
    write(store, "b", NOW - 7 * S, project="q")
    assert take(reader) == {"p": [changed("a", 7)], "q": [changed("b", 1)]}
    assert take(reader) == {}
    write(store, "a", NOW - 6 * S, spans=9)
    assert take(reader) == {"p": [changed("a", 9)]}


def test_versions_ahead_of_the_clock_hide_none_behind_them(store: Store) -> None:
    reader = ChangeReader(store, NOW - 60 * S, lambda: NOW)
    write(store, "repriced", NOW + 3_600 * S)
    assert set(take(reader)) == {"p"}
    assert reader.position_ns == NOW
    write(store, "live", NOW + S)
    [found] = take(reader)["p"]
    assert found.trace_id == "live"


def test_a_row_that_is_seen_late_is_not_missed(store: Store) -> None:
    reader = ChangeReader(store, NOW - 600 * S, lambda: NOW)
    write(store, "a", NOW - S)
    take(reader)
    write(store, "b", NOW - 100 * S)  # written earlier, visible only now
    [found] = take(reader)["p"]
    assert found.trace_id == "b"


def test_the_first_start_looks_back_a_day_and_a_restart_goes_on(store: Store) -> None:
    write(store, "old", NOW - 90_000 * S)
    write(store, "new", NOW - 80_000 * S)
    first = ChangeReader(store, None, lambda: NOW)
    assert [one.trace_id for one in take(first)["p"]] == ["new"]
    write(store, "later", NOW - 70_000 * S)
    again = ChangeReader(store, first.position_ns, lambda: NOW)
    assert {one.trace_id for one in take(again)["p"]} == {"new", "later"}


def test_a_batch_that_was_not_handled_comes_again(store: Store) -> None:
    reader = ChangeReader(store, 0, lambda: NOW)
    write(store, "a", NOW)
    assert isinstance(reader.next_batch(), TraceBatch)
    assert set(take(reader)) == {"p"}


def test_parts_are_bounded_and_leave_nothing_out() -> None:
    traces = [ChangedTrace(str(n), spans, 2) for n, spans in enumerate((3, 4, 90, 1, 1, 1, 1))]
    found = list(parts(traces, most_traces=3, most_spans=10))
    assert [[one.spans for one in part] for part in found] == [[3, 4], [90], [1, 1, 1], [1]]
    assert [one for part in found for one in part] == traces
