"""The worker: jobs on a schedule, each idempotent, none overlapping itself or another worker's."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from spanledger_server.jobs import JOBS, Job, Means
from spanledger_server.jobs_lease import JobsLease
from spanledger_server.scheduler import SteadyScheduler
from spanledger_storage import migrations
from spanledger_storage.errors import MigrationError, StorageError
from spanledger_storage.state import Heartbeats
from spanledger_storage.store import Store, StoreSettings

log = logging.getLogger(__name__)

_HEARTBEAT_EVERY_S = 2
_HEARTBEAT = "sign of life"


class Worker:
    """Runs the jobs of one process, or stands by while another worker runs them.

    Args:
        settings: of the telemetry store.
        state: the state database.
        instance: host and process id, for the sign of life.
        jobs: what is run.
        holder: names this worker alone; one of the same name goes on at once where it died. Left
            out, the instance does.
    """

    def __init__(
        self,
        settings: StoreSettings,
        state: sa.Engine,
        instance: str,
        jobs: Sequence[Job] = JOBS,
        holder: str = "",
    ) -> None:
        self._settings = settings
        self._state = state
        self._lease = JobsLease(state, holder or instance)
        self._token: int | None = None
        self._means = Means(settings, state)
        self._heartbeats = Heartbeats(state)
        self._instance = instance
        self._jobs = jobs
        self._runs: dict[str, Callable[[], object]] = {}
        self._due: dict[str, float] = {}
        self._has_schema = False
        self._making = Lock()  # jobs share what they are made from
        self._trouble: dict[str, str] = {}
        self._scheduler = SteadyScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1}
        )

    def start(self) -> None:
        """Begin; returns at once."""
        for job in self._jobs:
            after_s = job.every_s if job.first_after_s is None else job.first_after_s
            self._scheduler.add_job(
                self.tick,
                "interval",
                (job,),
                seconds=job.every_s,
                next_run_time=datetime.now(UTC) + timedelta(seconds=after_s),
                misfire_grace_time=None,
            )
        self._scheduler.add_job(self._beat, "interval", seconds=_HEARTBEAT_EVERY_S)
        self._scheduler.start()
        self._beat()

    def stop(self) -> None:
        """Let running jobs end; what they did not do, the next start does."""
        self._scheduler.shutdown(wait=True)
        self._lease.release()

    def tick(self, job: Job) -> None:
        """Run a job if it is due; that it fails is said once, and it is tried again."""
        started = time.monotonic()
        if started < self._due.get(job.name, 0.0):
            return
        busy_s = time.thread_time()
        try:
            if run := self._run_of(job):
                run()
        except Exception as error:  # the scheduler would log it at every tick, twice a second
            self._complain(f"job {job.name}", error)
        else:
            self._trouble.pop(f"job {job.name}", None)
        ended = time.monotonic()
        busy_s = time.thread_time() - busy_s
        self._due[job.name] = ended + job.rest_s(ended - started, busy_s)

    def _run_of(self, job: Job) -> Callable[[], object] | None:
        """Return what runs a job; None: another worker does."""
        with self._making:
            token = self._lease.token()
            if token is None:
                return None
            if token != self._token:  # what jobs remember is not what another one left
                self._token, self._runs = token, {}
                demand = partial(self._lease.demand, token)
                self._means = Means(self._settings, self._state, demand)
            if not self._has_schema:
                with closing(Store.connect(self._settings)) as store:
                    _demand_schema(store)
                self._has_schema = True
            if job.name not in self._runs:
                self._runs[job.name] = job.make(self._means)
            return self._runs[job.name]

    def _beat(self) -> None:
        try:
            self._heartbeats.beat("worker", self._instance, time.time_ns())
        except Exception as error:
            self._complain(_HEARTBEAT, error)
        else:
            self._trouble.pop(_HEARTBEAT, None)

    def _complain(self, what: str, error: Exception) -> None:
        """Log trouble when it begins; of a fault of ours also where."""
        words = _words(error)
        said = words or type(error).__name__
        if self._trouble.get(what) == said:
            return
        self._trouble[what] = said
        if words:
            log.warning("%s: %s", what, words)
        else:
            log.error("%s failed; it is tried again", what, exc_info=error)


def _words(error: Exception) -> str:
    """Return what is wrong around us; empty: nothing is, it is a fault of ours."""
    if isinstance(error, StorageError):
        return str(error)
    if isinstance(error, OperationalError):
        return " ".join(f"the state database failed: {error.orig}".split())
    return ""


def _demand_schema(store: Store) -> None:
    """Raise unless the store has the schema of this version: on another, jobs would be wrong.

    Raises:
        MigrationError: migrations are missing, or the store was written by a newer version.
    """
    if todo := migrations.pending(store):
        raise MigrationError(
            f"The store lacks {len(todo)} migrations; run `spanledger migrate`. Jobs wait for it."
        )
