"""The spans of a trace as rows of its tree, read by its id in one statement."""

from __future__ import annotations

from spanledger_dashboard.trace.tree import load_tree
from spanledger_storage.statements import load
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder
from tests.dashboard.trace_rows import S, span_id

TRACE, OTHER = "ab" * 16, "cd" * 16
A, B, C = (span_id(n) for n in (1, 2, 3))
DAY_S = 86_400


def test_a_trace_over_hours_and_days_is_whole_and_by_start(store: Store, seed: Seeder) -> None:
    seed.span(TRACE, A, at_s=-60)
    seed.span(TRACE, B, at_s=-7_260)
    seed.span(TRACE, C, at_s=-DAY_S - 60)
    seed.insert()
    assert load_tree(store, "default", TRACE)["span_id"].to_pylist() == [C, B, A]


def test_spans_that_start_together_are_in_order_of_their_ids(store: Store, seed: Seeder) -> None:
    for one in (C, A, B):
        seed.span(TRACE, one)
    seed.insert()
    assert load_tree(store, "default", TRACE)["span_id"].to_pylist() == [A, B, C]


def test_the_same_trace_id_in_two_projects_is_two_trees(store: Store, seed: Seeder) -> None:
    for project, one in (("alpha", A), ("beta", B)):
        seed.span(TRACE, one, project=project)
    seed.insert()
    found = {p: load_tree(store, p, TRACE)["span_id"].to_pylist() for p in ("alpha", "beta")}
    assert found == {"alpha": [A], "beta": [B]}


def test_a_span_that_was_sent_again_is_there_once(store: Store, seed: Seeder) -> None:
    for name in ("first", "again"):
        seed.span(TRACE, A, name=name)
        seed.insert()
    assert load_tree(store, "default", TRACE)["name"].to_pylist() == ["again"]


def test_what_a_row_shows_is_made_of_what_is_stored(store: Store, seed: Seeder) -> None:
    first = seed.span(TRACE, A, request_model="asked", response_model="answered", duration_s=2)
    seed.span(TRACE, B, request_model="asked", at_s=-59, duration_s=-3)
    seed.span(TRACE, C, at_s=-58, kind="log")
    seed.insert()
    rows = load_tree(store, "default", TRACE)
    assert rows["start_ns"][0].as_py() == first["start_time"]
    assert rows["duration_ns"].to_pylist() == [2 * S, 0, S]
    assert rows["model"].to_pylist() == ["answered", "asked", ""]
    assert rows["is_log"].to_pylist() == [0, 0, 1]


def test_a_trace_that_never_arrived_has_no_rows(store: Store, seed: Seeder) -> None:
    seed.span(OTHER, A)
    seed.insert()
    rows = load_tree(store, "default", TRACE)
    assert rows.num_rows == 0
    assert {"start_ns", "duration_ns", "model", "is_log"} < set(rows.column_names)


def test_only_the_partitions_of_its_hours_are_read(store: Store, seed: Seeder) -> None:
    seed.span(TRACE, A)
    for days in (1, 2):
        seed.span(OTHER, A, at_s=-60 - days * DAY_S)
    seed.insert()
    asked = {"project": "default", "trace_id": TRACE}
    plan = store.raw("EXPLAIN indexes = 1\n" + load("dashboard_trace_tree"), "TSVRaw", asked)
    assert "Parts: 1/3" in plan.decode()
