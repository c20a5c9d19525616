"""From the spool into the store when things go wrong."""

import time
from pathlib import Path

import pytest

from spanledger_collector.errors import Unavailable
from spanledger_collector.flush import Flusher
from spanledger_collector.signals import Signal
from spanledger_collector.spool import Batch, Spool
from spanledger_collector.store_process import (
    StoreJob,
    StoreOutcome,
    StoreProcess,
    StoreProcessDied,
)
from spanledger_storage.store import Store, StoreSettings
from tests.instance import wait_until
from tests.otlp import request, span
from tests.signals import counter, logs, metrics, record


def spooled(directory: Path, *bodies: bytes) -> Spool:
    spool = Spool(directory / "spool.db", max_bytes=1 << 30)
    for body in bodies:
        spool.append("default", body, 1, time.time_ns()).result(5)
    return spool


def stored(store: Store) -> list[object]:
    return [row["name"] for row in store.sql_rows("SELECT name FROM spans FINAL ORDER BY name")]


def drain(spool: Spool, settings: StoreSettings) -> None:
    flusher = Flusher(spool, settings)
    flusher.start()
    wait_until(lambda: spool.depth().requests == 0)
    flusher.stop()


def good(name: str) -> bytes:
    return request(span(name)).SerializeToString()


def test_one_request_that_cannot_be_decoded_does_not_take_others_with_it(
    tmp_path: Path, store: Store
) -> None:
    spool = spooled(tmp_path, good("a"), b"\xff\xff\xff", good("b"), good("c"))
    drain(spool, store.settings)
    assert stored(store) == ["a", "b", "c"]
    assert spool.depth().dead_letters == 1
    spool.close()


def test_signals_that_come_together_are_stored_in_their_tables_under_their_project(
    tmp_path: Path, store: Store
) -> None:
    spool = Spool(tmp_path / "spool.db", max_bytes=1 << 30)
    bodies = {
        Signal.TRACES: good("a"),
        Signal.LOGS: logs(record("e", "hi", time_ns=time.time_ns())).SerializeToString(),
        Signal.METRICS: metrics(counter("m", 1, 1, time.time_ns(), {})).SerializeToString(),
    }
    for signal, body in bodies.items():
        spool.append("mine", body, 1, time.time_ns(), signal).result(5)
    spool.append("mine", b"\xff\xff", 1, time.time_ns(), Signal.METRICS).result(5)
    drain(spool, store.settings)
    for table in ("spans", "logs", "metric_points"):
        assert store.sql_rows(f"SELECT project FROM {table}") == [{"project": "mine"}]
    assert spool.depth().dead_letters == 1
    spool.close()


def test_days_all_over_the_calendar_are_stored(tmp_path: Path, store: Store) -> None:
    day_ns = 86_400 * 10**9
    spans = [span(f"day {n}", start_ns=1 + n * 7 * day_ns) for n in range(1_200)]
    spool = spooled(tmp_path, request(*spans).SerializeToString())
    drain(spool, store.settings)
    assert len(stored(store)) == 1_200
    spool.close()


def test_a_store_that_comes_back_gets_everything_once(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [StoreOutcome("down", permanent=False), StoreOutcome("still down", permanent=False)]
    real_run = StoreProcess.run

    def run(self: StoreProcess, job: StoreJob) -> StoreOutcome:
        return answers.pop() if answers else real_run(self, job)

    monkeypatch.setattr(StoreProcess, "run", run)
    spool = spooled(tmp_path, good("a"), good("b"))
    drain(spool, store.settings)
    assert stored(store) == ["a", "b"]
    spool.close()


def test_a_batch_whose_end_could_not_be_noted_comes_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_finish, refusals = Spool.finish, [1]

    def finish(self: Spool, batch: Batch) -> None:
        if refusals:
            refusals.pop()
            raise Unavailable("disk full")
        real_finish(self, batch)

    monkeypatch.setattr(Spool, "finish", finish)
    monkeypatch.setattr("spanledger_collector.flush._BACKOFF_S", (0.01,))
    spool = spooled(tmp_path, good("a"))
    drain(spool, store.settings)
    assert store.sql_rows("SELECT count() AS n FROM spans") == [{"n": 1}]
    spool.close()


def test_a_request_that_kills_its_process_is_set_aside(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_run = StoreProcess.run

    def run(self: StoreProcess, job: StoreJob) -> StoreOutcome:
        if any(b"deadly" in body.payload for body in job.bodies):
            self.close(0)
            raise StoreProcessDied("it ended")
        return real_run(self, job)

    monkeypatch.setattr(StoreProcess, "run", run)
    monkeypatch.setattr("spanledger_collector.flush._BACKOFF_S", (0.01,))
    spool = spooled(tmp_path, good("a"), good("deadly"))
    drain(spool, store.settings)
    assert stored(store) == ["a"]
    assert spool.depth().dead_letters == 1
    spool.close()
