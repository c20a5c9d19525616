"""The retention job: finds what is past its days, and removes it in bounded steps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

from spanledger_analytics import _rows
from spanledger_analytics.retention import content
from spanledger_analytics.retention.plan import Step, find_expired, more_params
from spanledger_analytics.retention.policy import Days, Kind, by_day, first_second, kept_from
from spanledger_storage.errors import StoreError
from spanledger_storage.project_settings import Project
from spanledger_storage.retention_state import RetentionState
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

_PARTITIONS_PER_RUN = 31
_NO_SUCH_PART = 232
_DELETE = {
    "messages": "retention_delete_messages",
    "spans": "retention_delete_spans",
    "logs": "retention_delete_logs",
    "dead_letters": "retention_delete_dead_letters",
    "findings": "retention_delete_findings",
    "traces": "retention_delete_traces",
    "trajectories": "retention_delete_trajectories",
    "metric_points": "retention_delete_metric_points",
    "gpu_samples": "retention_delete_gpu_samples",
    "gpu_processes": "retention_delete_gpu_processes",
    "inference_samples": "retention_delete_inference_samples",
    "gpu_minutes": "retention_delete_gpu_minutes",
    "worker_minutes": "retention_delete_worker_minutes",
    "gpu_attribution": "retention_delete_gpu_attribution",
    "gpu_worker_hours": "retention_delete_gpu_worker_hours",
    "ledger": "retention_delete_ledger",
    "usage_hourly": "retention_delete_usage_hourly",
    "usage_by_user": "retention_delete_usage_by_user",
    "cache_calls": "retention_delete_cache_calls",
}
_DELETE_TIES = {
    "trajectory_keys": "retention_delete_trajectory_keys",
    "trajectory_traces": "retention_delete_trajectory_traces",
}


class Removed(NamedTuple):
    """What a run did, or would do, in one table; ``is_done`` is False when some is left."""

    kind: Kind
    table: str
    action: str
    partitions: int
    rows: int
    is_done: bool = True

    @property
    def sentence(self) -> str:
        """The same for people."""
        rest = "" if self.is_done else "; the next run goes on"
        places = f" in {self.partitions} places" if self.partitions else ""
        return f"{self.table}: {self.action}{places}, {self.rows} rows past {self.kind} days{rest}"


def metric_floors(state: RetentionState) -> dict[str, int]:
    """Return by project the UTC start hour (UNIX seconds) before which metric points are gone.

    Raises:
        StateError: the state database does not answer.
    """
    return {project: first_second(day) for project, day in state.floors(Kind.METRICS).items()}


class RetentionJob:
    """Removes what is past its days; run it as often as you like, it acts once a day.

    Args:
        store: The telemetry store.
        state: Where it notes what it did.
        projects: Returns the projects and their settings, asked at every run. Projects that are
            not among them are kept for ever.
        now_ns: The clock, UTC nanoseconds.
    """

    def __init__(
        self,
        store: Store,
        state: RetentionState,
        projects: Callable[[], Iterable[Project]],
        now_ns: Callable[[], int],
    ) -> None:
        self._store = store
        self._state = state
        self._projects = projects
        self._now_ns = now_ns

    def run_once(self, *, is_dry: bool = False) -> list[Removed]:
        """Remove what is past its days, or with ``is_dry`` only say what that is.

        1. Note from which day on the data of each project is whole.
        2. Drop the parts of which every row is past.
        3. Delete the other rows, of at most a month of partitions; the next run goes on.
        4. Clear content from spans and logs that stay.
        5. Forget where the spans of traces lie that are gone, and what tied them to others.

        A table that is still being rewritten is left alone.

        Raises:
            StorageError: the store or the state database refused or did not answer; running again
                goes on from there.
        """
        projects, now_ns = list(self._projects()), self._now_ns()
        busy = _busy_tables(self._store)
        done: list[Removed] = []
        for kind in Kind:
            days = kept_from(projects, kind, now_ns)
            if not is_dry:
                self._state.raise_floors(kind, days)
            for step in find_expired(self._store, kind, days, now_ns):
                if step.table not in busy or is_dry:
                    params = more_params(kind, now_ns)
                    done += self._remove(kind, step, days, params, is_dry=is_dry)
        done += self._clear_content(projects, now_ns, busy, is_dry=is_dry)
        done += self._forget_traces(kept_from(projects, Kind.SPANS, now_ns), busy, is_dry=is_dry)
        done += self._forget_ties(kept_from(projects, Kind.SPANS, now_ns), busy, is_dry=is_dry)
        return done

    def _remove(
        self, kind: Kind, step: Step, days: Days, params: dict[str, object], *, is_dry: bool
    ) -> list[Removed]:
        done: list[Removed] = []
        if step.parts:
            if not is_dry:
                self._drop(step)
            done.append(Removed(kind, step.table, "drop parts", len(step.parts), step.part_rows))
        if step.partitions:
            partitions = step.partitions[:_PARTITIONS_PER_RUN]
            if not is_dry:
                place = {
                    "partitions": list(partitions),
                    "projects": list(days),
                    "days": list(days.values()),
                }
                self._store.command(_DELETE[step.table], {**place, **params})
            is_done = len(partitions) == len(step.partitions)
            done.append(
                Removed(kind, step.table, "delete rows", len(partitions), step.rows, is_done)
            )
        return done

    def _drop(self, step: Step) -> None:
        for part in step.parts:
            try:
                self._store.execute(f"ALTER TABLE {step.table} DROP PART '{part}'")
            except StoreError as error:
                if error.code != _NO_SUCH_PART:  # merged meanwhile: the next run finds it
                    raise

    def _clear_content(
        self, projects: Iterable[Project], now_ns: int, busy: set[str], *, is_dry: bool
    ) -> list[Removed]:
        days = kept_from(projects, Kind.CONTENT, now_ns)
        kept = kept_from(projects, Kind.SPANS, now_ns)
        found = content.find_content(self._store, self._state, days, kept, _PARTITIONS_PER_RUN)
        if not is_dry:
            self._state.forget_cleared(found.gone)
            self._state.mark_cleared(found.empty)
        done: list[Removed] = []
        for due in found.due:
            if due.table in busy and not is_dry:
                continue
            if not is_dry:
                content.clear(self._store, self._state, due, days)
            partitions = len(due.partitions)
            done.append(Removed(Kind.CONTENT, due.table, "clear content", partitions, due.rows))
        return done

    def _forget_traces(self, days: Days, busy: set[str], *, is_dry: bool) -> list[Removed]:
        done: list[Removed] = []
        if {"trace_hours", "response_traces"} & busy:
            return done
        for day, projects in by_day(days).items():
            params = {"projects": projects, "day": day}
            [traces] = _rows.integers(
                self._store.arrow("retention_expired_traces", params), "traces"
            )
            if not traces:
                continue
            if not is_dry:
                # In this order: the second says which traces the first is about.
                self._store.command("retention_delete_response_traces", params)
                self._store.command("retention_delete_trace_hours", params)
            done.append(Removed(Kind.SPANS, "trace_hours", "forget traces", 0, traces))
        return done

    def _forget_ties(self, days: Days, busy: set[str], *, is_dry: bool) -> list[Removed]:
        """Remove what says of traces that are gone which trajectory they were part of."""
        if not days or {"traces", "trajectory_keys", "trajectory_traces"} & busy:
            return []
        params = {"projects": sorted(days)}
        done: list[Removed] = []
        for row in self._store.rows("retention_expired_ties", params):
            table, expired = str(row["table_name"]), int(str(row["expired"]))
            if expired:
                if not is_dry:
                    self._store.command(_DELETE_TIES[table], params)
                done.append(Removed(Kind.SPANS, table, "forget traces", 0, expired))
        return done


def _busy_tables(store: Store) -> set[str]:
    """Return the tables that are being rewritten, and say what keeps one from ending."""
    rows = store.rows("retention_mutations")
    for row in rows:
        if row["reason"]:
            log.warning("rewriting %s does not end: %s", row["table_name"], row["reason"])
    return {str(row["table_name"]) for row in rows}
