"""What the worker runs, and how often: a job is a line of ``JOBS`` and what makes it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import sqlalchemy as sa

from spanledger_analytics.anomalies.job import AnomalyJob
from spanledger_analytics.anomalies.price_log import changes
from spanledger_analytics.budgets.job import BudgetJob
from spanledger_analytics.cache.job import CacheJob
from spanledger_analytics.data_quality.job import QualityJob
from spanledger_analytics.drift.job import DriftJob
from spanledger_analytics.findings.cascades.job import NAME as CASCADES
from spanledger_analytics.findings.cascades.job import CascadeJob
from spanledger_analytics.findings.job import FindingsJob
from spanledger_analytics.findings.limits import DetectorSettings, detector_settings
from spanledger_analytics.findings.silent_rate_job import SilentRateJob
from spanledger_analytics.focus.daily import FocusExportJob
from spanledger_analytics.gpu_cost.floors import cost_floors
from spanledger_analytics.gpu_cost.job import GpuCostJob
from spanledger_analytics.infra.job import InfraJob
from spanledger_analytics.invoices.job import InvoicePullJob, InvoiceUploadJob
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.price_book.book import BookSource
from spanledger_analytics.price_book.store import load_overrides, overrides_revision
from spanledger_analytics.reconciliation.actions import Actions
from spanledger_analytics.reconciliation.job import ReconciliationJob
from spanledger_analytics.reconciliation.run import reconcile
from spanledger_analytics.retention.expiry import RetentionJob, metric_floors
from spanledger_analytics.retention.policy import Kind
from spanledger_server.alerting import alerts_job, delivery_job
from spanledger_server.focus_cli import FOLDER as FOCUS_FOLDER
from spanledger_server.jobs_lease import LeasedStore
from spanledger_server.roles import instance_name
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.price_state import PriceState
from spanledger_storage.projects import Projects
from spanledger_storage.retention_state import RetentionState
from spanledger_storage.state import Watermarks
from spanledger_storage.store import Store, StoreSettings

log = logging.getLogger(__name__)

_RETENTION_EVERY_S = 3_600
_MOST_GATHERING_S = 5
"""As long as exporters gather, so that several pieces of a trace are handled at once:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/"""

_MOST_HOLDING_S = 20
"""How late the cost of a trace that goes on may be while the ledger job has much to do."""


class Means:
    """What jobs are made from.

    Args:
        settings: of the telemetry store; every job that may take long has a connection of its own.
        state: the state database.
        demand: raises where what is read may not be written any more: another worker runs jobs.
    """

    def __init__(
        self, settings: StoreSettings, state: sa.Engine, demand: Callable[[], None] = lambda: None
    ) -> None:
        self.settings = settings
        self.state = state
        self._demand = demand
        self.watermarks = Watermarks(state)
        self.retention = RetentionState(state)

    def store(self, timeout_s: int = 300) -> Store:
        """Return a connection of its own."""
        return self._connected(self.settings, timeout_s)

    def lookups(self) -> Store:
        """Return one for statements that look up some traces: several threads cost more there."""
        settings = {**self.settings.settings, "max_threads": "1"}
        return self._connected(replace(self.settings, settings=settings))

    def _connected(self, settings: StoreSettings, timeout_s: int = 300) -> Store:
        store = LeasedStore.connect(settings, timeout_s=timeout_s)
        store.demand = self._demand
        return store

    def books(self) -> BookSource:
        """Return prices that follow the state database."""
        return BookSource(
            partial(load_overrides, self.state), partial(overrides_revision, self.state)
        )

    @cached_property
    def ledger(self) -> LedgerJob:
        """The ledger job, whose two steps run on two schedules."""
        return LedgerJob(
            self.lookups(),
            time.time_ns,
            self.watermarks,
            self.books(),
            metric_floors=partial(metric_floors, self.retention),
            most_holding_s=_MOST_HOLDING_S,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the worker.

    Attributes:
        name: in logs.
        every_s: seconds between the starts of two runs.
        make: returns what a run calls; called once, before the first run.
        first_after_s: seconds from the start to the first run; as ``every_s`` if left out.
        rests: how many times as long as it ran a job stays idle, so that one whose work grows
            takes no larger share of time.
        gathers: how many times as long as it kept its own thread's processor busy a job waits for
            more to come, at most five seconds: so that what each run costs is for more.
    """

    name: str
    every_s: float
    make: Callable[[Means], Callable[[], object]]
    first_after_s: float | None = None
    rests: int = 0
    gathers: int = 0

    def rest_s(self, ran_s: float, busy_s: float) -> float:
        """Return how long the job stays idle after a run, from its time and its processor time."""
        return max(self.rests * ran_s, min(self.gathers * busy_s, _MOST_GATHERING_S))


def _ledger(means: Means) -> Callable[[], object]:
    return means.ledger.run_once


def _usage(means: Means) -> Callable[[], object]:
    return means.ledger.run_usage_once


def _cache(means: Means) -> Callable[[], object]:
    return CacheJob(means.lookups(), time.time_ns, means.watermarks, means.books()).run_once


