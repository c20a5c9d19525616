"""The ledger job: from touches to ledger, trajectories and hourly usage, in bounded steps."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from spanledger_analytics._rows import batches
from spanledger_analytics.holding import Holding, Trace
from spanledger_analytics.ledger import LedgerResult, run_ledger
from spanledger_analytics.metric_usage import recompute_metric_usage
from spanledger_analytics.price_book.book import BookSource, PriceBook
from spanledger_analytics.touches import TouchBatch, TouchReader
from spanledger_analytics.usage import ProjectHour, recompute_usage, stale_hours
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

LEDGER = "ledger"
USAGE = "usage"
_TRACES_PER_STEP = 2_000
_BATCHES_PER_RUN = 100


class Watermarks(Protocol):
    """Remembers how far each job got, across restarts."""

    def get(self, job: str) -> int | None:
        """Return the stored position, None when the job never ran."""
        ...

    def set(self, job: str, position: int) -> None:
        """Store the position."""
        ...


@dataclass(frozen=True, slots=True)
class JobStats:
    """What one run did.

    ``newest_touched_ns`` is the time of the newest flush handled (UTC nanoseconds, None when none
    was); ``lag_ns`` how long it had waited when the run ended; ``is_drained`` is False when the
    run stopped at its bound with flushes left. ``held`` traces that go on were put off.
    """

    traces: int = 0
    spans: int = 0
    entries_written: int = 0
    entries_removed: int = 0
    newest_touched_ns: int | None = None
    lag_ns: int = 0
    is_drained: bool = True
    held: int = 0


class LedgerJob:
    """Keeps ledger, trajectories and hourly usage up to date; one instance per store.

    Args:
        store: The telemetry store.
        now_ns: The clock, UTC nanoseconds.
        watermarks: Positions "ledger" (UTC microseconds of touches) and "usage" (ledger version).
        books: Returns the prices that hold now, asked at every run; the installed genai-prices
            data by default.
        max_traces: Bound of one batch of touches.
        metric_floors: Returns by project the UTC start hour (UNIX seconds) before which metric
            points were removed, asked at every run; nowhere by default.
        most_holding_s: How long a trace that goes on is put off at most while runs keep busy.
    """

    def __init__(
        self,
        store: Store,
        now_ns: Callable[[], int],
        watermarks: Watermarks,
        books: Callable[[], PriceBook] | None = None,
        max_traces: int = 20_000,
        metric_floors: Callable[[], Mapping[str, int]] = dict[str, int],
        most_holding_s: float = 0,
    ) -> None:
        self._store = store
        self._now_ns = now_ns
        self._watermarks = watermarks
        self._books = books or BookSource()
        self._metric_floors = metric_floors
        self._floors: Mapping[str, int] = {}
        self._reader = TouchReader(store, watermarks.get(LEDGER), max_traces)
        self._holding = Holding(most_holding_s, now_ns)
        self._places: defaultdict[Trace, set[int]] = defaultdict(set)
        self._position_us = watermarks.get(LEDGER) or 0
        self._version = 0
        self._hours: set[ProjectHour] | None = None
        self._lock = Lock()  # a worker may run the two steps from two threads

    def run_once(self) -> JobStats:
        """Handle what the collector announced, batch by batch, until nothing is left.

        Raises:
            StoreError: the store refused or did not answer; the next run starts at that batch.
        """
        started_s = time.thread_time()
        book = self._books()
        self._floors = self._metric_floors()
        results: list[LedgerResult] = []
        newest_us: int | None = None
        if self._reader.not_after(self._now_ns() // 1_000):
            log.warning("the clock was set back: reading touches from now on again")
        is_drained = False
        for _ in range(_BATCHES_PER_RUN):
            batch = self._reader.next_batch()
            if batch is None:
                results += self._handle((), book)
                self._set_position()
                is_drained = True
                break
            self._go_on_from(batch.repriced_version)
            self._holding.add(batch.traces, batch.unrooted, batch.first_us)
            for project, trace_id, hour in batch.places:
                if trace_id:
                    self._places[project, trace_id].add(hour)
            results += self._handle(batch.hours, book)
            self._sum_repriced(batch)
            self._reader.mark_handled(batch)
            self._set_position()
            newest_us = max(newest_us or 0, batch.newest_us)
            if batch.is_last:  # what came meanwhile waits for the next run
                is_drained = True
                break
        self._holding.was_busy(time.thread_time() - started_s)
        return self._stats(results, newest_us, is_drained=is_drained)

    def _stats(
        self, results: Sequence[LedgerResult], newest_us: int | None, *, is_drained: bool
    ) -> JobStats:
        return JobStats(
            traces=sum(result.traces for result in results),
            spans=sum(result.spans for result in results),
            entries_written=sum(result.entries_written for result in results),
            entries_removed=sum(result.entries_removed for result in results),
            newest_touched_ns=None if newest_us is None else newest_us * 1_000,
            lag_ns=0 if newest_us is None else max(0, self._now_ns() - newest_us * 1_000),
            is_drained=is_drained,
            held=len(self._holding),
        )

    def _set_position(self) -> None:
        """Store how far everything was handled: up to what is put off, or else all."""
        position_us = self._holding.position_us(self._reader.position_us)
        if position_us != self._position_us:
            self._watermarks.set(LEDGER, position_us)
            self._position_us = position_us

    def _go_on_from(self, version: int) -> None:
        """Write newer versions than a repricing, whose rows are ahead of the clock."""
        with self._lock:
            self._version = max(self._version, version)

    def _sum_repriced(self, batch: TouchBatch) -> None:
        """Sum hours that were repriced at once: nothing else remembers that they are due."""
        if not batch.repriced_hours:
            return
        with self._lock:
            self._pending_hours().update(batch.repriced_hours)
        self.run_usage_once()

    def _handle(self, changed_hours: Sequence[ProjectHour], book: PriceBook) -> list[LedgerResult]:
        """Handle the traces that are due, and hours in which spans or metrics changed."""
        traces = self._holding.due()
        by_project: defaultdict[str, list[str]] = defaultdict(list)
        for project, trace_id in traces:
            by_project[project].append(trace_id)
        hours: defaultdict[str, set[int]] = defaultdict(set)
        for project, hour in changed_hours:
            hours[project].add(hour)
        results: list[LedgerResult] = []
        for project, trace_ids in by_project.items():
            for part in batches(trace_ids, _TRACES_PER_STEP):
                for result in self._guarded(project, part, book):
                    results.append(result)
                    hours[project] |= result.hours
        for project, changed in hours.items():
            self._count_metrics(project, changed, book)
        self._holding.handled(traces)
        for trace in traces:
            self._places.pop(trace, None)
        return results

    def _count_metrics(self, project: str, hours: Collection[int], book: PriceBook) -> None:
        """Let metrics speak, or fall silent, where metrics or calls changed."""
        with self._lock:
            pending = self._pending_hours()
            version = self._next_version()
            try:
                changed = recompute_metric_usage(
                    self._store,
                    project,
                    hours,
                    version=version,
                    book=book,
                    not_before=self._floors.get(project, 0),
                )
            except StoreError as error:
                self._hours = None  # as in _step
                if not error.permanent:
                    raise
                log.error("metrics of %s are left uncounted: %s", project, error)
                return
            pending.update((project, hour) for hour in changed)

    def _guarded(
        self, project: str, trace_ids: Sequence[str], book: PriceBook
    ) -> list[LedgerResult]:
        """Handle traces; when the store refuses them for good, find the one at fault and skip it.

        One trace that cannot be read must not keep all others without a price.
        """
        try:
            return [self._step(project, trace_ids, book)]
        except StoreError as error:
            if not error.permanent:
                raise
            if len(trace_ids) == 1:
                log.error("trace %s of %s is left without a ledger: %s", *trace_ids, project, error)
                return []
        middle = len(trace_ids) // 2
        return [
            *self._guarded(project, trace_ids[:middle], book),
            *self._guarded(project, trace_ids[middle:], book),
        ]

    def _step(self, project: str, trace_ids: Sequence[str], book: PriceBook) -> LedgerResult:
        with self._lock:
            hours = self._pending_hours()
            try:
                result = run_ledger(
                    self._store,
                    project,
                    trace_ids,
                    version=self._next_version(),
                    book=book,
                    touched={t: self._places.get((project, t), ()) for t in trace_ids},
                )
            except BaseException:
                # Entries may be written although the step failed: ask the ledger which hours.
                self._hours = None
                raise
            hours.update((project, hour) for hour in result.hours)
            return result

    def run_usage_once(self) -> int:
        """Recompute hourly usage where the ledger changed; return the number of hours.

        Hours left over by a process that died are found by their ledger versions.

        Raises:
            StoreError: the store refused or did not answer; the hours stay due.
        """
        with self._lock:
            hours = self._pending_hours()
            if not hours:
                return 0
            ledger_version = self._version
            recompute_usage(self._store, hours, self._next_version())
            self._watermarks.set(USAGE, ledger_version)
            self._hours = set()
            return len(hours)

    def _pending_hours(self) -> set[ProjectHour]:
        if self._hours is None:
            since = self._watermarks.get(USAGE) or 0
            self._hours, newest = stale_hours(self._store, since)
            self._version = max(self._version, newest)
        return self._hours

    def _next_version(self) -> int:
        # A clock that was set back must not produce versions that lose against stored ones.
        self._version = max(self._version + 1, self._now_ns())
        return self._version
