"""The cache job: entries that changed in, rows of the calls they bear on out, in bounded steps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from spanledger_analytics import _rows
from spanledger_analytics.cache.changes import AnnouncedHours, ChangeReader
from spanledger_analytics.cache.memory import Memory
from spanledger_analytics.cache.reading import Changed
from spanledger_analytics.cache.step import Step
from spanledger_analytics.job import Watermarks
from spanledger_analytics.price_book.book import BookSource, PriceBook
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

CACHE = "cache"
HOURS = "cache hours"
_ENTRIES_PER_STEP = 6_000
_BATCHES_PER_RUN = 20
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What one run did; ``is_drained`` is False when it stopped at its bound with changes left."""

    entries: int = 0
    written: int = 0
    removed: int = 0
    is_drained: bool = True


class CacheJob:
    """Keeps ``cache_calls`` up to date; one instance per store.

    Args:
        store: The telemetry store.
        now_ns: The clock, UTC nanoseconds.
        watermarks: Positions "cache" (newest version of the ledger that was handled) and "cache
            hours" (UTC microseconds of touches).
        books: Returns the prices that hold now, asked at every run.
    """

    def __init__(
        self,
        store: Store,
        now_ns: Callable[[], int],
        watermarks: Watermarks,
        books: Callable[[], PriceBook] | None = None,
    ) -> None:
        self._store = store
        self._now_ns = now_ns
        self._watermarks = watermarks
        self._books = books or BookSource()
        self._changes = ChangeReader(store, watermarks.get(CACHE), now_ns)
        self._announced = AnnouncedHours(store, watermarks.get(HOURS))
        self._memory = Memory()
        self._version = 0

    def run_once(self) -> CacheStats:
        """Handle what changed in the ledger, batch by batch, until nothing is left.

        Raises:
            StoreError: the store refused or did not answer; the next run starts at that batch.
        """
        entries = written = removed = 0
        with _rows.without_collection():
            self._fill_gaps()
            for _ in range(_BATCHES_PER_RUN):
                batch = self._changes.next_batch()
                if batch is None:
                    return CacheStats(entries, written, removed)
                for project, changes in batch.by_project.items():
                    self._memory.forget(one.entry_id for one in changes)
                    # By time: a step derives anew what follows its entries, not what another did.
                    changes.sort(key=lambda one: (one.hour, one.start_ns, one.entry_id))
                    changed = dict.fromkeys(
                        (one.hour, one.trace_id, one.entry_id) for one in changes
                    )
                    done = self._handle(project, list(changed))
                    entries += len(changed)
                    written += done.written
                    removed += done.removed
                self._changes.mark_handled(batch)
                self._watermarks.set(CACHE, self._changes.position_ns)
        return CacheStats(entries, written, removed, is_drained=False)

    def _fill_gaps(self) -> None:
        """Derive calls anew of which the one before was deleted, and their rows with it."""
        announced = self._announced.next_hours()
        if announced.by_project:
            self._memory.clear()
        for project, hours in announced.by_project.items():
            self._handle(project, self._lacking(project, hours))
        self._announced.mark_handled(announced)
        if announced.by_project:
            self._watermarks.set(HOURS, self._announced.position_us)

    def _lacking(self, project: str, hours: Collection[int]) -> list[Changed]:
        """Return calls in and after some hours that have no row: what they followed is gone."""
        found: set[Changed] = set()
        for hour in hours:
            params: dict[str, object] = {
                "project": project,
                "from_s": hour,
                "to_s": min(hour + _DAY_S, 2**32 - 1),
            }
            table = self._store.arrow("cache_lacking", params)
            names = zip(
                _rows.integers(table, "hour"),
                _rows.strings(table, "trace_id"),
                _rows.strings(table, "entry_id"),
                strict=True,
            )
            found.update(names)
        return sorted(found)

    def _handle(self, project: str, changed: Sequence[Changed]) -> _rows.Changes:
        """Handle entries hour by hour: a step derives anew all that lies between its own."""
        written = removed = 0
        for _, of_hour in groupby(changed, key=itemgetter(0)):
            for part in _rows.batches(list(of_hour), _ENTRIES_PER_STEP):
                done = self._guarded(project, part)
                written += done.written
                removed += done.removed
        return _rows.Changes(written, removed)

    def _guarded(self, project: str, changed: Sequence[Changed]) -> _rows.Changes:
        """Handle entries; when the store refuses them for good, find the one at fault."""
        step = Step(self._store, project, self._books(), self._memory)
        try:
            return step.run(changed, self._next_version())
        except StoreError as error:
            if not error.permanent:
                raise
            if len(changed) == 1:
                log.error(
                    "call %s of %s is left without a cache: %s", changed[0][2], project, error
                )
                return _rows.Changes(0, 0)
        middle = len(changed) // 2
        one = self._guarded(project, changed[:middle])
        other = self._guarded(project, changed[middle:])
        return _rows.Changes(one.written + other.written, one.removed + other.removed)

    def _next_version(self) -> int:
        self._version = max(self._version + 1, self._now_ns())
        return self._version
