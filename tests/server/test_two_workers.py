"""Several workers on one store and one state database: one runs the jobs."""

import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.signals import Signal
from spanledger_collector.store.store_process import store_rows
from spanledger_server import jobs_lease
from spanledger_server.jobs import JOBS, Job, Means
from spanledger_server.worker import Worker
from spanledger_storage.alert_state import AlertState
from spanledger_storage.store import Store
from tests.otlp import llm_span, request

LEDGER, USAGE = (job for job in JOBS if job.name in ("ledger", "usage"))
S = 10**9


def test_of_two_workers_one_runs_the_jobs_until_it_ends(
    store: Store, state: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_lease, "_RENEWED_EVERY_S", 0)
    ran = list[str]()
    # The schedulers' own first run is far away: what runs here is what the test ticks.
    job = Job("count", 0, lambda _: lambda: ran.append("run"), first_after_s=3_600)
    one, other = (Worker(store.settings, state, name, [job]) for name in ("one", "other"))
    one.start()
    other.start()
    one.tick(job)
    before = len(ran)
    other.tick(job)
    assert len(ran) == before
    one.stop()
    other.tick(job)
    assert len(ran) == before + 1
    other.stop()


def test_a_worker_that_was_stopped_in_a_job_writes_nothing_after_another_took_over(
    store: Store,
    state: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(jobs_lease, "_RENEWED_EVERY_S", 0)
    store.execute("CREATE TABLE said (n Int8) ENGINE = Memory")
    made = list[Means]()

    def make(means: Means) -> Callable[[], None]:
        made.append(means)
        jobs_store = means.store()

        def run() -> None:
            if len(made) == 1:  # stopped here for longer than a lease lasts
                later_ns = time.time_ns() + 60 * S
                lease = AlertState(state).acquire("jobs", "other", later_ns, -60 * S)
                assert lease
            jobs_store.execute("INSERT INTO said VALUES (1)")

        return run

    job = Job("said", 0, make)
    worker = Worker(store.settings, state, "one", [job])
    worker.tick(job)
    assert store.sql_rows("SELECT count() AS n FROM said") == [{"n": 0}]
    assert "job said: another worker runs the jobs" in caplog.text
    worker.tick(job)
    assert len(made) == 2  # what it remembers is not what the other one left
    assert store.sql_rows("SELECT count() AS n FROM said") == [{"n": 1}]


def test_what_a_dead_worker_counted_is_summed(
    store: Store, state: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_lease, "_RENEWED_EVERY_S", 0)
    monkeypatch.setattr(jobs_lease, "_LASTS_NS", 0)  # whoever is silent is taken for dead
    monkeypatch.setattr(Job, "rest_s", lambda *_: 0.0)

    def worker(name: str) -> Worker:
        return Worker(store.settings, state, name, [LEDGER, USAGE])

    first, second = worker("first"), worker("second")
    _call(store, hours_ago=1)
    for one in (second, first):
        one.tick(LEDGER)
        one.tick(USAGE)
    _call(store, hours_ago=3)
    first.tick(LEDGER)  # and is killed
    second.tick(LEDGER)
    _call(store, hours_ago=2)
    second.tick(LEDGER)
    second.tick(USAGE)
    again = worker("again")
    again.tick(LEDGER)
    again.tick(USAGE)
    [ledger] = store.sql_rows("SELECT sum(total_cost_usd) AS usd FROM ledger_current")
    [usage] = store.sql_rows(
        "SELECT sum(total_cost_usd) AS usd FROM usage_hourly FINAL WHERE is_deleted = 0"
    )
    assert usage == ledger


def _call(store: Store, hours_ago: int) -> None:
    now_ns = time.time_ns()
    body = request(llm_span("gpt-4o", start_ns=now_ns - hours_ago * 3_600 * S)).SerializeToString()
    flush = f"flush-{hours_ago}"
    rows = decode_batch([Body("default", body, now_ns, Signal.TRACES)], flush, now_ns)
    store_rows(store, rows, flush)
