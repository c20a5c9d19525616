"""Trajectories across traces, from planted spans through the collector and the jobs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_analytics.context_growth import MAX_CALLS, theil_sen
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.price_book.book import PriceBook
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.signals import Signal
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store
from tests.analytics.planted_trajectories import (
    MINUTE,
    PlantedTrajectory,
    Planter,
    spans_of,
    truth,
)
from tests.marks import Marks
from tests.otlp import attributes, request
from tests.variants import first

BOOK = PriceBook.bundled()
_numbers = itertools.count(1)
_projects = itertools.count(1)


class Jobs:
    """A store with the ledger job, fed as the collector feeds it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.marks = Marks()
        self.restart()

    def restart(self) -> None:
        """Go on in another process."""
        self.job = LedgerJob(self.store, time.time_ns, self.marks, lambda: BOOK)

    def put(self, spans: list[Span], project: str = "p") -> None:
        if not spans:
            return
        now = time.time_ns()
        body = Body(project, request(*spans).SerializeToString(), now, Signal.TRACES)
        flush = f"trajectories-{next(_numbers)}"
        store_rows(self.store, decode_batch([body], flush, now), flush)

    def run(self) -> None:
        while not self.job.run_once().is_drained:
            pass

    def rows(self, project: str = "p") -> list[dict[str, Any]]:
        """The trajectories of a project, with what is compared of them."""
        rows = self.store.sql_rows(
            "SELECT *, toUnixTimestamp64Nano(start_time) AS start,"
            " toUnixTimestamp64Nano(end_time) AS end,"
            " arrayZip(lanes.agent_name, lanes.calls, lanes.first_prompt_tokens,"
            " lanes.last_prompt_tokens, lanes.max_prompt_tokens, lanes.tokens_per_call) AS lanes"
            " FROM trajectories FINAL WHERE project = {project:String} AND is_deleted = 0"
            " ORDER BY trajectory_id",
            {"project": project},
        )
        return [dict(row) for row in rows]

    def parts(self, project: str = "p") -> dict[str, str]:
        """By trace, the trajectory it is said to be part of."""
        rows = self.store.sql_rows(
            "SELECT trace_id, trajectory_id FROM trajectory_traces FINAL"
            " WHERE project = {project:String} AND is_deleted = 0",
            {"project": project},
        )
        return {str(row["trace_id"]): str(row["trajectory_id"]) for row in rows}

    def versions(self) -> list[object]:
        """What changes when anything is written; merges come at any time, and change nothing."""
        return [
            self.store.sql_rows(f"SELECT count() AS n, max(version) AS v FROM {table} FINAL")
            for table in ("traces", "trajectories", "trajectory_traces", "ledger")
        ]


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store)


def compare(jobs: Jobs, project: str, planted: list[PlantedTrajectory]) -> None:
    """Every figure of every trajectory is the planted one."""
    expected = {str(one["trajectory_id"]): one for one in map(truth, planted)}
    found = {str(row["trajectory_id"]): row for row in jobs.rows(project)}
    assert set(found) == set(expected)
    for trajectory_id, one in expected.items():
        row = found[trajectory_id]
        assert {name: row[name] for name in one} == one
    parts = {
        trace: str(one["trajectory_id"])
        for one in expected.values()
        for trace in one["trace_ids"]  # type: ignore[attr-defined]  # a list
        if one["traces"] != 1
    }
    assert jobs.parts(project) == parts
    [sums] = jobs.store.sql_rows(
        "SELECT (SELECT sum(total_cost_usd) FROM ledger_current WHERE project = {p:String}) AS l,"
        " (SELECT sum(total_cost_usd) FROM trajectories FINAL"
        " WHERE project = {p:String} AND is_deleted = 0) AS t",
        {"p": project},
    )
    assert sums["l"] == sums["t"]
    assert sums["l"] > 0  # type: ignore[operator]  # a Decimal


@settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
def test_planted_trajectories_come_out_whatever_the_order(store: Store, seed: int) -> None:
    planter, jobs = Planter(seed), Jobs(store)
    planted = [planter.trajectory() for _ in range(12)]
    project = f"planted-{next(_projects)}"
    spans = [span for one in planted for trace in one.traces for span in spans_of(trace)]
    doubled = [*spans, *planter.random.sample(spans, len(spans) // 4)]
    planter.random.shuffle(doubled)
    for part in in_parts(doubled, 4, planter.random):
        jobs.put(part, project)
        if planter.random.random() < 0.5:
            jobs.restart()
        jobs.run()
    compare(jobs, project, planted)
    before = jobs.versions()
    jobs.put(spans[: len(spans) // 2], project)
    jobs.run()
    assert jobs.versions() == before  # what is known already changes nothing


def in_parts(spans: list[Span], count: int, random: Random) -> Iterator[list[Span]]:
    cuts = sorted(random.randrange(len(spans)) for _ in range(count - 1))
    for start, end in zip([0, *cuts], [*cuts, len(spans)], strict=True):
        yield spans[start:end]


def trace_of(number: int, at: int = 0, **said: Any) -> list[Span]:
    """A trace of one call; ``at`` in minutes."""
    planter = Planter(number)
    made = planter.trace(at, {key.replace("__", "."): value for key, value in said.items()})
    made.trace_id = bytes.fromhex(f"{number:032x}")
    return spans_of(made)


def name(number: int) -> str:
    return f"{number:032x}"


def test_two_projects_with_the_same_ids_stay_apart(jobs: Jobs) -> None:
    for project, numbers in (("p", (1, 2)), ("q", (2, 3))):
        for number in numbers:
            jobs.put(trace_of(number, number * 60, gen_ai__conversation__id="c"), project)
    jobs.run()
    assert [row["trace_ids"] for row in jobs.rows("p")] == [[name(1), name(2)]]
    assert [row["trace_ids"] for row in jobs.rows("q")] == [[name(2), name(3)]]


def test_a_trace_that_began_earlier_and_comes_later_gives_its_id(jobs: Jobs) -> None:
    jobs.put(trace_of(2, 5_000, gen_ai__conversation__id="c"))
    jobs.put(trace_of(3, 6_000, gen_ai__conversation__id="c"))
    jobs.run()
    assert [row["trajectory_id"] for row in jobs.rows()] == [name(2)]
    jobs.put(trace_of(1, 0, gen_ai__conversation__id="c"))
    jobs.run()
    assert [row["trajectory_id"] for row in jobs.rows()] == [name(1)]
    assert jobs.parts() == {name(n): name(1) for n in (1, 2, 3)}


def test_the_id_is_known_before_the_first_trace_arrives(jobs: Jobs) -> None:
    jobs.put(trace_of(2, 100, spanledger__trajectory__id=name(1)))
    jobs.run()
    assert [row["trajectory_id"] for row in jobs.rows()] == [name(1)]
    assert jobs.parts() == {name(2): name(1)}
    jobs.put(trace_of(1))
    jobs.run()
    [row] = jobs.rows()
    assert (row["trajectory_id"], row["trace_ids"]) == (name(1), [name(1), name(2)])


def test_a_late_trace_joins_two_trajectories(jobs: Jobs) -> None:
    jobs.put(trace_of(1, 0, gen_ai__conversation__id="a"))
    jobs.put(trace_of(2, 60, gen_ai__conversation__id="a"))
    jobs.put(trace_of(3, 120, gen_ai__conversation__id="b"))
    jobs.put(trace_of(4, 180, gen_ai__conversation__id="b"))
    jobs.run()
    assert len(jobs.rows()) == 2
    both = trace_of(5, 240, gen_ai__conversation__id="a")
    both[0].links.add(trace_id=bytes.fromhex(name(3)), span_id=b"\1" * 8)
    jobs.put(both)
    jobs.run()
    [row] = jobs.rows()
    assert row["trace_ids"] == [name(n) for n in (1, 2, 3, 4, 5)]


def test_links_to_no_trace_tie_nothing(jobs: Jobs) -> None:
    """OpenTelemetry: links whose ids are zeros are recorded when they have attributes."""
    for number in (1, 2):
        alone = trace_of(number)
        alone[0].links.add(trace_id=bytes(16), span_id=bytes(8))
        jobs.put(alone)
    jobs.run()
    assert [row["trace_ids"] for row in jobs.rows()] == [[name(1)], [name(2)]]
    assert [row["linked_traces"] for row in jobs.store.sql_rows(
        "SELECT linked_traces FROM traces FINAL WHERE project = 'p'")] == [[], []]  # fmt: skip


def test_a_link_to_a_trace_that_arrives_later_ties(jobs: Jobs) -> None:
    later = trace_of(2, 60)
    later[0].links.add(trace_id=bytes.fromhex(name(1)), span_id=b"\1" * 8)
    jobs.put(later)
    jobs.run()
    assert [row["trajectory_id"] for row in jobs.rows()] == [name(2)]
    jobs.put(trace_of(1))
    jobs.run()
    assert [row["trace_ids"] for row in jobs.rows()] == [[name(1), name(2)]]


def test_an_id_that_too_many_traces_carry_ties_nothing(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_analytics.trajectory_groups.MAX_TRACES_OF_KEY", 3)
    monkeypatch.setattr("spanledger_analytics.trajectory_step.MAX_TRACES_OF_KEY", 3)
    for number in (1, 2, 3):
        jobs.put(trace_of(number, number * 60, gen_ai__conversation__id="test"))
    tied = trace_of(4, 300)
    tied[0].links.add(trace_id=bytes.fromhex(name(2)), span_id=b"\1" * 8)
    jobs.put(tied)
    jobs.run()
    assert [row["trace_ids"] for row in jobs.rows()] == [[name(n) for n in (1, 2, 3, 4)]]
    jobs.put(trace_of(5, 400, gen_ai__conversation__id="test"))
    jobs.run()
    alone = [[name(1)], [name(2), name(4)], [name(3)], [name(5)]]
    assert [row["trace_ids"] for row in jobs.rows()] == alone
    assert jobs.parts() == {name(2): name(2), name(4): name(2)}
    jobs.put(trace_of(6, 500, gen_ai__conversation__id="test"))
    jobs.run()
    assert [row["trace_ids"] for row in jobs.rows()] == [*alone, [name(6)]]


def test_a_trace_that_too_many_name_keeps_its_own_row(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_analytics.trajectory_groups.MAX_TRACES_OF_KEY", 3)
    monkeypatch.setattr("spanledger_analytics.trajectory_step.MAX_TRACES_OF_KEY", 3)
    jobs.put(trace_of(1, 0))
    for number in range(2, 7):
        jobs.put(trace_of(number, number, spanledger__trajectory__id=name(1)))
    jobs.run()
    alone = [[name(number)] for number in range(1, 7)]
    assert [row["trace_ids"] for row in jobs.rows()] == alone
    jobs.put(trace_of(6, 6, spanledger__trajectory__id=name(1)))
    jobs.run()
    assert [row["trace_ids"] for row in jobs.rows()] == alone
    jobs.put(trace_of(7, 7, spanledger__trajectory__id=name(1)))
    jobs.run()
    holders = jobs.store.sql_rows("SELECT uniqExact(trace_id) AS n FROM trajectory_keys")
    assert holders == [{"n": 5}]  # of what ties nothing no more are noted


def test_a_trajectory_does_not_grow_without_bound(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_analytics.trajectory_groups.MAX_TRACES", 3)
    for number in range(1, 8):
        spans = trace_of(number, number * 60)
        if number > 1:
            spans[0].links.add(trace_id=bytes.fromhex(name(number - 1)), span_id=b"\1" * 8)
        jobs.put(spans)
        jobs.run()
    rows = jobs.rows()
    assert sorted(trace for row in rows for trace in row["trace_ids"]) == [
        name(n) for n in range(1, 8)
    ]
    assert max(len(row["trace_ids"]) for row in rows) == 3


@pytest.mark.parametrize(
    "table", first(["traces", "trajectories", "trajectory_traces", "trajectory_keys"], 2)
)
@pytest.mark.parametrize("is_written", first([True, False]))
def test_a_step_that_ends_halfway_is_made_good_by_the_next(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, table: str, is_written: bool
) -> None:
    for number in (1, 2, 3, 4):
        jobs.put(trace_of(number, number * 60, gen_ai__conversation__id="ab"[number > 2]))
    jobs.run()
    both = trace_of(5, 10, gen_ai__conversation__id="a")
    both[0].links.add(trace_id=bytes.fromhex(name(3)), span_id=b"\1" * 8)
    jobs.put(both)
    insert = jobs.store.insert

    def fail(into: str, rows: Any, *, token: str) -> None:
        if into == table:
            if is_written:
                insert(into, rows, token=token)
            raise StoreError("unanswered", permanent=False)
        insert(into, rows, token=token)

    monkeypatch.setattr(jobs.store, "insert", fail)
    with pytest.raises(StoreError):
        jobs.run()
    monkeypatch.setattr(jobs.store, "insert", insert)
    jobs.restart()
    jobs.run()
    [row] = jobs.rows()
    assert row["trajectory_id"] == name(5)
    assert row["trace_ids"] == [name(n) for n in (5, 1, 2, 3, 4)]
    assert jobs.parts() == {name(n): name(5) for n in range(1, 6)}


def test_dimensions_and_the_last_outcome_are_the_trajectorys(jobs: Jobs) -> None:
    team = {"spanledger__dimension__team": "search"}
    jobs.put(
        trace_of(1, 0, gen_ai__conversation__id="c", spanledger__task__outcome="failed", **team)
    )
    jobs.put(
        trace_of(2, 60, gen_ai__conversation__id="c", spanledger__task__outcome="completed",
                 spanledger__task__score=0.5, spanledger__dimension__customer="acme")
    )  # fmt: skip
    jobs.run()
    [row] = jobs.rows()
    assert (row["outcome"], row["score"]) == ("completed", 0.5)
    assert row["dimensions"] == {"customer": "acme", "team": "search"}


def test_a_signal_that_a_workflow_waited_for_is_no_idle_time(jobs: Jobs) -> None:
    spans = trace_of(1, 0, temporalWorkflowID="w")
    last = max(span.end_time_unix_nano for span in spans)
    signal = Span(
        trace_id=spans[0].trace_id,
        span_id=b"\7" * 8,
        parent_span_id=spans[0].span_id,
        name="HandleSignal:proceed",
        start_time_unix_nano=last + 100 * MINUTE,
        end_time_unix_nano=last + 101 * MINUTE,
        attributes=attributes({"temporalWorkflowID": "w"}),
    )
    jobs.put([*spans, signal])
    jobs.run()
    [row] = jobs.rows()
    assert (row["waiting_ns"] - row["waiting_human_ns"], row["idle_ns"]) == (100 * MINUTE, 0)


def test_the_slope_of_a_long_lane_is_that_of_its_growth() -> None:
    assert theil_sen([5]) == 0
    assert theil_sen([1, 2, 3, 100]) == 17
    assert theil_sen([10 * n for n in range(40)]) == 10
    assert theil_sen(
        [3 * n + (n % 7 == 0) * 10_000 for n in range(10 * MAX_CALLS)]
    ) == pytest.approx(3)