def _budgets(means: Means) -> Callable[[], object]:
    return BudgetJob(means.store(), means.state, time.time_ns).run_once


def _gpu_cost(means: Means) -> Callable[[], object]:
    floors = partial(cost_floors, means.retention)
    prices = PriceState(means.state)
    return GpuCostJob(means.store(), time.time_ns, means.watermarks, prices, floors).run_once


def _infra(means: Means) -> Callable[[], object]:
    floors = partial(cost_floors, means.retention)
    prices = PriceState(means.state)
    return InfraJob(means.store(), time.time_ns, means.watermarks, prices, floors).run_once


def _quality(means: Means) -> Callable[[], object]:
    return QualityJob(means.store(), time.time_ns).run_once


def _findings(means: Means) -> Callable[[], object]:
    projects = Projects(means.state)

    def settings() -> dict[str, DetectorSettings]:
        return {row.project.name: detector_settings(row.project) for row in projects.all()}

    return FindingsJob(means.lookups(), time.time_ns, means.watermarks, settings).run_once


def _cascades(means: Means) -> Callable[[], object]:
    projects = Projects(means.state)

    def without() -> set[str]:
        rows = (row.project for row in projects.all())
        return {one.name for one in rows if CASCADES in one.settings.findings.disabled_detectors}

    return CascadeJob(means.store(), time.time_ns, without).run_once


def _silent_rates(means: Means) -> Callable[[], object]:
    return SilentRateJob(means.store(), time.time_ns).run_once


def _anomalies(means: Means) -> Callable[[], object]:
    states = FindingStates(means.state)

    def expected(project: str, finding_ids: list[str]) -> set[str]:
        said = states.of(project, finding_ids)
        return {finding_id for finding_id, row in said.items() if row.state == "expected"}

    prices = partial(changes, PriceState(means.state))
    return AnomalyJob(means.store(), time.time_ns, expected, prices).run_once


def _drift(means: Means) -> Callable[[], object]:
    return DriftJob(means.store(), time.time_ns).run_once


def _reconciliation(means: Means) -> Callable[[], object]:
    return ReconciliationJob(
        means.store(), means.state, time.time_ns, means.watermarks, means.books()
    ).run_once


def _reconciliation_actions(means: Means) -> Callable[[], object]:
    return Actions(means.store(), means.state, time.time_ns, reconcile).run_once


def _alerts(means: Means) -> Callable[[], object]:
    return alerts_job(means.settings, means.state, instance_name())


def _delivery(means: Means) -> Callable[[], object]:
    return delivery_job(means.state)


def _focus(means: Means) -> Callable[[], object]:
    folder = os.environ.get(FOCUS_FOLDER)
    if not folder:
        return lambda: None
    projects = Projects(means.state)
    return FocusExportJob(
        means.store(),
        Path(folder).expanduser(),
        lambda: [row.project.name for row in projects.all()],
        time.time_ns,
        partial(means.retention.floors, Kind.LEDGER),
    ).run_once


def _retention(means: Means) -> Callable[[], object]:
    projects = Projects(means.state)
    job = RetentionJob(
        means.store(timeout_s=_RETENTION_EVERY_S),  # it may wait long for what it removes
        means.retention,
        lambda: [row.project for row in projects.all()],
        time.time_ns,
    )

    def run() -> None:
        for removed in job.run_once():
            log.info("retention: %s", removed.sentence)

    return run


def _invoice_pulls(means: Means) -> Callable[[], object]:
    return InvoicePullJob(means.store(), means.state, os.environ, time.time_ns).run_once


def _invoice_uploads(means: Means) -> Callable[[], object]:
    return InvoiceUploadJob(means.store(), means.state, time.time_ns).run_once


JOBS = (
    # Half of what a step costs does not depend on how much arrived.
    Job("ledger", 0.5, _ledger, gathers=4),
    # An hour is summed whole, so its cost grows while it lasts.
    Job("usage", 3, _usage, rests=4),
    Job("cache", 5, _cache, gathers=4),
    Job("budgets", 2, _budgets),
    Job("gpu costs", 20, _gpu_cost),
    Job("infrastructure", 60, _infra),
    # A large trace that goes on is read anew whenever it grows.
    Job("findings", 5, _findings, rests=1, gathers=4),
    Job("error cascades", 30, _cascades, rests=4),
    Job("silent failures", 120, _silent_rates, first_after_s=30, rests=4),
    Job("alerts", 1, _alerts),
    Job("alert delivery", 0.5, _delivery),
    Job("quality", 300, _quality, first_after_s=20),
    Job("anomalies", 60, _anomalies, first_after_s=15, rests=4),
    Job("drift", 3_600, _drift, first_after_s=300),
    Job("FOCUS export", 3_600, _focus, first_after_s=120),
    Job("reconciliation", 60, _reconciliation, first_after_s=30, rests=4),
    Job("reconciliation actions", 5, _reconciliation_actions),
    # One report a run; each is due once a day.
    Job("invoice pulls", 60, _invoice_pulls, first_after_s=30),
    Job("invoice uploads", 2, _invoice_uploads, rests=1),
    Job("retention", _RETENTION_EVERY_S, _retention, first_after_s=60),
)
