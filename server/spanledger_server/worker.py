"""The worker: jobs on a schedule, each idempotent, none overlapping itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import sqlalchemy as sa
from apscheduler.schedulers.background import BackgroundScheduler

from spanledger_analytics.budgets.job import BudgetJob
from spanledger_analytics.cache.job import CacheJob
from spanledger_analytics.data_quality.job import QualityJob
from spanledger_analytics.gpu_cost.floors import cost_floors
from spanledger_analytics.gpu_cost.job import GpuCostJob
from spanledger_analytics.infra.job import InfraJob
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.price_book.book import BookSource
from spanledger_analytics.price_book.store import load_overrides, overrides_revision
from spanledger_analytics.retention.expiry import RetentionJob, metric_floors
from spanledger_storage import migrations
from spanledger_storage.errors import MigrationError, StateError, StoreError
from spanledger_storage.gpu_price_state import GpuPrices
from spanledger_storage.price_state import PriceState
from spanledger_storage.projects import Projects
from spanledger_storage.retention_state import RetentionState
from spanledger_storage.state import Heartbeats, Watermarks
from spanledger_storage.store import Store, StoreSettings

log = logging.getLogger(__name__)

_LEDGER_EVERY_S = 0.5
_USAGE_EVERY_S = 3
_USAGE_RESTS = 4  # times as long as it ran
_CACHE_EVERY_S = 5
_HEARTBEAT_EVERY_S = 2
_BUDGETS_EVERY_S = 2
_GPU_COST_EVERY_S = 20
_INFRA_EVERY_S = 60
_QUALITY_EVERY_S = 300
_FIRST_QUALITY_AFTER_S = 20
_RETENTION_EVERY_S = 3_600
_FIRST_RETENTION_AFTER_S = 60


class Worker:
    """Runs the jobs of one process."""

    def __init__(self, settings: StoreSettings, state: sa.Engine, instance: str) -> None:
        self._settings = settings
        self._watermarks = Watermarks(state)
        self._books = BookSource(partial(load_overrides, state), partial(overrides_revision, state))
        self._projects = Projects(state)
        self._retention = RetentionState(state)
        self._heartbeats = Heartbeats(state)
        self._instance = instance
        self._job: LedgerJob | None = None
        self._state = state
        self._budgets: BudgetJob | None = None
        self._gpu_cost: GpuCostJob | None = None
        self._infra: InfraJob | None = None
        self._cache: CacheJob | None = None
        self._usage_due = 0.0
        self._trouble: dict[str, str] = {}
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1}
        )

    def start(self) -> None:
        """Begin; returns at once."""
        self._add("ledger", _LEDGER_EVERY_S, lambda job: job.run_once())
        self._add("usage", _USAGE_EVERY_S, self._sum_usage)
        self._scheduler.add_job(
            self._guard,
            "interval",
            ("quality", lambda _: self._look_at_quality()),
            seconds=_QUALITY_EVERY_S,
            next_run_time=datetime.now(UTC) + timedelta(seconds=_FIRST_QUALITY_AFTER_S),
            misfire_grace_time=None,
        )
        self._scheduler.add_job(
            self._guard,
            "interval",
            ("retention", lambda _: self._remove_expired()),
            seconds=_RETENTION_EVERY_S,
            next_run_time=datetime.now(UTC) + timedelta(seconds=_FIRST_RETENTION_AFTER_S),
            misfire_grace_time=None,
        )
        self._scheduler.add_job(
            self._guard,
            "interval",
            ("budgets", lambda _: self._reckon_budgets()),
            seconds=_BUDGETS_EVERY_S,
            misfire_grace_time=None,
        )
        self._add("cache", _CACHE_EVERY_S, lambda _: self._look_at_caches())
        self._add("gpu costs", _GPU_COST_EVERY_S, lambda _: self._attribute_gpus())
        self._add("infrastructure", _INFRA_EVERY_S, lambda _: self._share_infrastructure())
        self._scheduler.add_job(self._beat, "interval", seconds=_HEARTBEAT_EVERY_S)
        self._scheduler.start()
        self._beat()

    def stop(self) -> None:
        """Let running jobs end; what they did not do, the next start does."""
        self._scheduler.shutdown(wait=True)

    def _add(self, name: str, every_s: float, run: Callable[[LedgerJob], object]) -> None:
        self._scheduler.add_job(
            self._guard, "interval", (name, run), seconds=every_s, misfire_grace_time=None
        )

    def _guard(self, name: str, run: Callable[[LedgerJob], object]) -> None:
        """Run a job; a failing store is said once and tried again at the next tick."""
        try:
            if self._job is None:
                store = Store.connect(self._settings)
                _demand_schema(store)
                self._job = LedgerJob(
                    store,
                    time.time_ns,
                    self._watermarks,
                    self._books,
                    metric_floors=partial(metric_floors, self._retention),
                )
            run(self._job)
        except (MigrationError, StateError, StoreError) as error:
            if self._trouble.get(name) != str(error):
                log.warning("job %s: %s", name, error)
            self._trouble[name] = str(error)
        else:
            self._trouble.pop(name, None)

    def _sum_usage(self, job: LedgerJob) -> None:
        """Sum hours anew that changed; an hour of millions of calls is summed less often.

        An hour is summed whole, so its cost grows while it lasts; resting in proportion keeps the
        share of time that summing takes.
        """
        started = time.monotonic()
        if started < self._usage_due:
            return
        job.run_usage_once()
        ended = time.monotonic()
        self._usage_due = ended + _USAGE_RESTS * (ended - started)

    def _look_at_quality(self) -> None:
        """Look at the last day; a connection of its own, because a large day takes seconds."""
        store = Store.connect(self._settings)
        try:
            QualityJob(store, time.time_ns).run_once()
        finally:
            store.close()

    def _remove_expired(self) -> None:
        """Remove what is past its days; a connection of its own, because it may wait for long."""
        store = Store.connect(self._settings, timeout_s=_RETENTION_EVERY_S)
        try:
            job = RetentionJob(
                store,
                self._retention,
                lambda: [row.project for row in self._projects.all()],
                time.time_ns,
            )
            for removed in job.run_once():
                log.info("retention: %s", removed.sentence)
        finally:
            store.close()

    def _reckon_budgets(self) -> None:
        """Bring what the ledger says into the budgets; a connection of its own, as above."""
        if self._budgets is None:
            store = Store.connect(self._settings)
            self._budgets = BudgetJob(store, self._state, time.time_ns)
        self._budgets.run_once()

    def _look_at_caches(self) -> None:
        """Say what prompt caches did for calls; a connection and prices of its own, as above."""
        if self._cache is None:
            books = BookSource(
                partial(load_overrides, self._state), partial(overrides_revision, self._state)
            )
            store = Store.connect(self._settings)
            self._cache = CacheJob(store, time.time_ns, self._watermarks, books)
        self._cache.run_once()

    def _attribute_gpus(self) -> None:
        """Bring GPU dollars into the ledger; a connection of its own, as above."""
        if self._gpu_cost is None:
            self._gpu_cost = GpuCostJob(
                Store.connect(self._settings),
                time.time_ns,
                self._watermarks,
                GpuPrices(self._state),
                partial(cost_floors, self._retention),
            )
        self._gpu_cost.run_once()

    def _share_infrastructure(self) -> None:
        """Share hours of infrastructure; a connection of its own, as above."""
        if self._infra is None:
            self._infra = InfraJob(
                Store.connect(self._settings),
                time.time_ns,
                self._watermarks,
                PriceState(self._state),
                partial(cost_floors, self._retention),
            )
        self._infra.run_once()

    def _beat(self) -> None:
        self._heartbeats.beat("worker", self._instance, time.time_ns())


def _demand_schema(store: Store) -> None:
    """Raise unless the store has the schema of this version: on another, jobs would be wrong.

    Raises:
        MigrationError: migrations are missing, or the store was written by a newer version.
    """
    if todo := migrations.pending(store):
        raise MigrationError(
            f"The store lacks {len(todo)} migrations; run `spanledger migrate`. Jobs wait for it."
        )
