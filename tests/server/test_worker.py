"""The worker's jobs, and when they do not run."""

import logging
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from threading import Event
from typing import Self

import pytest
from apscheduler.schedulers import base
from apscheduler.triggers import interval

from spanledger_server import scheduler
from spanledger_server import worker as worker_module
from spanledger_server.jobs import Job
from spanledger_server.worker import Worker
from spanledger_storage import migrations
from spanledger_storage.state import Watermarks, migrate_state, open_state
from spanledger_storage.store import Store, StoreSettings
from tests.instance import wait_until
from tests.ports import free_port


def test_jobs_wait_for_the_schema_of_this_version(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    known = migrations.all_migrations()
    later = migrations.Migration(
        len(known) + 1, "9999_create_t", "CREATE TABLE t (n Int8) ENGINE = Memory"
    )
    monkeypatch.setattr(migrations, "all_migrations", lambda: [*known, later])
    ran = list[int]()
    job = Job("count", 1, lambda _: lambda: ran.append(1))
    worker = Worker(store.settings, state, "test", [job])
    with caplog.at_level(logging.WARNING):
        worker.tick(job)
    assert ran == []
    assert "lacks 1 migrations; run `spanledger migrate`" in caplog.text
    migrations.migrate(store)
    worker.tick(job)
    assert len(ran) == 1
    state.dispose()


def test_a_job_at_fault_is_told_once_and_tried_again(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    ran = list[int]()

    def run() -> None:
        ran.append(1)
        if len(ran) != 3:
            raise KeyError(len(ran))

    job = Job("odd", 1, lambda _: run)
    worker = Worker(store.settings, state, "test", [job])
    told = list[int]()
    for _ in range(5):
        worker.tick(job)
        told.append(len(caplog.records))
    assert told == [1, 1, 1, 2, 2]
    assert "job odd failed" in caplog.text
    assert "KeyError: 1" in caplog.text
    state.dispose()


def test_a_state_database_that_is_away_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = open_state(f"postgresql+psycopg://u:hunter2@127.0.0.1:{free_port()}/x")
    worker = Worker(StoreSettings.from_url("clickhouse://127.0.0.1:1/x"), state, "test", [])
    worker.start()
    try:
        wait_until(lambda: caplog.records)
        worker._beat()
    finally:
        worker.stop()
    [told] = caplog.records
    assert "the state database failed" in told.message
    assert "hunter2" not in told.message
    assert told.exc_info is None


def test_a_state_database_that_cannot_be_written_is_said_once_and_waited_for(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    job = Job("count", 1, lambda _: lambda: Watermarks(state).set("count", 1), rests=0)
    worker = Worker(store.settings, state, "test", [])
    with caplog.at_level(logging.WARNING):
        worker.start()
        for _ in range(2):
            worker.tick(job)
        worker.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "sign of life: the state database failed: no such table: heartbeats",
        "job count: the state database failed: no such table: alert_leases",
    ]
    migrate_state(state)
    worker.tick(job)
    assert Watermarks(state).get("count") == 1
    state.dispose()


def test_jobs_go_on_when_the_clock_is_set_back(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    set_back = Event()
    ran_before, ran_after = Event(), Event()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            moment = super().now(tz)
            return moment - timedelta(hours=1) if set_back.is_set() else moment

    for module in (base, interval, worker_module, scheduler):
        if hasattr(module, "datetime"):
            monkeypatch.setattr(module, "datetime", Clock)

    def run() -> None:
        (ran_after if set_back.is_set() else ran_before).set()

    worker = Worker(store.settings, state, "test", [Job("count", 0.1, lambda _: run)])
    worker.start()
    try:
        assert ran_before.wait(30)
        set_back.set()
        assert ran_after.wait(30)
    finally:
        worker.stop()
        state.dispose()


def test_a_job_rests_in_proportion_to_what_it_took(store: Store, tmp_path: Path) -> None:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    ran = list[float]()
    seconds = iter([0.2, 0.0])

    def run() -> None:
        time.sleep(next(seconds))
        ran.append(time.monotonic())

    job = Job("slow", 1, lambda _: run, rests=2)
    worker = Worker(store.settings, state, "test", [job])
    worker.tick(job)
    while len(ran) == 1:
        worker.tick(job)
    assert ran[1] - ran[0] >= 0.4
    state.dispose()


def test_a_job_that_gathers_waits_for_its_own_work_alone_and_never_long() -> None:
    job = Job("gathers", 1, lambda _: lambda: None, gathers=4)
    busy = (0.1, 0.25, 60)
    assert [job.rest_s(90, one) for one in busy] == [pytest.approx(0.4), 1, 5]
    assert Job("free", 1, lambda _: lambda: None).rest_s(60, 60) == 0
    assert Job("slow", 1, lambda _: lambda: None, rests=2).rest_s(60, 1) == 120
